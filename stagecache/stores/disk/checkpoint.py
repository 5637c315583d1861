"""Writes the index's log back beside the way of the writers, and lets it begin anew.

SQLite does that in the commit that makes the log long, so one commit in a thousand waits for the
disk. And while others commit it never finds an end: the log begins anew only when all of it has
been written back. Here a thread does most of it while others write, then the rest under the
write lock. It ends when that is done; a fork and the end of the store wait for it.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import apsw

from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 4_000
"""Pages, 16 MB: the most in which readers find their way by one hash table. With a shorter log,
which was tried, a writer beside four readers waited for five seconds."""
_EVERY = 64
"""Rows that are written between two looks. To be told by SQLite takes 0.5 us a commit."""
_MORE = 2_000
"""Pages after which what could not be done is tried again."""
_ROUNDS = 3
_LITTLE = 500
"""Pages that may be written back while nobody writes."""
_PATIENCE = 0.05
"""Seconds that writers, held up, wait for those who still read the old log."""
_END = 10.0
"""Seconds that a fork waits at most."""


class Checkpoints:
    """The log of one index, as one process sees it.

    Parameters
    ----------
    lend : callable
        Calls its argument with a connection for the thread that asks.
    """

    def __init__(self, lend: Callable[[Callable[[apsw.Connection], None]], None]) -> None:
        self._lend = lend
        self.left = 0
        """Rows that are committed before the next look; whoever commits counts them down."""
        self._next = LONG
        self._thread: threading.Thread | None = None
        self._held_until = -math.inf
        """When its thread last let writers go on; infinite while it holds them up."""

    def has_held_up(self, since: float) -> bool:
        """Tell whether its own thread has kept a writer waiting at some time since then.

        Parameters
        ----------
        since : float
            Of :func:`time.monotonic`.
        """
        return self._held_until >= since

    def look(self, connection: apsw.Connection) -> None:
        """Look at the log, by a connection that has no transaction and keeps no view."""
        self.left = _EVERY
        try:
            pages, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
        except apsw.BusyError:  # what was committed stays so, and the next look tells as well
            return
        if pages < LONG:
            self._next = LONG
        elif pages >= self._next and (self._thread is None or not self._thread.is_alive()):
            self._next = pages + _MORE
            self._start()

    def finish(self) -> None:
        """Wait until nobody is at work."""
        thread = self._thread
        if thread is not None:
            thread.join(_END)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="stagecache-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is going down
            self._work()
        else:
            self._thread = thread

    def _work(self) -> None:
        with suppress(OSError, apsw.Error):  # another process is at it, or the next sees the same
            self._lend(self._write_back)

    def _write_back(self, connection: apsw.Connection) -> None:
        write_most(connection)
        self._held_until = math.inf
        try:
            begin_anew(connection)
        finally:
            self._held_until = monotonic()


def write_back(connection: apsw.Connection) -> None:
    """Write back the whole log, so that the next commit begins it anew.

    Raises
    ------
    apsw.BusyError
        If somebody else is at it, or reads an old state for long.
    """
    write_most(connection)
    begin_anew(connection)


def write_most(connection: apsw.Connection) -> None:
    """Write back most of the log, while others write.

    Raises
    ------
    apsw.BusyError
        If somebody else is at it.
    """
    wait_in_turn(connection, _PATIENCE)
    before = 0
    for _ in range(_ROUNDS):
        pages, _done = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if pages - before < _LITTLE:
            break
        before = pages


def begin_anew(connection: apsw.Connection) -> None:
    """Write back the rest while nobody else writes, so that the next commit begins the log anew.

    Raises
    ------
    apsw.BusyError
        If somebody reads an old state for long.
    """
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
