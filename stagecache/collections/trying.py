"""What callers of a queue try, again and again while they wait: to put, to take, to find an end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from stagecache.errors import LeaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.collections.line import Taking
    from stagecache.collections.queues import Counter

_OFTEN = 0.05
"""Seconds between two looks at what comes back by itself, while there is enough to take."""


class Trying:
    """Makes attempts for one handle of a queue.

    Parameters
    ----------
    counter : Counter
        The queue.
    max_deliveries : int
        After how many deliveries an item that fails is given up.
    """

    def __init__(self, counter: Counter, max_deliveries: int) -> None:
        self._counter = counter
        self._line = counter.line
        self._most = max_deliveries
        self._next_look = 0.0

    def putting(
        self, encoded: list[tuple[str, Any]], timeout: Any, priority: int, delay: float | None
    ) -> Callable[[], bool | None]:
        """Return what puts items, or returns None if there is no room.

        Raises
        ------
        TypeError, ValueError
            If `timeout` is none, or there can never be room.
        """
        self._check(timeout)
        most = self._line.maxsize
        if most and len(encoded) > most:
            raise ValueError(f"{len(encoded):,} items never find room where {most:,} may wait")

        def attempt() -> bool | None:
            self._counter.check()
            return self._line.put(encoded, priority, delay) or None

        return attempt

    def taking(self, timeout: Any, visibility: float) -> Callable[[], Taking | None]:
        """Return what takes an item, or returns None if there is none.

        Raises
        ------
        TypeError, ValueError
            If `timeout` is none.
        """
        self._check(timeout)
        line = self._line

        def attempt() -> Taking | None:
            self._counter.check()
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + _OFTEN
                line.tend(self._most, thoroughly=False)
            taking = line.take(visibility)
            if taking is None:
                line.tend(self._most, thoroughly=True)
                taking = line.take(visibility)
            return taking

        return attempt

    def ending(self, timeout: Any) -> Callable[[], bool | None]:
        """Return what tells that all is finished, or returns None if it is not.

        Raises
        ------
        TypeError, ValueError
            If `timeout` is none.
        """
        self._check(timeout)

        def attempt() -> bool | None:
            self._counter.check()
            return None if self._line.is_unfinished() else True

        return attempt

    def tend(self) -> None:
        """Let come back what may."""
        self._line.tend(self._most, thoroughly=True)

    def may_wait(self) -> None:
        """See that it makes sense to wait.

        Raises
        ------
        LeaseError
            If this thread is inside of a transaction, in which nobody else can do anything.
        """
        collection = self._line.collection
        if collection.access.is_busy:
            raise LeaseError(
                f"to wait for {collection.name!r} inside of a transaction is to wait for ever: "
                "nobody else can write before it ends"
            )
        self._line.prepare()

    def _check(self, timeout: Any) -> None:
        self._counter.check()
        if timeout is None:
            return
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise TypeError(f"a timeout is a number of seconds, not {timeout!r}")
        if math.isnan(timeout) or timeout < 0:
            raise ValueError(f"'timeout' must be a non-negative number, not {timeout!r}")
