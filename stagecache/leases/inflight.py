"""A computation in flight, what came of it, and those who wait for that in threads and on loops.

Threads are woken in a chain: whoever wakes wakes the next one, first of all. Woken all at once they
would stand in each other's way, for only one of them goes on at a time, and keep the processors
from other processes where others wait for the same. Loops are told at once, each once.

Nothing here is locked. Whoever comes to wait first stands in line, then looks whether it is over;
whoever finishes first says that it is, then wakes who stands there.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from stagecache.leases.base import Holder, this_host
from stagecache.leases.computing import Computation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from stagecache.model import Key

OnWait: TypeAlias = "Callable[[Holder | None, float], None] | None"

_TICK = 1.0
"""Seconds between two looks at whether the event loop that computes is still running, and whether
it is over though nobody said so: a thread that was to wake the next one may be held up."""


class InFlight(Computation):
    """A computation that others may wait for.

    Parameters
    ----------
    key, name, loop
        As of :class:`Computation`.
    """

    __slots__ = ("_tasks", "_threads", "error", "is_joined", "result", "since", "task")

    def __init__(self, key: Key, name: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(key, name, loop)
        self.task: asyncio.Task[Any] | None = None
        self.since = time.time()
        self.is_joined = False
        """Whether anybody but the leading thread wants the outcome."""
        self.result: Any = None
        self.error: BaseException | None = None
        self._threads: deque[threading.Lock] = deque()
        self._tasks: deque[asyncio.Future[None]] = deque()

    def is_stranded(self) -> bool:
        """Tell whether the loop that computes has stopped, perhaps for ever."""
        return self.loop is not None and not self.loop.is_running()

    def is_shared(self) -> bool:
        """Tell whether the outcome is for everybody, not an interruption of one caller."""
        return self.is_done and (self.error is None or isinstance(self.error, Exception))

    def outcome(self) -> Any:
        """Return the result or raise the error."""
        if self.error is None:
            return self.result
        try:
            raise self.error
        finally:
            del self  # breaks the cycle error -> traceback -> frame -> error

    def wake(self) -> None:
        """Let everybody go on who waits, once it is done."""
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        while self._tasks:
            turn = self._tasks.popleft()
            loops.setdefault(turn.get_loop(), []).append(turn)
        for loop, turns in loops.items():
            with suppress(RuntimeError):  # that loop is closed, so nobody waits on it
                loop.call_soon_threadsafe(_settle, turns)
        with suppress(IndexError):  # nobody waits
            self._threads.popleft().release()

    def wait(self, on_wait: OnWait) -> None:
        """Block this thread until it is done, or stranded.

        Parameters
        ----------
        on_wait : callable or None
            As of :meth:`Flight.run`.
        """
        turn = threading.Lock()
        turn.acquire()
        self._threads.append(turn)
        is_woken = False
        try:
            waiting = _Waiting(self, on_wait)
            while not (is_woken or self.is_done or self.is_stranded()):
                waiting.tell()
                is_woken = turn.acquire(timeout=_TICK)
        finally:
            if not is_woken:
                with suppress(ValueError):  # else somebody has just left it to us to go on
                    self._threads.remove(turn)
            if self.is_done:
                try:  # noqa: SIM105 - whoever wakes wakes the next one, with as little as can be
                    self._threads.popleft().release()
                except IndexError:  # that was the last one
                    pass

    async def wait_async(self, loop: asyncio.AbstractEventLoop, on_wait: OnWait = None) -> None:
        """Do the same for a task on `loop`."""
        turn = loop.create_future()
        self._tasks.append(turn)
        waiting = _Waiting(self, on_wait)
        if self.is_done or self.is_stranded():
            return
        waiting.tell()
        if on_wait is None and self.loop in (None, loop):
            await turn
            return

        ticks = _Ticks(self, loop, turn, waiting)
        try:
            await turn
        finally:
            ticks.end()


class _Waiting:
    """Tells, when it begins and now and then, whom one waits for and how long that has been."""

    __slots__ = ("_holder", "_on_wait", "_started")

    def __init__(self, running: InFlight, on_wait: OnWait) -> None:
        self._on_wait = on_wait
        if on_wait is not None:
            self._holder = Holder(os.getpid(), this_host(), running.since)
            self._started = time.monotonic()

    def tell(self) -> None:
        if self._on_wait is not None:
            self._on_wait(self._holder, time.monotonic() - self._started)


class _Ticks:
    """Looks now and then, while a task waits, whether there is something to wait for."""

    def __init__(
        self,
        running: InFlight,
        loop: asyncio.AbstractEventLoop,
        turn: asyncio.Future[None],
        waiting: _Waiting,
    ) -> None:
        self._running = running
        self._loop = loop
        self._turn = turn
        self._waiting = waiting
        self._next = loop.call_later(_TICK, self._look)

    def end(self) -> None:
        self._next.cancel()

    def _look(self) -> None:
        if self._turn.done():
            return
        if self._running.is_done or self._running.is_stranded():
            self._turn.set_result(None)
            return
        self._next = self._loop.call_later(_TICK, self._look)
        try:
            self._waiting.tell()
        except Exception as error:  # noqa: BLE001 - the waiter's, whose listener it is
            self._turn.set_exception(error)


def _settle(turns: list[asyncio.Future[None]]) -> None:
    for turn in turns:
        if not turn.done():
            turn.set_result(None)
