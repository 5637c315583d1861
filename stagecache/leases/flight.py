"""Who computes a key inside one process: the first of all its threads and event loops.

The others get its result, or its exception; both are shared with those who wait at that moment
and kept for nobody else. What is computed and where it is stored is the caller's.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from weakref import WeakSet

from stagecache.leases.base import Holder, this_host
from stagecache.leases.computing import (
    Computation,
    computing,
    innermost,
    needs_this_loop,
    refuse_cycle,
    refuse_recursion,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable

    from stagecache.model import Key

T = TypeVar("T")
OnWait: TypeAlias = "Callable[[Holder | None, float], None] | None"

_TICK = 1.0
"""Seconds between two looks at whether the event loop that computes is still running."""


class _Call(Computation):
    """A computation in flight."""

    __slots__ = ("error", "is_joined", "result", "since", "task", "waiters")

    def __init__(self, key: Key, name: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(key, name, loop)
        self.task: asyncio.Task[Any] | None = None
        self.since = time.time()
        self.is_joined = False
        """Whether anybody but the leading thread wants the outcome."""
        self.waiters: list[Callable[[], object]] = []
        self.result: Any = None
        self.error: BaseException | None = None

    def is_stranded(self) -> bool:
        """Tell whether the loop that computes has stopped, perhaps for ever."""
        return self.loop is not None and not self.loop.is_running()

    def is_shared(self) -> bool:
        """Tell whether the outcome is for everybody, not an interruption of one caller."""
        return self.is_done and (self.error is None or isinstance(self.error, Exception))

    def outcome(self) -> Any:
        """Return the result or raise the error."""
        try:
            if self.error is not None:
                raise self.error
            return self.result
        finally:
            del self  # breaks the cycle error -> traceback -> frame -> error


class Flight:
    """Computes each key once at a time.

    Examples
    --------
    >>> Flight().run(bytes(16), lambda: 6 * 7)
    42
    """

    def __init__(self) -> None:
        self._calls: dict[Key, _Call] = {}
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
            call = _Call(key, name)
            outer = innermost()
            running = None
            try:
                running = self._join(call, outer)
                # To wait may be to stop the event loop that computes: then compute beside it.
                if running is call or _needs_this_loop(running):
                    return self._lead(call, compute)
                self._wait(running, on_wait)
                if running.is_shared():
                    return running.outcome()  # type: ignore[no-any-return]
            finally:
                if self._calls.get(key) is call:  # interrupted on the way to leading
                    self._finish(call, None, KeyboardInterrupt())
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
            call = _Call(key, name, loop)
            outer = innermost()
            running = None
            try:
                running = self._join(call, outer)
                if running is call:
                    self._lead_async(call, compute)
                await self._wait_async(running, loop, None if running is call else on_wait)
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
        call = _Call(key, name)
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
        call = _Call(key, name, loop)
        outer = innermost()
        is_ours = False
        try:
            is_ours = self._start(call, outer)
            if not is_ours:
                return None
            self._lead_async(call, compute)
            await self._wait_async(call, loop)
            return call.outcome()  # type: ignore[no-any-return]
        finally:
            _part(outer, call if is_ours else None)
            del call

    def _start(self, call: _Call, outer: Computation | None) -> bool:
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

    def _join(self, call: _Call, outer: Computation | None) -> _Call:
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

    def _finish(self, call: _Call, result: Any, error: BaseException | None) -> None:
        with _mutex:
            if call.is_done:
                return
            call.is_done = True
            call.task = None
            if self._calls.get(call.key) is call:
                del self._calls[call.key]
            waiters, call.waiters = call.waiters, []
            if call.is_joined:
                call.result, call.error = result, error
        for wake in waiters:
            wake()

    def _lead(self, call: _Call, compute: Callable[[], T]) -> T:
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

    def _lead_async(self, call: _Call, compute: Callable[[], Awaitable[T]]) -> None:
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

    def _wait(self, running: _Call, on_wait: OnWait) -> None:
        turn = threading.Lock()
        turn.acquire()
        with _mutex:
            if running.is_done:
                return
            running.waiters.append(turn.release)
        waiting = _Waiting(running, on_wait)
        while not turn.acquire(timeout=_TICK):
            if running.is_stranded():
                return
            waiting.tell()

    async def _wait_async(
        self, running: _Call, loop: asyncio.AbstractEventLoop, on_wait: OnWait = None
    ) -> None:
        import asyncio

        turn = loop.create_future()

        def settle() -> None:
            if not turn.done():
                turn.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # that loop is closed, so nobody waits on it
                loop.call_soon_threadsafe(settle)

        with _mutex:
            if running.is_done:
                return
            running.waiters.append(wake)
        waiting = _Waiting(running, on_wait)
        is_silent = on_wait is None and running.loop in (None, loop)
        while not turn.done() and not running.is_stranded():
            await asyncio.wait([turn], timeout=None if is_silent else _TICK)
            if not turn.done():
                waiting.tell()


class _Waiting:
    """Tells, when it begins and whenever asked, whom one waits for and how long that has been."""

    __slots__ = ("_holder", "_on_wait", "_started")

    def __init__(self, running: _Call, on_wait: OnWait) -> None:
        self._on_wait = on_wait
        if on_wait is not None:
            self._holder = Holder(os.getpid(), this_host(), running.since)
            self._started = time.monotonic()
            self.tell()

    def tell(self) -> None:
        if self._on_wait is not None:
            self._on_wait(self._holder, time.monotonic() - self._started)


def _needs_this_loop(running: _Call) -> bool:
    with _mutex:
        return needs_this_loop(running)


def _part(outer: Computation | None, running: _Call | None) -> None:
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
