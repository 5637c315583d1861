"""Who computes a key inside one process: the first of all its threads and event loops.

The others get its result, or its exception; both are shared with those who wait at that moment
and kept for nobody else. What is computed and where it is stored is the caller's.
"""

from __future__ import annotations

import os
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from stagecache.leases.computing import (
    Computation,
    computing,
    innermost,
    needs_this_loop,
    refuse_cycle,
    refuse_recursion,
)
from stagecache.leases.inflight import InFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from stagecache.leases.inflight import OnWait
    from stagecache.model import Key

T = TypeVar("T")


class Flight:
    """Computes each key once at a time.

    Examples
    --------
    >>> Flight().run(bytes(16), lambda: 6 * 7)
    42
    """

    def __init__(self) -> None:
        self._calls: dict[Key, InFlight] = {}
        _instances.add(self)

    def run(
        self, key: Key, compute: Callable[[], T], *, name: str = "", on_wait: OnWait = None
    ) -> T:
        """Return what `compute` returns, or what another caller's returned for the same key.

        A caller that is interrupted while it computes (Ctrl-C) does not take the others with
        it: one of them computes.

        Parameters
        ----------
        key : Key
            What is computed.
        compute : callable
            Called in this thread if nobody is computing `key`.
        name : str, optional
            What people know the key by, for messages.
        on_wait : callable, optional
            Called with this process as the holder and the seconds waited so far: once when
            waiting begins, then about every second.

        Raises
        ------
        LeaseError
            If the computation would wait for itself, through however many others.
        """
        while True:
            call = InFlight(key, name)
            outer = innermost()
            running = None
            try:
                running = self._join(call, outer)
                # To wait may be to stop the event loop that computes: then compute beside it.
                if running is call or _needs_this_loop(running):
                    return self._lead(call, compute)
                running.wait(on_wait)
                # Of a crowd each goes on alone, and what he does first the others wait for.
                if running.is_done and running.error is None:
                    return running.result  # type: ignore[no-any-return]
                if running.is_shared():
                    return running.outcome()  # type: ignore[no-any-return]
            finally:
                # Interrupted on the way to leading?
                if (running is call or running is None) and self._calls.get(key) is call:
                    self._finish(call, None, KeyboardInterrupt())
                if outer is not None:
                    _part(outer, running)
                del running, call

    async def run_async(
        self,
        key: Key,
        compute: Callable[[], Awaitable[T]],
        *,
        name: str = "",
        on_wait: OnWait = None,
    ) -> T:
        """Do the same for a coroutine function, without blocking the event loop.

        The computation is a task of its own: cancelling any caller, the first one included,
        cancels that caller's waiting only.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        while True:
            call = InFlight(key, name, loop)
            outer = innermost()
            running = None
            try:
                running = self._join(call, outer)
                if running is call:
                    self._lead_async(call, compute)
                await running.wait_async(loop, None if running is call else on_wait)
                if running is call or running.is_shared():
                    return running.outcome()  # type: ignore[no-any-return]
            finally:
                _part(outer, running)
                del running, call

    def run_nowait(self, key: Key, compute: Callable[[], T], *, name: str = "") -> T | None:
        """Return what `compute` returns, or None at once if somebody computes `key` already.

        Parameters
        ----------
        key, compute, name
            As of :meth:`run`.

        Raises
        ------
        LeaseError
            If this context is inside of a computation of `key`.
        """
        call = InFlight(key, name)
        outer = innermost()
        is_ours = False
        try:
            is_ours = self._start(call, outer)
            return self._lead(call, compute) if is_ours else None
        finally:
            if self._calls.get(key) is call:  # interrupted on the way to leading
                self._finish(call, None, KeyboardInterrupt())
            _part(outer, call if is_ours else None)
            del call

    async def run_async_nowait(
        self, key: Key, compute: Callable[[], Awaitable[T]], *, name: str = ""
    ) -> T | None:
        """Do the same for a coroutine function; the computation is a task of its own."""
        import asyncio

        loop = asyncio.get_running_loop()
        call = InFlight(key, name, loop)
        outer = innermost()
        is_ours = False
        try:
            is_ours = self._start(call, outer)
            if not is_ours:
                return None
            self._lead_async(call, compute)
            await call.wait_async(loop)
            return call.outcome()  # type: ignore[no-any-return]
        finally:
            _part(outer, call if is_ours else None)
            del call

    def _start(self, call: InFlight, outer: Computation | None) -> bool:
        """Make `call` the running one for its key if there is none."""
        with _mutex:
            refuse_recursion(call)
            running = self._calls.get(call.key)
            if running is not None and not running.is_stranded():
                return False
            self._calls[call.key] = call
            if outer is not None:
                outer.needs.append(call)
        return True

    def _join(self, call: InFlight, outer: Computation | None) -> InFlight:
        """Return the running call for the key, which is `call` if there was none."""
        with _mutex:
            running = self._calls.get(call.key)
            if running is None or running.is_stranded():
                refuse_recursion(call)
                self._calls[call.key] = running = call
            else:
                refuse_cycle(running, call)
                running.is_joined = True
            if outer is not None:
                outer.needs.append(running)
        return running

    def _finish(self, call: InFlight, result: Any, error: BaseException | None) -> None:
        with _mutex:
            if call.is_done:
                return
            if call.is_joined:
                call.result, call.error = result, error
            call.is_done = True
            call.task = None
            if self._calls.get(call.key) is call:
                del self._calls[call.key]
        call.wake()

    def _lead(self, call: InFlight, compute: Callable[[], T]) -> T:
        try:
            token = computing.set((*computing.get(), call))
            try:
                result = compute()
            finally:
                computing.reset(token)
        except BaseException as error:
            self._finish(call, None, error)
            raise
        self._finish(call, result, None)
        return result

    def _lead_async(self, call: InFlight, compute: Callable[[], Awaitable[T]]) -> None:
        import asyncio

        async def body() -> T:
            return await compute()

        def finish(task: asyncio.Task[T]) -> None:
            # A callback sees the end of a task that was cancelled before its first step, too.
            if task.cancelled():
                self._finish(call, None, asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                self._finish(call, None, error)
            else:
                self._finish(call, task.result(), None)

        context = copy_context()
        context.run(computing.set, (*computing.get(), call))
        assert call.loop is not None
        call.is_joined = True
        call.task = task = call.loop.create_task(body(), context=context)
        task.add_done_callback(finish)


def _needs_this_loop(running: InFlight) -> bool:
    with _mutex:
        return needs_this_loop(running)


def _part(outer: Computation | None, running: InFlight | None) -> None:
    if outer is not None and running is not None:
        with _mutex:
            outer.needs.remove(running)


def needing(ends: Iterable[Computation]) -> set[Key]:
    """Return the keys that this process cannot have before `ends` are done, their own included."""
    with _mutex:
        calls: list[Computation] = []
        for flight in list(_instances):
            calls += flight._calls.values()
        found = {each for each in ends if not each.is_done}
        more = set(found)
        while more:
            more = {each for each in calls if not more.isdisjoint(each.needs)} - found
            found |= more
    return {each.key for each in found}


# One for all flights: the wait-for graph may lead through several.
_mutex = threading.Lock()
_instances: WeakSet[Flight] = WeakSet()


def _forget_in_child() -> None:
    global _mutex
    _mutex = threading.Lock()
    for flight in list(_instances):
        for call in flight._calls.values():
            call.is_done = True
        flight._calls.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
