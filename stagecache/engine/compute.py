"""Computes one key once: lease -> look again -> run -> inputs still the same? -> publish."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.codecs.files import only_finding
from stagecache.engine.body import Body
from stagecache.engine.determinism import difference, warn_of
from stagecache.engine.lookup import Found, look_up, note_names, reads_hold, variant
from stagecache.engine.purity import inputs_hold
from stagecache.engine.values import Gone, Values
from stagecache.engine.why import describe_stage
from stagecache.errors import (
    EncodeError,
    FingerprintError,
    StagecacheWarning,
)
from stagecache.fingerprint.code import reference_name
from stagecache.fingerprint.reads.recording import recording
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Digest, Entry, Event, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.codecs import Sections
    from stagecache.engine.context import Context
    from stagecache.engine.request import Request
    from stagecache.leases.base import Holder
    from stagecache.model import Argument, Options, Reason
    from stagecache.stage import Stage


class Produced(NamedTuple):
    """A result, just computed or found by a second look."""

    entry: Entry
    value: Any
    """The very value that the body returned, where `ran`."""
    ran: bool
    is_kept: bool
    """Whether a store holds it; if not, `value` is all there is."""
    seconds: float = 0.0
    arguments: tuple[Argument, ...] = ()
    """With the parts of their values, where `ran`."""
    why: Reason | None = None
    """Why `entry` is served though it has expired."""


class Computer:
    """Runs bodies under leases and publishes what they return.

    Parameters
    ----------
    context : Context
        The engine's means.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._store = context.store
        self._clock = context.clock
        self._values = Values(context.store, context.clock)
        self._described: set[Digest] = set()

    def obtain(
        self,
        request: Request,
        bound: dict[str, Any],
        *,
        better_than: Entry | None = None,
        rescue: Callable[[], object] | None = None,
    ) -> Produced:
        """Return the result of `request`, computed here or by whoever was first.

        Parameters
        ----------
        request : Request
            What to compute.
        bound : dict
            Its arguments with every node replaced by its value.
        better_than : Entry, optional
            A kept result that is not good enough (expired, unloadable, to be refreshed):
            only a newer one is taken instead of running.
        rescue : callable, optional
            Called, before anybody else may compute the request, if the body raises.
        """
        mine: list[Produced] = []

        def compute() -> Produced:
            self._store.prepare()
            asked = self._clock.now()
            with self.context.leases.acquire(request.key, self._waiting(request)):
                return self._run(request, bound, better_than, mine, rescue, asked)

        shared = self.context.flight.run(request.key, compute, name=request.stage.qualified_name)
        return mine[0] if mine else shared._replace(ran=False)

    def obtain_nowait(
        self,
        request: Request,
        bind: Callable[[], dict[str, Any]],
        *,
        better_than: Entry | None,
        rescue: Callable[[], object],
    ) -> Produced | None:
        """Do the same if nobody is at it; return None at once if somebody is.

        Parameters
        ----------
        request, better_than, rescue
            As of :meth:`obtain`.
        bind : callable
            Returns the arguments with every node replaced by its value; called only if the
            body is likely to run.
        """
        self._store.prepare()
        # The lease comes first: nobody may join a computation that may not begin.
        lease = self.context.leases.acquire_nowait(request.key)
        if lease is None:
            return None
        mine: list[Produced] = []
        with lease:
            shared = self.context.flight.run_nowait(
                request.key,
                lambda: self._run(request, bind(), better_than, mine, rescue),
                name=request.stage.qualified_name,
            )
        return mine[0] if mine else shared

    def _run(
        self,
        request: Request,
        bound: dict[str, Any],
        better_than: Entry | None,
        mine: list[Produced],
        rescue: Callable[[], object] | None,
        asked: float | None = None,
    ) -> Produced:
        """Look again, then run the body; return what others may have of it, the whole in `mine`."""
        found = self._look_again(request, asked)
        if self._is_good(found, better_than):
            assert found.entry is not None
            return Produced(found.entry, None, ran=False, is_kept=True)
        body = Body(request, bound, self.context.settings.directory)
        started = self._clock.monotonic()
        with body.noting(), _rescuing(rescue):
            value = _call(request, bound)
        seconds = self._clock.monotonic() - started
        mine.append(self._publish(body, value, seconds, found))
        return _shared(mine[0])

    async def obtain_async(
        self,
        request: Request,
        bound: dict[str, Any],
        *,
        better_than: Entry | None = None,
        rescue: Callable[[], object] | None = None,
    ) -> Produced:
        """Do the same for an ``async def`` body, awaited on the caller's event loop."""
        mine: list[Produced] = []

        async def compute() -> Produced:
            self._store.prepare()
            asked = self._clock.now()
            with await self.context.leases.acquire_async(request.key, self._waiting(request)):
                return await self._run_async(request, bound, better_than, mine, rescue, asked)

        shared = await self.context.flight.run_async(
            request.key, compute, name=request.stage.qualified_name
        )
        return mine[0] if mine else shared._replace(ran=False)

    async def obtain_async_nowait(
        self,
        request: Request,
        bound: dict[str, Any],
        *,
        better_than: Entry | None,
        rescue: Callable[[], object],
    ) -> Produced | None:
        """Do as :meth:`obtain_nowait` for an ``async def`` body."""
        self._store.prepare()
        lease = self.context.leases.acquire_nowait(request.key, is_async=True)
        if lease is None:
            return None
        mine: list[Produced] = []

        async def compute() -> Produced:
            with lease:  # it ends with the body, also when the caller was cancelled before
                return await self._run_async(request, bound, better_than, mine, rescue)

        shared = await self.context.flight.run_async_nowait(
            request.key, compute, name=request.stage.qualified_name
        )
        if shared is None:
            lease.release()
        return mine[0] if mine else shared

    async def _run_async(
        self,
        request: Request,
        bound: dict[str, Any],
        better_than: Entry | None,
        mine: list[Produced],
        rescue: Callable[[], object] | None,
        asked: float | None = None,
    ) -> Produced:
        found = self._look_again(request, asked)
        if self._is_good(found, better_than):
            assert found.entry is not None
            return Produced(found.entry, None, ran=False, is_kept=True)
        with self.context.working():
            body = Body(request, bound, self.context.settings.directory)
        started = self._clock.monotonic()
        with body.noting(), _rescuing(rescue):
            value = await request.stage.parameters.call(bound)
        seconds = self._clock.monotonic() - started
        with self.context.working():
            mine.append(self._publish(body, value, seconds, found))
        return _shared(mine[0])

    def look_up(self, request: Request, now: float | None = None) -> Found:
        """Return the good result of a request, or what is kept instead."""
        moment = self._clock.now() if now is None else now
        return look_up(self._store, request.key, request.stage.settings, moment)

    def _look_again(self, request: Request, asked: float | None) -> Found:
        """Look up under the lease, asked for at `asked`; what was made since then is good enough.

        It may have expired already, by resting on something stale. If those who waited for it
        did not take it, they would all make the same, one after the other.
        """
        now = self._clock.now()
        found = self.look_up(request, now)
        entry = found.entry
        if asked is None or entry is None or found.is_good or found.changed is not None:
            return found
        return found._replace(is_good=asked < entry.created <= now and reads_hold(entry))

    def load(self, entry: Entry, settings: Options | None = None) -> tuple[bool, Any]:
        """Return (True, value), or (False, None) if the value is missing or unreadable.

        Parameters
        ----------
        entry : Entry
            What is kept.
        settings : Options, optional
            Of its stage. Where somebody may be at work on a new result, a file that is not in
            place is put back under the lease only: it may be the new one, half written.
        """
        if settings is None or not settings.is_renewed:
            return self._values.load(entry)
        token = only_finding.set(True)
        try:
            return True, self._values.get(entry)
        except Gone:
            return False, None
        except Exception:  # noqa: BLE001 - what is wrong shows below
            lease = self.context.leases.acquire_nowait(entry.key)
        finally:
            only_finding.reset(token)
        if lease is None:
            return False, None
        with lease:
            standing = self._store.get(entry.key)
            if standing is None or standing.generation != entry.generation:
                return False, None  # the file in place is a newer one
            return self._values.load(entry)

    def again(self, request: Request, bound: dict[str, Any]) -> Any:
        """Run a body and return its result, which is kept nowhere."""
        with Body(request, bound, self.context.settings.directory).noting():
            return _call(request, bound)

    def check(self, request: Request, bound: dict[str, Any], entry: Entry) -> None:
        """Run a body whose result is kept, and warn if it gives another one now, or none."""
        try:
            where = difference(entry, self.again(request, bound))
        except Exception as error:  # noqa: BLE001 - whatever a body raises; the hit is good
            warn_of(request, f"raised {type(error).__name__} ({error}) when a hit was checked")
            return
        if where is not None:
            warn_of(request, f"gives another result for equal inputs{where}")

    def _compression(self, stage: Stage[..., Any]) -> str | None:
        wanted = stage.settings.compression or self.context.settings.compression
        return None if wanted == "none" else wanted

    def _is_good(self, found: Found, better_than: Entry | None) -> bool:
        if not found.is_good or found.entry is None:
            return False
        if better_than is not None and found.entry.key == better_than.key:
            return found.entry.generation > better_than.generation
        return found.entry.has_value

    def _waiting(self, request: Request) -> Callable[[Holder | None, float], None]:
        def tell(holder: Holder | None, seconds: float) -> None:
            whom = f"pid {holder.pid} on {holder.host}" if holder else "another process"
            message = f"waiting for {whom}, {seconds:.0f} s"
            self.context.tell(Event("waiting", request.node, self._clock.now(), None, message))

        return tell

    def _publish(self, body: Body, value: Any, seconds: float, found: Found) -> Produced:
        """Keep a result if it may be kept; say what became of it."""
        request, stage = body.request, body.request.stage
        hold = inputs_hold(request, body.bound)
        reads, do_reads_hold = body.reads(value)
        made = self._clock.now()
        entry = Entry(
            key=request.key,
            result=Digest(b""),
            stage=stage.qualified_name,
            code=request.code,
            codec="",
            inline=None,
            blob=None,
            size=0,
            created=made,
            seconds=seconds,
            reads=reads,
            expires=body.expires(made),
        )
        unkept = Produced(entry, value, True, False, seconds, body.arguments)
        try:
            identity = fingerprint(value, items=True, name="result")
        except FingerprintError as error:
            _warn_not_kept(stage.name, f"its result has no fingerprint: {error}")
            return unkept
        entry = entry._replace(
            result=identity.digest,
            refs=tuple(reference_name(ref) for ref in identity.refs),
            items=identity.items,
        )
        unkept = unkept._replace(entry=entry)
        if not (hold and do_reads_hold and request.is_kept):
            return unkept
        packing = self._values.packing(stage.settings, self._compression(stage))
        try:
            packed = packing.pack(value, identity)
        except EncodeError as error:
            _warn_not_kept(stage.name, str(error))
            return unkept
        entry = entry._replace(codec=packed.codec, parts=packed.parts)
        kept = self._keep(body, entry, packed.sections, found.entry)
        packing.adopt(kept.key)
        return unkept._replace(entry=kept, is_kept=kept.has_value)

    def _keep(self, body: Body, entry: Entry, sections: Sections, replaced: Entry | None) -> Entry:
        request = body.request
        provenance = Provenance(
            request.key,
            body.arguments,
            socket.gethostname(),
            os.getpid(),
            ".".join(map(str, sys.version_info[:3])),
        )
        manifest = None
        if request.code not in self._described:
            manifest = describe_stage(request.stage, request.code)
            self._described.add(request.code)
        if entry.reads:
            note_names(self._store, request.key, entry.reads)
            aside = variant(request.key, entry.reads)
            standing = self._store.get(aside)
            self._store.put(
                entry._replace(key=aside, generation=_after(standing)),
                sections,
                provenance._replace(key=aside),
                manifest,
            )
        if replaced is not None and replaced.key != request.key:  # that of other files
            replaced = self._store.get(request.key)
        entry = entry._replace(generation=_after(replaced))
        return self._store.put(entry, sections, provenance, manifest)


@contextmanager
def _rescuing(rescue: Callable[[], object] | None) -> Iterator[None]:
    try:
        yield
    except Exception:
        if rescue is not None:
            with recording(None):  # nothing of it is the body's
                rescue()
        raise


def _shared(produced: Produced) -> Produced:
    """Return the record only, if that will do: what others load must not alias our value."""
    return produced._replace(value=None, ran=False) if produced.is_kept else produced


def _after(replaced: Entry | None) -> int:
    return 0 if replaced is None else replaced.generation + 1


def _call(request: Request, bound: dict[str, Any]) -> Any:
    returned = request.stage.parameters.call(bound)
    return _wait(returned) if request.stage.is_async else returned


def _wait(coroutine: Any) -> Any:
    """Run a coroutine to its end, in a thread of its own where this one has a running loop."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    import contextvars
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


def _warn_not_kept(stage: str, why: str) -> None:
    warnings.warn(
        f"The result of `{stage}` is returned but not kept, so it will be computed again: {why}",
        StagecacheWarning,
        stacklevel=2,
    )
