"""Ends the views that bursts of commits keep, soon after the burst.

A view that stayed would keep the log from beginning anew. So as long as sessions write in bursts,
a thread looks at them a hundred times a second, and ends when none has done so for a while.
"""

from __future__ import annotations

import threading
from time import monotonic, sleep
from typing import Any, Protocol

_TICK = 0.01
_OVER = 0.005
"""Seconds without a commit after which a burst is over."""
_GONE = 1.0
"""Seconds without a commit after which a session is not watched any longer."""


class Writer(Protocol):
    """A session, as far as it is looked at."""

    lock: Any
    last: float
    is_watched: bool

    def let_go(self) -> None:
        """Give up the view that is kept."""


class Bursts:
    """The sessions of one file that write in bursts."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: in the child of a fork there is no thread."""
        self._lock = threading.Lock()
        self._watched: list[Writer] = []
        self._is_at_work = False

    def watch(self, session: Writer) -> bool:
        """Look after a session, whose lock is held; return whether that can be done."""
        with self._lock:
            if not self._is_at_work:
                thread = threading.Thread(target=self._work, name="stagecache-bursts", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads, or the interpreter is going down
                    return False
                self._is_at_work = True
            session.is_watched = True
            self._watched.append(session)
        return True

    def _work(self) -> None:
        while True:
            sleep(_TICK)
            with self._lock:
                now = monotonic()
                self._watched = [each for each in self._watched if _is_to_stay(each, now)]
                if not self._watched:
                    self._is_at_work = False
                    return


def _is_to_stay(session: Writer, now: float) -> bool:
    """End the view of a session whose burst is over; return whether to go on watching it."""
    if not session.lock.acquire(blocking=False):  # it is at work
        return True
    try:
        idle = now - session.last
        if idle > _OVER:
            session.let_go()
        session.is_watched = idle < _GONE
        return session.is_watched
    finally:
        session.lock.release()
