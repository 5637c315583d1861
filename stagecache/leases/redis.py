"""Leases among machines, by a Redis or Valkey server that all of them reach.

A key is had for as long as its holder says so again and again; who is gone or cannot reach the
server loses it by itself. What cannot be asked is skipped: leases of the machine hold all the
same, and two machines may compute the same.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from stagecache.breaker import Breaker
from stagecache.clock import SystemClock
from stagecache.errors import ShelfError
from stagecache.leases.redis_book import Book, signature
from stagecache.leases.redis_claims import Claim
from stagecache.leases.redis_keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from stagecache.clock import Clock
    from stagecache.leases.base import Holder
    from stagecache.model import Key

TTL = 10.0
"""Seconds that a lease outlives a holder that is gone."""
TIMEOUT = 0.25
"""Seconds that a server may be silent."""


class RedisLease:
    """The right to compute one key among machines; dropped means released."""

    __slots__ = ("_claim", "_is_async", "_leases", "key")

    def __init__(self, leases: RedisLeases, claim: Claim, *, is_async: bool = False) -> None:
        self.key = claim.key
        self._leases = leases
        self._claim = claim
        self._is_async = is_async

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the key by now. A commit is safe all the same."""
        return self._claim.is_lost or self._leases.has_ended(self._claim)

    def say_published(self) -> None:
        """Do nothing: who waits on another machine looks when it has the key."""

    def release(self) -> None:
        """Give the key to whoever waits; again: does nothing.

        An event loop goes on at once: another thread gives it back.
        """
        if self._is_async:
            self._leases.drop(self._claim)
        else:
            self._leases.give_back(self._claim)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self._leases.drop(self._claim)


class RedisLeases:
    """Leases that hold among all machines that reach one server, or one cluster.

    They tell callers of one process apart by nothing but the random value of each lease, so they
    are for one caller of a process at a time: those who were let in by
    :class:`~stagecache.leases.local.LocalLeases`, as :class:`~stagecache.leases.chain.Chain` does.

    Nobody waits for ever: a lease is lost where the server is out of reach, or where its holder
    waits, through however many others, for the caller.

    Parameters
    ----------
    url : str
        See :func:`~stagecache.remote.redis_clients.client_maker`. It is not connected to before
        it is needed.
    namespace : str, optional
        Who shares it shares the leases.
    ttl : float, optional
        Seconds that a lease outlives a holder that is gone, and that a holder may be held up
        (suspended, or in code that never lets go of the interpreter) before it loses its lease.
    timeout : float, optional
        Seconds that the server may be silent.
    breaker : Breaker, optional
        Shared with whatever else asks this server.
    clock : Clock, optional
        Where times come from.
    tick : float, optional
        Seconds between two calls of ``on_wait``, and between two looks at a key in case that no
        notice came.

    Raises
    ------
    SettingsError
        If the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "stagecache",
        ttl: float = TTL,
        timeout: float = TIMEOUT,
        breaker: Breaker | None = None,
        clock: Clock | None = None,
        tick: float = 1.0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._tick = tick
        self.breaker = breaker or Breaker(self._clock)
        """Says when the server is left alone."""
        self.book = Book(url, namespace, timeout, self.breaker)
        """What is written on the server."""
        self.keeper = Keeper(self.book, self._clock, ttl, tick)
        """Who looks after what this process has."""

    def __repr__(self) -> str:
        return f"RedisLeases({self.book.name!r})"

    def acquire(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> RedisLease:
        """Block until `key` is the caller's.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        on_wait : callable, optional
            Called with the holder, where it is known, and the seconds waited so far: once when
            waiting begins, then at every tick.
        """
        turn = threading.Semaphore(0)
        claim = self._claim(key, turn.release)
        lease = RedisLease(self, claim)
        try:
            if self._try(claim):
                return lease
            self.keeper.wait(claim)
            started = self._clock.monotonic()
            _tell(on_wait, claim, 0.0)
            while not claim.is_settled:
                if not turn.acquire(timeout=self._tick) and not claim.is_settled:
                    _tell(on_wait, claim, self._clock.monotonic() - started)
        except BaseException:
            self.keeper.drop(claim)
            raise
        return lease

    async def acquire_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> RedisLease:
        """Do the same; even the first question is asked in another thread than the event loop's."""
        import asyncio

        loop = asyncio.get_running_loop()
        turn = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # that loop is closed; its dropped lease is released
                loop.call_soon_threadsafe(turn.set)

        claim = self._claim(key, wake)
        lease = RedisLease(self, claim, is_async=True)
        if not self.breaker.allows():
            claim.is_lost = claim.is_over = True
            return lease
        try:
            self.keeper.wait(claim)
            started: float | None = None
            while not claim.is_settled:
                with suppress(TimeoutError):
                    await asyncio.wait_for(turn.wait(), self._tick)
                turn.clear()
                if not claim.is_settled and claim.was_refused:
                    now = self._clock.monotonic()
                    started = now if started is None else started
                    _tell(on_wait, claim, now - started)
        except BaseException:
            self.keeper.drop(claim)
            raise
        return lease

    acquire_or_hear = acquire
    acquire_or_hear_async = acquire_async

    def acquire_nowait(self, key: Key, *, is_async: bool = False) -> RedisLease | None:
        """Return the lease if nobody has it, else None at once; if nobody can be asked, a lost one.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        is_async : bool, optional
            Whether this thread goes on with other things, on its event loop, while it computes.
        """
        claim = self._claim(key, _nobody_to_wake)
        if self._try(claim):
            return RedisLease(self, claim, is_async=is_async)
        claim.is_over = True
        return None

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`, as far as that is known: for people."""
        if not self.breaker.is_open:
            with suppress(ShelfError):
                return self.book.holder(key)
        return None

    def beside(self, key: Key) -> AbstractContextManager[None]:
        """Note, for those who wait on other machines, that this context may wait here for `key`."""
        return self.keeper.beside(key)

    def close(self) -> None:
        """Give up every lease and let nobody wait any longer."""
        self.keeper.close()
        self.book.close()

    # --- what a lease asks for

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._clock.now()

    def has_ended(self, claim: Claim) -> bool:
        """Tell whether nobody renewed it in time."""
        return self._clock.monotonic() >= claim.until

    def give_back(self, claim: Claim) -> None:
        """Let others have the key, or wait for it no longer; again: does nothing."""
        self.keeper.give_back(claim)

    def drop(self, claim: Claim) -> None:
        """Do the same from a finalizer, if it was not done."""
        self.keeper.drop(claim)

    def _claim(self, key: Key, wake: Callable[[], object]) -> Claim:
        return Claim(key, signature(self._clock.now()), wake)

    def _try(self, claim: Claim) -> bool:
        """Ask once, in this thread; tell whether there is nothing to wait for."""
        claim.is_lost = True
        if not self.breaker.allows():
            claim.is_over = True
            return True
        try:
            taken = self.keeper.try_once(claim)
        except ShelfError:
            self.keeper.drop(claim)  # the server may have taken it all the same
            return True
        claim.is_lost = False
        if taken is not None:
            self.keeper.refused(claim, taken)
        return taken is None


def _tell(
    on_wait: Callable[[Holder | None, float], None] | None, claim: Claim, seconds: float
) -> None:
    if on_wait is not None:
        on_wait(claim.holder, seconds)


def _nobody_to_wake() -> None:
    """Do nothing: who does not wait is not woken."""
