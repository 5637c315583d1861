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
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import apsw

from stagecache.forking import hold_over_forks
from stagecache.stores.disk.directory import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.session import Session

_PATIENCE = 30.0


class Namesakes:
    """The sessions of this process, by the name of their file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opening: dict[str, threading.RLock] = {}
        self._sessions: dict[str, WeakSet[Session]] = {}
        hold_over_forks(self)

    @contextmanager
    def opening(self, path: str, session: Session | None = None) -> Iterator[None]:
        """Let no other thread open a file of that name meanwhile.

        Parameters
        ----------
        path : str
            The name.
        session : Session, optional
            What is open afterwards.

        Raises
        ------
        apsw.BusyError
            If another thread does so for long.
        """
        path = resolved(path)
        with self._lock:
            lock: Any = self._opening.setdefault(path, threading.RLock())
            sessions = self._sessions.setdefault(path, WeakSet())
        if not lock.acquire(timeout=_PATIENCE):
            raise apsw.BusyError("another thread has been opening the file for long")
        try:
            if session is not None:
                sessions.add(session)
            yield
        finally:
            lock.release()

    def close(self, path: str, *, but: tuple[int, ...] = ()) -> None:
        """Close all that this process has open under a name, except the file of that identity.

        Raises
        ------
        apsw.BusyError
            If a thread is at work on it, and does not end.
        """
        for session in list(self._sessions.get(resolved(path), ())):
            sight = session.sight
            if sight is None or sight.identity[:2] == but[:2]:
                continue
            if not session.lock.acquire(timeout=_PATIENCE):
                raise apsw.BusyError("another thread is at work on the file that was there before")
            try:
                connection = session.connection
                if connection is not None:
                    if connection.txn_state("main") == apsw.SQLITE_TXN_WRITE:  # by this very thread
                        raise apsw.BusyError("the file that was there before is being written")
                    session.close()
            finally:
                session.lock.release()

    def before_fork(self) -> None:
        """Do nothing: what opens a session has its lock."""

    def after_fork(self, *, in_child: bool) -> None:
        """Forget who was opening something: those threads are in the parent."""
        if in_child:
            self._lock = threading.Lock()
            self._opening = {path: threading.RLock() for path in self._opening}


NAMESAKES = Namesakes()
