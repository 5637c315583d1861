"""A lock that threads get in the order in which they asked for it.

Python's own goes to whoever comes by when it is free: a thread that takes it again at once keeps
the others waiting for as long as it likes.
"""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """As :class:`threading.RLock`, but nobody is passed.

    Examples
    --------
    >>> lock = FairLock()
    >>> with lock, lock:
    ...     lock.acquire(timeout=0.1)
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mutex = threading.Lock()
        self._owner = 0
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for the lock, at most so many seconds unless negative; return whether it is had."""
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return True
        if not self._waiting and self._lock.acquire(blocking=False):
            self._owner, self._depth = me, 1
            return True
        turn = threading.Lock()
        turn.acquire()
        with self._mutex:
            self._waiting.append((me, turn))
        self._hand_over()  # it may have been released before we were seen to wait
        try:
            is_ours = turn.acquire(timeout=timeout)
        except BaseException:
            if not self._leave(me, turn):
                self.release()
            raise
        return is_ours or not self._leave(me, turn)

    def release(self) -> None:
        """Give the lock to whoever has waited longest."""
        self._depth -= 1
        if self._depth:
            return
        self._owner = 0
        self._lock.release()
        if self._waiting:
            self._hand_over()

    def _hand_over(self) -> None:
        """Let the first of those who wait have the lock if it is free: newcomers see them wait."""
        with self._mutex:
            if self._waiting and self._lock.acquire(blocking=False):
                self._owner, turn = self._waiting.popleft()
                self._depth = 1
                turn.release()

    def _leave(self, me: int, turn: threading.Lock) -> bool:
        """Wait no longer; return False if the lock was handed over meanwhile."""
        with self._mutex:
            try:
                self._waiting.remove((me, turn))
            except ValueError:
                return False
            return True

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me and not self._waiting and self._lock.acquire(blocking=False):
            self._owner, self._depth = me, 1
        else:
            self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
