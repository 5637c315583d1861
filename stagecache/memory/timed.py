"""Mappings whose items expire; what is full besides lets go of what was used least recently."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import cachetools

from stagecache.memory.locked import Locked
from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

K = TypeVar("K")
V = TypeVar("V")


class _Timed(Locked[K, V]):
    """Lets an operation see one time, and counts what expires."""

    def __getitem__(self, key: K) -> V:
        with self._lock, self.timer:  # type: ignore[attr-defined]
            return super().__getitem__(key)

    def expire(self, time: float | None = None) -> list[tuple[K, V]]:
        """Let go of what has expired, at `time` or now, and return it; override it to see it go."""
        with self._lock:
            gone: list[tuple[K, V]] = list(super().expire(time))  # type: ignore[misc]
            self._expired += len(gone)
            return gone

    def _pairs(self) -> list[tuple[K, V]]:
        with self._lock, self.timer:  # type: ignore[attr-defined]
            return super()._pairs()


class TTL(_Timed[K, V], cachetools.TTLCache[K, V]):
    """A mapping whose items expire some time after they were put. Thread-safe.

    Parameters
    ----------
    maxsize, getsizeof
        As of :class:`~stagecache.memory.LRU`.
    ttl : float, str or datetime.timedelta
        How long an item lives, in seconds or as ``"90s"``, ``"1h30m"``.
    timer : callable, optional
        Returns the time in seconds; by default a clock that never goes back.

    Examples
    --------
    >>> from stagecache.testing.clock import FakeClock
    >>> clock = FakeClock()
    >>> answers = TTL(100, "1m", timer=clock.monotonic)
    >>> answers["a"] = 1
    >>> clock.advance(60)
    >>> "a" in answers, len(answers), answers.statistics().expired
    (False, 0, 1)
    """

    def __init__(
        self,
        maxsize: float,
        ttl: float | str | timedelta,
        timer: Callable[[], float] = time.monotonic,
        getsizeof: Callable[[V], float] | None = None,
    ) -> None:
        # A timer may return a datetime as well, to which a timedelta is added as it is.
        span = _seconds(ttl) if isinstance(timer(), int | float) else ttl
        super().__init__(maxsize, span, timer, getsizeof)


class PerItemTTL(_Timed[K, V], cachetools.TLRUCache[K, V]):
    """A mapping whose items may each live another time. Thread-safe.

    Parameters
    ----------
    maxsize, getsizeof, timer
        As of :class:`TTL`.
    ttl : float, str or datetime.timedelta, optional
        How long an item lives that is put as ``mapping[key] = value``; by default for ever.

    Examples
    --------
    >>> from stagecache.testing.clock import FakeClock
    >>> clock = FakeClock()
    >>> tokens = PerItemTTL(100, timer=clock.monotonic)
    >>> tokens.set("short", 1, ttl=10)
    >>> tokens.set("long", 2, ttl="1h")
    >>> tokens["ever"] = 3
    >>> clock.advance(10)
    >>> sorted(tokens)
    ['ever', 'long']
    """

    def __init__(
        self,
        maxsize: float,
        ttl: float | str | timedelta | None = None,
        timer: Callable[[], float] = time.monotonic,
        getsizeof: Callable[[V], float] | None = None,
    ) -> None:
        lifetime = _Lifetime(math.inf if ttl is None else _seconds(ttl))
        super().__init__(maxsize, lifetime, timer, getsizeof)

    def set(self, key: K, value: V, ttl: float | str | timedelta | None = None) -> None:
        """Put an item that lives for `ttl`, in seconds or as ``"90s"``; None: as all others.

        What lives no time at all is not there afterwards.
        """
        seconds = None if ttl is None else _seconds(ttl)
        if seconds is not None and seconds <= 0:
            self.pop(key, None)
            return
        _wanted.seconds = seconds
        try:
            self[key] = value
        finally:
            _wanted.seconds = None


class _Wanted(threading.local):
    """How long the item lives that this thread is about to put."""

    seconds: float | None = None


_wanted = _Wanted()


class _Lifetime:
    """Tells when an item expires. It holds no mapping, so that copies of one may share it."""

    def __init__(self, usual: float) -> None:
        self.usual = usual

    def __call__(self, _key: Any, _value: Any, now: float) -> float:
        seconds, _wanted.seconds = _wanted.seconds, None
        return now + (self.usual if seconds is None else seconds)


def _seconds(ttl: float | str | timedelta) -> float:
    # What is a number already is left to the timer, which says in what units it counts.
    return ttl if isinstance(ttl, int | float) else parse_duration(ttl)
