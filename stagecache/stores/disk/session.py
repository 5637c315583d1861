"""One thread's connection to one SQLite file, and the view of it that a burst of commits keeps.

SQLite takes a view of the log before each statement and gives it up afterwards: four locks of a
byte, 2 us of the 10 that a small commit takes. A thread that commits again and again keeps the view
from one commit to the next. It stays true: if anybody else has committed meanwhile, or is about to,
SQLite refuses to write by it, and it is taken anew. Nothing is read by it but what decides a write.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.stores.disk.bursts import Bursts
    from stagecache.stores.disk.checkpoint import Checkpoints
    from stagecache.stores.disk.sight import Sight

_VIEW = "SELECT 1 FROM sqlite_schema"
"""The view lasts from its first row until it is closed."""
_QUICK = 0.001
"""Seconds between two commits of a burst."""
_FEW = 8
"""Quick commits, one after the other, that are no burst yet; one where a burst was just now."""
_MOST = 64
"""Commits by one view, so that whoever writes the log back is not kept from it."""
_PAUSE = 0.25
"""Seconds for which no view is kept after somebody else wrote: where many write, who goes on at
once would leave little time to the others."""


class Session:
    """One thread's connection; closed whenever it must be, opened again when it is needed.

    Parameters
    ----------
    bursts : Bursts
        Ends the view that is kept when the burst is over.
    checkpoints : Checkpoints
        Writes the log back, and holds up writers for that: not as another one who writes.
    """

    __slots__ = (
        "__weakref__", "_bursts", "_checkpoints", "_cursor", "_left", "_not_before", "_quick",
        "by_view", "connection", "data_version", "depth", "execute", "is_watched", "last", "lock",
        "may_keep", "repairs", "sight", "version",
    )  # fmt: skip

    def __init__(self, bursts: Bursts, checkpoints: Checkpoints) -> None:
        self.lock = threading.RLock()
        self.connection: apsw.Connection | None = None
        self.execute: Callable[..., Any] | None = None
        """Runs a statement that sees all that was committed: a view that is kept is given up."""
        self.depth = 0
        """Of nested reading blocks."""
        self.sight: Sight | None = None
        """Of the file that is open."""
        self.repairs = 0
        """How often the index had been repaired when it was opened."""
        self.data_version = -1
        self.version = 0
        self.may_keep = False
        """Whether a view hinders nobody: there is a log, and it is for writing."""
        self.is_watched = False
        """Whether the end of a burst is looked for."""
        self.last = 0.0
        """When it committed, of a clock that never jumps."""
        self._bursts = bursts
        self._checkpoints = checkpoints
        self._cursor: apsw.Cursor | None = None
        """That keeps the view."""
        self.by_view: Callable[..., Any] | None = None
        """Runs a statement by the view that is kept, if one is."""
        self._quick = 0
        """Commits that followed each other at once."""
        self._left = 0
        self._not_before = 0.0

    def commit(self, execute: Any, statement: str, values: Any, now: float) -> Any:
        """Run a statement that writes, a transaction of its own; return all of its rows.

        Parameters
        ----------
        execute : callable
            That of the session, which is open; its lock is held.
        statement, values
            What to run: it changes rows, no tables.
        now : float
            Of the clock that `last` is of.
        """
        by_view = self.by_view or self._keep_view(now)
        self.last = now
        if by_view is None:
            return execute(statement, values).fetchall()
        self._left -= 1
        try:
            rows = by_view(statement, values).fetchall()
        except apsw.BusyError:  # SQLite does not let who has a view wait for others
            self._give_way(now)
            return execute(statement, values).fetchall()
        except BaseException:
            self.let_go()
            raise
        if self._left < 0 or not self.is_watched:
            self.let_go()
        return rows

    def begin(self, now: float) -> Callable[..., Any]:
        """Begin a transaction that writes; return how to execute in it. :meth:`end` ends it."""
        by_view = self.by_view or self._keep_view(now)
        self.last = now
        if by_view is not None:
            self._left -= 1
            self.execute = by_view  # what is read in it is what it has written
            try:
                by_view("BEGIN IMMEDIATE")
            except apsw.BusyError:
                self._give_way(now)
            else:
                return by_view
        execute = self.execute
        assert execute is not None
        execute("BEGIN IMMEDIATE")
        return execute

    def end(self, *, is_kept: bool) -> None:
        """Go on after a transaction, with the view that it began with if that is to be kept."""
        if self.by_view is not None:
            self.execute = self._see_anew
            if not is_kept or self._left < 0 or not self.is_watched:
                self.let_go()

    def let_go(self) -> None:
        """Give up the view that is kept, if there is one; the lock is held."""
        by_view = self.by_view
        if by_view is not None:
            # In this order: an exception of a signal in between is not to leave a view behind.
            if self._cursor is not None:
                self._cursor.close(True)
            self.execute, self.by_view, self._cursor = by_view, None, None

    def end_snapshot(self) -> None:
        """End the transaction of a reading block."""
        connection = self.connection
        if connection is not None and connection.in_transaction:
            try:
                connection.execute("COMMIT")
            except apsw.Error:
                self.close()

    def close(self) -> None:
        """Close the connection; an open snapshot ends."""
        self.let_go()
        connection, self.connection, self.execute = self.connection, None, None
        self.data_version = -1
        sight, self.sight = self.sight, None
        if sight is not None:
            sight.close()
        if connection is not None:
            try:
                connection.close()
            except apsw.Error:
                connection.close(True)

    def _keep_view(self, now: float) -> Callable[..., Any] | None:
        """Take a view of the file as it is now, and keep it, if this is a burst."""
        self._quick = self._quick + 1 if now - self.last < _QUICK else 0
        few = 0 if self.is_watched else _FEW
        if self._quick <= few or not self.may_keep or self.depth or now < self._not_before:
            return None
        connection = self.connection
        if connection is None or not (self.is_watched or self._bursts.watch(self)):
            return None
        self._left = _MOST
        self.by_view, self.execute = self.execute, self._see_anew
        try:
            self._cursor = connection.cursor()
            self._cursor.execute(_VIEW)
        except BaseException:
            self.let_go()
            raise
        return self.by_view

    def _give_way(self, now: float) -> None:
        self.let_go()
        if not self._checkpoints.has_held_up(now):
            self._not_before = now + _PAUSE

    def _see_anew(self, statement: str, bindings: Any = ()) -> Any:
        self.let_go()
        assert self.execute is not None
        return self.execute(statement, bindings)
