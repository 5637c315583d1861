"""Ends the views that bursts of commits keep, soon after the burst.

A view that stayed would keep the log from beginning anew. So as long as sessions write in bursts,
a thread looks at them a hundred times a second, and ends when none has done so for a while.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any, Protocol

_TICK = 0.01
_OVER = 0.005
"""Seconds without a commit after which a burst is over."""
_PATIENCE = 1.0
"""Seconds to wait for one that is at work."""
_GONE = 1.0
"""Seconds without a commit after which a session is not watched any longer."""


class Writer(Protocol):
    """A session, as far as it is looked at."""

    lock: Any
    last: float
    is_watched: bool
    by_view: Any

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
        self._thread: threading.Thread | None = None
        self._is_to_end = threading.Event()

    def watch(self, session: Writer) -> bool:
        """Look after a session, whose lock is held; return whether that can be done."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="stagecache-bursts", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no more threads, or the interpreter is going down
                    return False
                self._thread = thread
            session.is_watched = True
            self._watched.append(session)
        return True

    def end(self) -> None:
        """Watch nobody any longer, and wait until the thread is gone."""
        thread = self._thread
        if thread is not None:
            self._is_to_end.set()
            thread.join()
            self._is_to_end.clear()

    def _work(self) -> None:
        while True:
            is_over = self._is_to_end.wait(_TICK)
            with self._lock:
                if is_over:
                    forgotten, self._watched = self._watched, []
                else:
                    now = monotonic()
                    self._watched = [each for each in self._watched if _is_to_stay(each, now)]
                if not self._watched:
                    self._thread = None
                    break
        if is_over:
            for session in forgotten:
                _forget(session)


def _forget(session: Writer) -> None:
    """Watch a session no longer: where it keeps a view all the same, that ends."""
    session.is_watched = False  # from here on its commits give up theirs
    if session.by_view is not None and session.lock.acquire(timeout=_PATIENCE):
        try:
            session.let_go()
        finally:
            session.lock.release()


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
