"""Computes one key once: lease -> look again -> run -> inputs still the same? -> publish."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from stagecache.codecs.chunks import ITEMS
from stagecache.codecs.files import only_finding
from stagecache.engine.body import Body
from stagecache.engine.determinism import difference, warn_of
from stagecache.engine.handout import Handout
from stagecache.engine.lookup import Found, look_up, reads_hold
from stagecache.engine.publish import Produced, Publisher
from stagecache.engine.replays import Kept
from stagecache.engine.spool import Spool
from stagecache.engine.values import Gone, Values
from stagecache.errors import ReplayError
from stagecache.fingerprint.reads.recording import recording
from stagecache.model import Event
from stagecache.replay import Replay, afresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.engine.context import Context
    from stagecache.engine.request import Request
    from stagecache.leases.base import Holder
    from stagecache.model import Entry, Options
    from stagecache.replay import Source


_log = logging.getLogger("stagecache")


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
        self._publisher = Publisher(context, self._values)

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
            leases, waiting = self.context.leases, self._waiting(request)
            lease = leases.acquire_or_hear(request.key, waiting)
            if lease is None:
                heard = self._already(request, better_than, asked)[1]
                if heard is not None:
                    return heard
                lease = leases.acquire(request.key, waiting)
            with lease:
                produced = self._run(request, bound, better_than, mine, rescue, asked)
                if produced.is_kept:
                    lease.say_published()
                return produced

        while True:
            shared = self.context.flight.run(
                request.key,
                compute,
                name=request.stage.qualified_name,
                on_wait=self._waiting(request),
            )
            if mine:
                return mine[0]
            if not self._is_forbidden(request, shared.entry):
                return shared._replace(ran=False) if shared.ran else shared

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
            if shared is not None and shared.is_kept:
                lease.say_published()
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
        found, already = self._already(request, better_than, asked)
        if already is not None:
            return already
        body = Body(request, bound, self.context)
        started = self._clock.monotonic()
        with body.noting(), _rescuing(rescue):
            value = _call(request, bound)
            spool = self._spool(request, value) if request.stage.is_generator else None
        if spool is not None:
            produced = self._publisher.publish_items(body, spool, found)
            mine.append(produced._replace(value=self._replay(request, bound, produced, spool)))
        else:
            seconds = self._clock.monotonic() - started
            mine.append(self._publisher.publish(body, value, seconds, found))
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
            leases, waiting = self.context.leases, self._waiting(request)
            lease = await leases.acquire_or_hear_async(request.key, waiting)
            if lease is None:
                heard = self._already(request, better_than, asked)[1]
                if heard is not None:
                    return heard
                lease = await leases.acquire_async(request.key, waiting)
            with lease:
                produced = await self._run_async(request, bound, better_than, mine, rescue, asked)
                if produced.is_kept:
                    lease.say_published()
                return produced

        while True:
            shared = await self.context.flight.run_async(
                request.key,
                compute,
                name=request.stage.qualified_name,
                on_wait=self._waiting(request),
            )
            if mine:
                return mine[0]
            if not self._is_forbidden(request, shared.entry):
                return shared._replace(ran=False) if shared.ran else shared

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
                produced = await self._run_async(request, bound, better_than, mine, rescue)
                if produced.is_kept:
                    lease.say_published()
                return produced

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
        found, already = self._already(request, better_than, asked)
        if already is not None:
            return already
        with self.context.working():
            body = Body(request, bound, self.context)
        started = self._clock.monotonic()
        with body.noting(), _rescuing(rescue):
            value = await request.stage.parameters.call(_afresh(bound))
        seconds = self._clock.monotonic() - started
        with self.context.working():
            mine.append(self._publisher.publish(body, value, seconds, found))
        return _shared(mine[0])

    def _is_forbidden(self, request: Request, entry: Entry) -> bool:
        """Tell whether what another thread computed was invalidated while its body ran.

        That thread may have asked before the mark; of one that joined it later, nobody knows.
        """
        # No tier is asked: when this thread looked the result up, it learned what concerns it.
        self._store.hear()
        outdated = self._store.marks.outdated(entry, request.stage.scopes)
        return outdated is not None and not outdated.is_soft

    def look_up(self, request: Request, now: float | None = None) -> Found:
        """Return the good result of a request, or what is kept instead."""
        moment = self._clock.now() if now is None else now
        return look_up(self._store, request, moment)

    def _already(
        self, request: Request, better_than: Entry | None, asked: float | None
    ) -> tuple[Found, Produced | None]:
        """Return what is kept by now, and as a result for all who wait if it is good enough."""
        found = self._look_again(request, asked)
        if not self._is_good(found, better_than):
            return found, None
        assert found.entry is not None
        return found, Produced(found.entry, None, ran=False, is_kept=True, handout=Handout())

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
        if found.outdated is not None and not found.outdated.is_soft:
            return found
        return found._replace(is_good=asked < entry.created <= now and reads_hold(entry))

    def load(
        self,
        entry: Entry,
        settings: Options | None = None,
        again: Callable[[], tuple[Request, dict[str, Any]]] | None = None,
    ) -> tuple[bool, Any]:
        """Return (True, value), or (False, None) if the value is missing or unreadable.

        Parameters
        ----------
        entry : Entry
            What is kept.
        settings : Options, optional
            Of its stage. Where somebody may be at work on a new result, a file that is not in
            place is put back under the lease only: it may be the new one, half written.
        again : callable, optional
            Returns the call and its arguments, in case that it has to be computed again because
            one of the items that a generator yielded is lost while they are read.
        """
        if not entry.has_value:
            entry = self._store.valued(entry) or entry
        if entry.codec == ITEMS:
            return self._values.loaded(entry, lambda: self._kept(entry, again))
        if settings is None or not (settings.is_renewed or self._store.marks.has_soft):
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
        with Body(request, bound, self.context).noting():
            value = _call(request, bound)
            if not request.stage.is_generator:
                return value
            spool = Spool(self._values, None, self._clock, remembers=False)
            spool.take_in(value)
            return Replay(spool.remembered())

    def _spool(self, request: Request, generator: Any) -> Spool:
        packing = self._publisher.packing(request) if request.is_kept else None
        spool = Spool(self._values, packing, self._clock)
        spool.take_in(generator)
        return spool

    def _replay(
        self, request: Request, bound: dict[str, Any], produced: Produced, spool: Spool
    ) -> Replay[Any]:
        """Return what a caller gets whose call ran the body."""
        if produced.is_kept:
            is_there, value = self.load(produced.entry, None, lambda: (request, bound))
            if is_there:
                return cast("Replay[Any]", value)
        return Replay(spool.remembered())

    def _kept(
        self, entry: Entry, again: Callable[[], tuple[Request, dict[str, Any]]] | None
    ) -> Replay[Any]:
        def compute(lost: Entry) -> Source[Any]:
            if again is None:
                raise ReplayError(f"an item of a result of {lost.stage} is gone from the cache")
            with self.context.working():
                produced = self.obtain(*again(), better_than=lost)
                if produced.value is None:
                    return Kept(self._values, produced.entry, compute)
            return cast("Replay[Any]", produced.value).source

        return Replay(Kept(self._values, entry, compute))

    def check(self, request: Request, bound: dict[str, Any], entry: Entry) -> None:
        """Run a body whose result is kept, and warn if it gives another one now, or none."""
        try:
            where = difference(entry, self.again(request, bound), self.load)
        except Exception as error:  # noqa: BLE001 - whatever a body raises; the hit is good
            warn_of(request, f"raised {type(error).__name__} ({error}) when a hit was checked")
            return
        if where is not None:
            what = where.replace("\n", "; ")
            warn_of(request, f"gives another result for equal inputs ({what})")

    def _is_good(self, found: Found, better_than: Entry | None) -> bool:
        if not found.is_good or found.entry is None:
            return False
        if better_than is not None and found.entry.key == better_than.key:
            return found.entry.generation > better_than.generation
        return self._store.valued(found.entry) is not None

    def _waiting(self, request: Request) -> Callable[[Holder | None, float], None]:
        def tell(holder: Holder | None, seconds: float) -> None:
            whom = f"pid {holder.pid} on {holder.host}" if holder else "another process"
            message = f"waiting for {whom}, {seconds:.0f} s"
            _log.info("%s is %s", request.node, message)
            self.context.tell(Event("waiting", request.node, self._clock.now(), None, message))

        return tell


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
    if not produced.is_kept:
        return produced
    return produced._replace(value=None, ran=False, handout=Handout())


def _call(request: Request, bound: dict[str, Any]) -> Any:
    returned = request.stage.parameters.call(_afresh(bound))
    return _wait(returned) if request.stage.is_async else returned


def _afresh(bound: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of which a body may read up what can be read once: callers keep theirs."""
    return {name: afresh(value) for name, value in bound.items()}


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
