"""When to leave something alone that is out of reach, and when to try it again.

After the first failure nobody asks for a while; then one caller does, and if it fails the while
gets longer. Whom is asked, what counts as a failure and who is told is for those who use it.
The pattern: M. Nygard, "Release It!", chapter "Circuit Breaker".
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from stagecache.clock import SystemClock

if TYPE_CHECKING:
    from stagecache.clock import Clock

SHORTEST = 5.0
"""Seconds that something is left alone after the first failure."""
LONGEST = 60.0
"""Seconds that it is left alone at most; between, each failed try doubles them."""


class Breaker:
    """Keeps calls away from what does not answer. Thread-safe, whole on both sides of a fork.

    Parameters
    ----------
    clock : Clock, optional
        Where the time comes from.
    shortest, longest : float, optional
        Seconds between tries.

    Examples
    --------
    >>> from stagecache.testing.clock import FakeClock
    >>> clock = FakeClock()
    >>> breaker = Breaker(clock)
    >>> breaker.allows(), breaker.failed(), breaker.allows()
    (True, True, False)
    >>> clock.advance(5)
    >>> breaker.allows(), breaker.allows()
    (True, False)
    >>> breaker.worked(), breaker.allows()
    (True, True)
    """

    def __init__(
        self, clock: Clock | None = None, *, shortest: float = SHORTEST, longest: float = LONGEST
    ) -> None:
        self._clock = clock or SystemClock()
        self._shortest = shortest
        self._longest = longest
        self._pause = shortest
        self._until: float | None = None
        """When the next call may try; None: there is no outage. Read without the lock, because
        every call does."""
        self._lock = threading.Lock()
        self._refusals: set[str] = set()
        _known.add(self)

    @property
    def is_open(self) -> bool:
        """Whether there is an outage."""
        return self._until is not None

    def allows(self) -> bool:
        """Tell whether this caller may ask; whoever may during an outage is the only one."""
        until = self._until
        if until is None:
            return True
        now = self._clock.monotonic()
        if now < until:
            return False
        with self._lock:
            if self._until is None:
                return True
            if now < self._until:
                return False
            # The next pause begins before the answer is known: a caller that is interrupted or
            # killed while it asks keeps nobody from trying later.
            self._pause = min(2 * self._pause, self._longest)
            self._until = now + self._pause
            return True

    def failed(self) -> bool:
        """Note that a call got no answer; tell whether that is the beginning of an outage."""
        with self._lock:
            if self._until is not None:
                return False
            self._pause = self._shortest
            self._until = self._clock.monotonic() + self._pause
            return True

    def refused(self, cause: str) -> bool:
        """Note that an answer was a refusal; tell whether it is the first one of that cause."""
        is_first = cause not in self._refusals
        self._refusals.add(cause)
        return is_first

    def worked(self) -> bool:
        """Note that a call was answered; tell whether that is the end of an outage."""
        if self._until is None:
            return False
        with self._lock:
            was_open, self._until = self._until is not None, None
            return was_open


_known: WeakSet[Breaker] = WeakSet()


def _unlock() -> None:
    for breaker in _known:
        breaker._lock = threading.Lock()  # a thread that the child does not have may hold it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
