"""Sees to it that a process has one file of a name open at a time, where SQLite would mix two up.

SQLite tells files apart by their inodes, but their logs and the notes on these, which it maps, go
by the name. Who removes or replaces a file in use leaves both to the next one of that name. If a
process has both open it does not hear of its own locks: it cuts the notes short that the other
connection has mapped (SIGBUS), and gives up all locks on them when one of the two is closed, so
that other processes do the same to it (https://sqlite.org/howtocorrupt.html, 2.2 and 2.4). So who
opens a file has all of this process closed first that had the name before.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

import apsw

from stagecache.forking import hold_over_forks
from stagecache.stores.disk.directory import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.session import Session

_PATIENCE = 30.0
_TICK = 0.01


class Namesakes:
    """The sessions of this process on files of one name. Have it by :func:`namesakes`."""

    def __init__(self) -> None:
        self._sessions: WeakSet[Session] = WeakSet()
        self.forget()

    def forget(self) -> None:
        """Forget who is opening something: in the child of a fork there is no such thread."""
        self._lock = threading.RLock()

    @contextmanager
    def opening(self, session: Session | None = None) -> Iterator[None]:
        """Let no other thread open a file of that name meanwhile.

        Parameters
        ----------
        session : Session, optional
            What is open afterwards.

        Raises
        ------
        apsw.BusyError
            If another thread does so for long.
        """
        lock = self._lock
        if not lock.acquire(timeout=_PATIENCE):
            raise apsw.BusyError("another thread has been opening the file for long")
        try:
            if session is not None:
                self._sessions.add(session)
            yield
        finally:
            lock.release()

    def close(self, *, but: tuple[int, ...] = ()) -> None:
        """Close all that this process has open under the name, except the file of that identity.

        Raises
        ------
        apsw.BusyError
            If a thread is at work on it, and does not end.
        """
        until = monotonic() + _PATIENCE
        for session in list(self._sessions):
            while (sight := session.sight) is not None and sight.identity[:2] != but[:2]:
                if session.lock.acquire(timeout=_TICK):
                    try:
                        _close(session)
                    finally:
                        session.lock.release()
                # Its thread may close it, and go on to wait for us.
                elif monotonic() > until:
                    raise apsw.BusyError("a thread is at work on the file that was there before")


def _close(session: Session) -> None:
    connection = session.connection
    if connection is not None and connection.txn_state("main") == apsw.SQLITE_TXN_WRITE:
        raise apsw.BusyError("the file that was there before is being written by this very thread")
    session.close()


class _Names:
    """Which names there are, as long as anybody uses them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: WeakValueDictionary[str, Namesakes] = WeakValueDictionary()
        hold_over_forks(self)

    def before_fork(self) -> None:
        """Do nothing: what opens a session has its lock, and nobody waits under ours."""

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child have locks of its own."""
        if in_child:
            self.lock = threading.Lock()
            for each in self.known.values():
                each.forget()


_names = _Names()


def namesakes(path: str) -> Namesakes:
    """Return what there is of one name; who has a session on it keeps it."""
    path = resolved(path)
    fresh = Namesakes()
    with _names.lock:
        return _names.known.setdefault(path, fresh)
