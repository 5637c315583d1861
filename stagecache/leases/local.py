"""Leases among the threads, event loops and processes of one machine: how callers wait for them."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from stagecache.clock import SystemClock
from stagecache.leases.claims import Claim
from stagecache.leases.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stagecache.clock import Clock
    from stagecache.leases.base import Holder
    from stagecache.model import Key


class LocalLease:
    """The right to compute one key; dropped means released."""

    __slots__ = ("_claim", "_slots", "key")

    def __init__(self, slots: Slots, claim: Claim) -> None:
        self.key = claim.key
        self._slots = slots
        self._claim = claim

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the key by now. A commit is safe all the same."""
        return self._claim.is_lost

    def say_published(self) -> None:
        """Let those hear who wait in other processes that the result is there."""
        self._slots.say_published(self._claim)

    def release(self) -> None:
        """Give the key to whoever waits; again: does nothing."""
        self._slots.leave(self._claim)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.leave(self._claim)

    def __del__(self) -> None:
        self._slots.drop(self._claim)


class LocalLeases:
    """Leases that hold on this machine.

    Where the lock file cannot be had (a read-only directory, a file system without locks), they
    hold in this process only. A caller that has the key already, or that would wait for itself
    through other processes, gets a lost lease: it computes a second time rather than hang.

    Parameters
    ----------
    path : str or os.PathLike or None
        The lock file. Its directory is the store's to make: until it exists, only callers in
        this process exclude each other. None: they alone do.
    clock : Clock, optional
        Where times come from.
    tick : float, optional
        Seconds between two calls of ``on_wait``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     leases = LocalLeases(folder + "/locks")
    ...     with leases.acquire(bytes(16)) as lease:
    ...         print(lease.is_lost())
    ...     leases.close()
    False
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, *, clock: Clock | None = None, tick: float = 1.0
    ) -> None:
        self._clock = clock or SystemClock()
        self._tick = tick
        self._slots = Slots(None if path is None else os.path.abspath(path), self._clock)

    def acquire(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> LocalLease:
        """Block until `key` is this thread's.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        on_wait : callable, optional
            Called with the holder, where it is known, and the seconds waited so far: once when
            waiting begins, then at every tick.
        """
        return self._acquire(Claim(key, _nobody_to_wake), on_wait)

    def acquire_or_hear(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> LocalLease | None:
        """Do the same, or return None: another process says that the result is there."""
        claim = Claim(key, _nobody_to_wake, hears=True)
        lease = self._acquire(claim, on_wait)
        return None if claim.has_heard else lease

    def _acquire(
        self, claim: Claim, on_wait: Callable[[Holder | None, float], None] | None
    ) -> LocalLease:
        turn = threading.Lock()
        turn.acquire()
        claim.wake = turn.release
        lease = LocalLease(self._slots, claim)
        try:
            if not self._slots.enter(claim):
                with _Waiting(self, claim, on_wait) as waiting:
                    while not turn.acquire(timeout=self._tick) and waiting.goes_on():
                        pass
        except BaseException:
            self._slots.leave(claim)
            raise
        return lease

    async def acquire_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> LocalLease:
        """Do the same without blocking the event loop, nor a thread of its executor.

        Waiting in ``asyncio.to_thread`` would fill the loop's few threads; if bodies that hold
        other keys need these threads, two processes can wait for each other for ever.
        """
        return await self._acquire_async(Claim(key, _nobody_to_wake, is_async=True), on_wait)

    async def acquire_or_hear_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> LocalLease | None:
        """Do as :meth:`acquire_or_hear` without blocking the event loop."""
        claim = Claim(key, _nobody_to_wake, is_async=True, hears=True)
        lease = await self._acquire_async(claim, on_wait)
        return None if claim.has_heard else lease

    async def _acquire_async(
        self, claim: Claim, on_wait: Callable[[Holder | None, float], None] | None
    ) -> LocalLease:
        import asyncio

        loop = asyncio.get_running_loop()
        turn = loop.create_future()

        def settle() -> None:
            if not turn.done():
                turn.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # that loop is closed; its dropped lease is released
                loop.call_soon_threadsafe(settle)

        claim.wake = wake
        lease = LocalLease(self._slots, claim)
        try:
            if not self._slots.enter(claim):
                with _Waiting(self, claim, on_wait) as waiting:
                    await asyncio.wait([turn], timeout=self._tick)
                    while not turn.done() and waiting.goes_on():
                        await asyncio.wait([turn], timeout=self._tick)
        except BaseException:
            self._slots.leave(claim)
            raise
        return lease

    def acquire_nowait(self, key: Key, *, is_async: bool = False) -> LocalLease | None:
        """Return the lease if nobody has it and nobody waits for it, else None at once.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        is_async : bool, optional
            Whether this thread goes on with other things, on its event loop, while it computes.
        """
        claim = Claim(key, _nobody_to_wake, is_async=is_async)
        lease = LocalLease(self._slots, claim)
        return lease if self._slots.enter_nowait(claim) else None

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`, or had it last, as far as that is known: for people."""
        return self._slots.holder(key)

    def close(self) -> None:
        """Give up every lease and let nobody wait any longer."""
        self._slots.lose_all()


class _Waiting:
    """What goes on beside waiting: whom we wait for is told, and a deadlock is noticed."""

    def __init__(
        self,
        leases: LocalLeases,
        claim: Claim,
        on_wait: Callable[[Holder | None, float], None] | None,
    ) -> None:
        self._slots = leases._slots
        self._clock = leases._clock
        self._claim = claim
        self._on_wait = on_wait

    def __enter__(self) -> Self:
        self._started = self._clock.monotonic()
        self._tell(0.0)
        self._slots.announce(self._claim, self._claim.key)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slots.announce(self._claim, None)

    def goes_on(self) -> bool:
        """Tell at a tick whether there still is something to wait for."""
        if self._slots.is_deadlocked(self._claim):
            self._slots.give_up(self._claim)
            return False
        self._tell(self._clock.monotonic() - self._started)
        return True

    def _tell(self, seconds: float) -> None:
        if self._on_wait is not None:
            self._on_wait(self._slots.holder(self._claim.key), seconds)


def _nobody_to_wake() -> None:
    """Do nothing: who does not wait is not woken."""
