"""Values that this process has read lately; whether they are still good is for the reader to say.

A value is read again after half a second at the latest (`versions.LIFE`), so what was set last in
this mapping was also used last, within that time: it is dropped in the order of its coming.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from stagecache.forking import hold_over_forks

_OVERHEAD = 250
"""Bytes that a value takes besides."""


class Encoded(NamedTuple):
    """A value that somebody could change: each reader gets one of its own."""

    codec: str
    data: bytes


class Remembered:
    """Values under keys, within a bound of bytes.

    Parameters
    ----------
    limit : int
        Bytes, about; 0: nothing is remembered.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._size = 0
        self.values: dict[Any, tuple[Any, ...]] = {}
        """Key -> value, position and number of its word, the first word's, until when on the
        monotonic clock, expiry, bytes."""
        hold_over_forks(self)

    def keep(self, key: Any, size: int, *what: Any) -> None:
        """Remember `what` under `key`."""
        size += _OVERHEAD
        if size * 4 > self._limit:
            return
        with self._lock:
            old = self.values.pop(key, None)
            if old is not None:
                self._size -= old[-1]
            self.values[key] = (*what, size)
            self._size += size
            while self._size > self._limit:
                self._size -= self.values.pop(next(iter(self.values)))[-1]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self.values.clear()
            self._size = 0

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """Go on."""
        self._lock.release()
