"""Computes one key once: lease -> look again -> run -> inputs still the same? -> publish."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache import codecs
from stagecache.engine.body import Body
from stagecache.engine.determinism import difference, warn_of
from stagecache.engine.lookup import Found, look_up, note_names, variant
from stagecache.engine.purity import inputs_hold
from stagecache.engine.why import describe_stage
from stagecache.errors import (
    EncodeError,
    FingerprintError,
    StagecacheWarning,
)
from stagecache.fingerprint.code import reference_name
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Digest, Entry, Event, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.engine.context import Context
    from stagecache.engine.request import Request
    from stagecache.leases.base import Holder
    from stagecache.model import Argument
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
        self._described: set[Digest] = set()

    def obtain(
        self, request: Request, bound: dict[str, Any], *, better_than: Entry | None = None
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
        """
        mine: list[Produced] = []

        def compute() -> Produced:
            self._store.prepare()
            with self.context.leases.acquire(request.key, self._waiting(request)):
                found = self.look_up(request)
                if self._is_good(found, better_than):
                    assert found.entry is not None
                    return Produced(found.entry, None, ran=False, is_kept=True)
                body = Body(request, bound, self.context.settings.directory)
                started = self._clock.monotonic()
                with body.noting():
                    value = _call(request, bound)
                seconds = self._clock.monotonic() - started
                mine.append(self._publish(body, value, seconds, found))
            # Other threads get the record only: what they load must not alias our value.
            return mine[0] if not mine[0].is_kept else mine[0]._replace(value=None, ran=False)

        shared = self.context.flight.run(request.key, compute, name=request.stage.qualified_name)
        return mine[0] if mine else shared._replace(ran=False)

    async def obtain_async(
        self, request: Request, bound: dict[str, Any], *, better_than: Entry | None = None
    ) -> Produced:
        """Do the same for an ``async def`` body, awaited on the caller's event loop."""
        mine: list[Produced] = []

        async def compute() -> Produced:
            self._store.prepare()
            with await self.context.leases.acquire_async(request.key, self._waiting(request)):
                found = self.look_up(request)
                if self._is_good(found, better_than):
                    assert found.entry is not None
                    return Produced(found.entry, None, ran=False, is_kept=True)
                with self.context.working():
                    body = Body(request, bound, self.context.settings.directory)
                started = self._clock.monotonic()
                with body.noting():
                    value = await request.stage.parameters.call(bound)
                seconds = self._clock.monotonic() - started
                with self.context.working():
                    mine.append(self._publish(body, value, seconds, found))
            return mine[0] if not mine[0].is_kept else mine[0]._replace(value=None, ran=False)

        shared = await self.context.flight.run_async(
            request.key, compute, name=request.stage.qualified_name
        )
        return mine[0] if mine else shared._replace(ran=False)

    def look_up(self, request: Request, now: float | None = None) -> Found:
        """Return the good result of a request, or what is kept instead."""
        moment = self._clock.now() if now is None else now
        return look_up(self._store, request.key, request.stage.settings, moment)

    def load(self, entry: Entry) -> tuple[bool, Any]:
        """Return (True, value), or (False, None) if the value is missing or unreadable."""
        sections = self._store.load(entry)
        if sections is None:
            return False, None
        try:
            return True, codecs.decode(entry.codec, sections, private=self.context.private)
        except Exception as error:  # noqa: BLE001 - unpickling runs code of the user's classes
            warnings.warn(
                f"A kept result of {entry.stage} cannot be read ({type(error).__name__}: {error}); "
                "probably a class in it has moved or changed, or a codec of yours is not "
                "registered here. It will be computed again.",
                StagecacheWarning,
                stacklevel=2,
            )
            return False, None

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
        reads, reads_hold = body.reads(value)
        entry = Entry(
            key=request.key,
            result=Digest(b""),
            stage=stage.qualified_name,
            code=request.code,
            codec="",
            inline=None,
            blob=None,
            size=0,
            created=self._clock.now(),
            seconds=seconds,
            reads=reads,
            expires=body.expires,
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
        if not (hold and reads_hold and request.is_kept):
            return unkept
        try:
            codec, sections = codecs.encode(
                value,
                wanted=stage.settings.codec,
                private=self.context.private,
                proof=lambda decoded: fingerprint(decoded).digest,
                expected=identity.digest,
                compression=self._compression(stage),
            )
        except EncodeError as error:
            _warn_not_kept(stage.name, str(error))
            return unkept
        kept = self._keep(body, entry._replace(codec=codec), sections, found.entry)
        return unkept._replace(entry=kept, is_kept=kept.has_value)

    def _keep(
        self, body: Body, entry: Entry, sections: codecs.Sections, replaced: Entry | None
    ) -> Entry:
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
        entry = entry._replace(generation=_after(replaced))
        return self._store.put(entry, sections, provenance, manifest)


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
