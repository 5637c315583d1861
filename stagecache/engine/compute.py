"""Computes one key once: lease -> look again -> run -> inputs still the same? -> publish.

What is decided on the way is the ``turn``'s; here one waits, in a thread or on an event loop.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from stagecache.codecs.chunks import ITEMS
from stagecache.codecs.files import only_finding
from stagecache.engine.body import Body
from stagecache.engine.determinism import difference, warn_of
from stagecache.engine.lookup import look_up
from stagecache.engine.publish import Publisher
from stagecache.engine.replays import Kept
from stagecache.engine.spool import Spool
from stagecache.engine.turn import Turn
from stagecache.engine.values import Gone, Values
from stagecache.errors import ReplayError
from stagecache.replay import Replay, afresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.engine.context import Context
    from stagecache.engine.lookup import Found
    from stagecache.engine.publish import Produced
    from stagecache.engine.request import Request
    from stagecache.leases.base import Lease
    from stagecache.model import Entry, Options
    from stagecache.replay import Source


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
        loads: bool = False,
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
        loads : bool, optional
            Whether the caller is going to load its value.
        """
        turn = self._turn(request, better_than, rescue, loads=loads)
        while True:
            shared = self.context.flight.run(
                request.key,
                lambda: self._wait_and_run(turn, bound),
                name=request.stage.qualified_name,
                on_wait=turn.tell_waiting,
            )
            outcome = turn.outcome(shared)
            if outcome is not None:
                return outcome

    async def obtain_async(
        self,
        request: Request,
        bound: dict[str, Any],
        *,
        better_than: Entry | None = None,
        rescue: Callable[[], object] | None = None,
        loads: bool = False,
    ) -> Produced:
        """Do the same for an ``async def`` body, awaited on the caller's event loop."""
        turn = self._turn(request, better_than, rescue, loads=loads)
        while True:
            shared = await self.context.flight.run_async(
                request.key,
                lambda: self._wait_and_run_async(turn, bound),
                name=request.stage.qualified_name,
                on_wait=turn.tell_waiting,
            )
            outcome = turn.outcome(shared)
            if outcome is not None:
                return outcome

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
        turn = self._turn(request, better_than, rescue)
        with lease:
            shared = self.context.flight.run_nowait(
                request.key,
                lambda: _told(lease, self._run(turn, bind())),
                name=request.stage.qualified_name,
            )
        return turn.mine or shared

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
        turn = self._turn(request, better_than, rescue)

        async def compute() -> Produced:
            with lease:  # it ends with the body, also when the caller was cancelled before
                return _told(lease, await self._run_async(turn, bound))

        shared = await self.context.flight.run_async_nowait(
            request.key, compute, name=request.stage.qualified_name
        )
        if shared is None:
            lease.release()
        return turn.mine or shared

    def _turn(
        self,
        request: Request,
        better_than: Entry | None,
        rescue: Callable[[], object] | None,
        *,
        loads: bool = False,
    ) -> Turn:
        load = partial(self.load_of, request) if loads else None
        return Turn(self.context, self._publisher, request, better_than, rescue, load)

    def _wait_and_run(self, turn: Turn, bound: dict[str, Any]) -> Produced:
        turn.begin()
        leases, key = self.context.leases, turn.request.key
        lease = leases.acquire_or_hear(key, turn.tell_waiting)
        if lease is None:
            heard = turn.already(was_heard=True)
            if heard is not None:
                return heard
            lease = leases.acquire(key, turn.tell_waiting)
        with lease:
            return _told(lease, self._run(turn, bound))

    async def _wait_and_run_async(self, turn: Turn, bound: dict[str, Any]) -> Produced:
        turn.begin()
        leases, key = self.context.leases, turn.request.key
        lease = await leases.acquire_or_hear_async(key, turn.tell_waiting)
        if lease is None:
            heard = turn.already(was_heard=True)
            if heard is not None:
                return heard
            lease = await leases.acquire_async(key, turn.tell_waiting)
        with lease:
            return _told(lease, await self._run_async(turn, bound))

    def _run(self, turn: Turn, bound: dict[str, Any]) -> Produced:
        """Look again, then run the body; return what others may have of it."""
        already = turn.already()
        if already is not None:
            return already
        request = turn.request
        with turn.body(bound) as body:
            value = _call(request, bound)
            spool = self._spool(request, value) if request.stage.is_generator else None
        if spool is None:
            return turn.publish(body, value)
        return turn.publish_items(
            body, spool, lambda produced: self._replay(request, bound, produced, spool)
        )

    async def _run_async(self, turn: Turn, bound: dict[str, Any]) -> Produced:
        already = turn.already()
        if already is not None:
            return already
        with turn.body(bound) as body:
            value = await turn.request.stage.parameters.call(_afresh(bound))
        return turn.publish(body, value)

    def look_up(self, request: Request, now: float | None = None) -> Found:
        """Return the good result of a request, or what is kept instead."""
        moment = self._clock.now() if now is None else now
        return look_up(self._store, request, moment)

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

    def load_of(self, request: Request, entry: Entry) -> tuple[bool, Any]:
        """Do the same for an eager call, which knows its arguments."""
        return self.load(entry, request.stage.settings, lambda: (request, request.bound))

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


def _told(lease: Lease, produced: Produced) -> Produced:
    """Return what was produced; those who wait for the key hear that it is there."""
    if produced.is_kept:
        lease.say_published()
    return produced


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
