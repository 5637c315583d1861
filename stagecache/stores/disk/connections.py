"""One connection a thread to one SQLite file, none across a fork; when it is made and repaired.

What the file is made of is for `databases` to say; what is read and written through them, for
`index`, `catalog` and `items`.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import apsw

from stagecache.forking import hold_over_forks
from stagecache.stores.disk.bursts import Bursts
from stagecache.stores.disk.checkpoint import Checkpoints
from stagecache.stores.disk.databases import (
    CORRUPT,
    closed_on_failure,
    connect,
    is_sound,
    lacks_log,
    set_up,
)
from stagecache.stores.disk.fairness import Turns
from stagecache.stores.disk.locked import locked
from stagecache.stores.disk.namesakes import Namesakes, namesakes
from stagecache.stores.disk.rawfile import forget_notes, size_of
from stagecache.stores.disk.session import Session
from stagecache.stores.disk.sight import Sight
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stagecache.stores.disk.databases import Database
    from stagecache.stores.disk.trust import Trust

_PATIENCE = 10.0
"""Seconds that a fork waits for statements of other threads."""


class Connections:
    """The sessions of all threads on one file.

    Parameters
    ----------
    database : Database
        The file.
    trust : Trust
        Judges the directory before the file is opened.
    durable : bool
        Whether a commit survives a power failure (about 0.2 ms more each).
    fair : bool, optional
        Whether threads write in the order in which they came (0.2 us more each).
    """

    def __init__(
        self,
        database: Database,
        trust: Trust,
        *,
        durable: bool,
        fair: bool = False,
    ) -> None:
        self.directory = database.directory
        self._database = database
        self._trust = trust
        self._checkpoints = Checkpoints(self._lend)
        self._synchronous = "FULL" if durable else "NORMAL"
        self._sound: set[tuple[object, ...]] = set()
        """Indexes that somebody else may have written and that were found in order."""
        self._local = threading.local()
        self._bursts = Bursts()
        self._namesakes: Namesakes | None = None
        """Kept, so that all who have a file of this name open have the same."""
        self._sessions: WeakSet[Session] = WeakSet()
        self._are_threads = False
        """Whether others than the first thread have come."""
        self._writing = threading.RLock()
        self._turns = Turns(self._writing) if fair else None
        self.patience: float | None = None
        """Seconds that a writer waits; None: as long as other threads of this process take, and
        :data:`~stagecache.stores.disk.databases.BUSY` for other processes."""
        self._lock = threading.RLock()
        self._locked: list[Any] = []
        self._busy: list[Session] = []
        """Sessions that a fork could not wait for."""
        hold_over_forks(self)

    def session(self) -> Session:
        """Return this thread's session, open or not."""
        try:
            return self._local.session  # type: ignore[no-any-return]
        except AttributeError:
            session = self._added()
            self._are_threads = self._are_threads or len(self._sessions) > 1
            return session

    def open(self, session: Session, *, create: bool = False) -> Callable[..., Any] | None:
        """Open a session, whose lock is held; return how to execute, or None if no index is there.

        Raises
        ------
        OSError, apsw.Error
            If there is one that cannot be used, or none and it cannot be made.
        """
        directory = self.directory
        if not os.path.exists(directory.index):
            if not create and not self._database.is_there_to_make():
                return None
            self._trust.judge()
            directory.create(self._trust.adopt)
        # Once there is an index there is a token, if there is to be one.
        self._trust.judge()
        session.close()
        session.repairs = size_of(directory.repairs)
        with self._alone().opening(session):
            self._connect(session)
        assert session.execute is not None
        if session.depth:
            session.execute("BEGIN")
        return session.execute

    def _connect(self, session: Session) -> None:
        directory = self.directory
        connection = connect(self._database)
        if connection is None:
            with locked(directory.repairs):
                set_up(self._database)
            connection = connect(self._database)
        if connection is None:
            raise apsw.CantOpenError(f"{directory.index} was removed while it was made")
        with closed_on_failure(connection):
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            if self.patience is not None:
                wait_in_turn(connection, self.patience)
            sight = Sight(directory.index, connection, is_local=directory.is_local())
            if self._trust.is_suspect and sight.identity not in self._sound:
                if not is_sound(self._database):
                    raise apsw.CorruptError("its tables, or what is in them, are none of ours")
                self._sound.add(sight.identity)
            session.connection, session.sight = connection, sight
            session.execute = connection.cursor().execute
            session.may_keep = directory.is_local()

    def check(self, session: Session) -> None:
        """Close a session whose index was removed or replaced."""
        sight = session.sight
        if sight is not None and not sight.is_there():
            session.close()

    def ensure(self) -> None:
        """Make the index if there is none."""
        session = self.session()
        with session.lock:
            self.check(session)
            if session.connection is None:
                self.open(session, create=True)

    def mend(self, problem: Exception) -> bool:
        """Repair what `problem` says is broken; return whether to try again.

        A corrupt file is mended, unless somebody has done so meanwhile or it is sound after all:
        SQLite calls corruption what was one failed read of the disk. Where a file was removed or
        replaced under an open connection, there is another one to try it with.
        """
        session = self.session()
        with session.lock:
            known = session.repairs
            was_open = session.connection is not None
            self.check(session)
            is_replaced = was_open and session.connection is None
            session.close()
        is_log_lacking = lacks_log(problem)
        if not (is_log_lacking or isinstance(problem, CORRUPT)):
            return is_replaced
        others = self._alone()
        with others.opening(), locked(self.directory.repairs) as log:
            if size_of(self.directory.repairs) == known and not is_sound(self._database):
                if is_log_lacking:
                    others.close()
                    forget_notes(self.directory.index)
                if not (is_log_lacking and is_sound(self._database)):
                    self._database.mend()
                os.write(log, f"{os.getpid()} {type(problem).__name__}: {problem}\n".encode())
        return True

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """Let this thread write in one transaction, committed at the end of the block.

        A snapshot of this thread is given up before and taken anew afterwards.
        """
        session = self.session()
        turns = self._turns
        ticket = None if turns is None else turns.wait(self.patience)
        # Threads of this process take turns here: SQLite lets one starve for a second.
        with self._writing, session.lock:
            if ticket is not None and turns is not None:
                turns.passed(ticket)
            self.check(session)
            if session.connection is None:
                self.open(session, create=True)
            connection = session.connection
            assert connection is not None
            if session.depth:
                connection.execute("COMMIT")
            is_kept = False
            try:
                execute = session.begin(monotonic())
                try:
                    before = connection.total_changes()
                    yield connection
                    execute("COMMIT")
                    is_kept = True
                    self._checkpoints.left -= connection.total_changes() - before or 1
                    if self._checkpoints.left < 0:
                        session.let_go()
                        self._checkpoints.look(connection)
                except BaseException:
                    if connection.in_transaction:
                        execute("ROLLBACK")
                    raise
            finally:
                session.end(is_kept=is_kept)
                if session.depth and session.connection is connection:
                    connection.execute("BEGIN")

    def insert(self, statement: str, values: tuple[Any, ...]) -> int:
        """Run one INSERT, a transaction of its own; return the id of the row, 0 if there is none.

        Half of the time that :meth:`writing` takes beside SQLite.
        """
        try:
            session: Session = self._local.session
        except AttributeError:
            session = self.session()
        if session.depth or self._are_threads:
            return self.run(statement, values)[3]
        with session.lock:
            connection, _ = self._commit(session, statement, values)
            return connection.last_insert_rowid() if connection.changes() else 0

    def run(
        self, statement: str, values: Sequence[Any]
    ) -> tuple[int, int, list[tuple[Any, ...]], int]:
        """Run one statement that changes rows, a transaction of its own.

        Returns
        -------
        tuple
            How many rows it changed; those that triggers changed as well; what it gives by
            RETURNING; the id of the last row that was inserted, 0 if none was changed.
        """
        try:
            session: Session = self._local.session
        except AttributeError:
            session = self.session()
        if session.depth:
            with self.writing() as connection:
                before = connection.total_changes()
                rows = connection.execute(statement, values).fetchall()
                changed, every = connection.changes(), connection.total_changes() - before
                return changed, every, rows, connection.last_insert_rowid() if changed else 0
        if not self._are_threads:
            with session.lock:
                return self._run(session, statement, values)
        turns = self._turns
        ticket = None if turns is None else turns.wait(self.patience)
        with self._writing:
            if ticket is not None and turns is not None:
                turns.passed(ticket)
            with session.lock:
                return self._run(session, statement, values)

    def change(self, statement: str, values: Sequence[Any]) -> int:
        """Do as :meth:`run` does, where no trigger changes anything; return the rows it changed.

        With few calls on the way: it is what a small set comes to.
        """
        try:
            session: Session = self._local.session
        except AttributeError:
            session = self.session()
        if session.depth or self._are_threads:
            return self.run(statement, values)[0]
        with session.lock:
            return self._commit(session, statement, values)[0].changes()

    def _run(
        self, session: Session, statement: str, values: Sequence[Any]
    ) -> tuple[int, int, list[tuple[Any, ...]], int]:
        connection = session.connection
        before = 0 if connection is None else connection.total_changes()
        now_open, rows = self._commit(session, statement, values)
        if now_open is not connection:
            before = 0
        changed = now_open.changes()
        number = now_open.last_insert_rowid() if changed else 0
        return changed, now_open.total_changes() - before, rows, number

    def _commit(
        self, session: Session, statement: str, values: Sequence[Any]
    ) -> tuple[apsw.Connection, list[tuple[Any, ...]]]:
        """Run a statement that changes rows; return by which connection, and its rows.

        The lock of the session is held.
        """
        now = monotonic()
        sight = session.sight
        if sight is not None and not sight.is_there(now):  # as `check`, where time is short
            session.close()
        execute = session.execute or self.open(session, create=True)
        connection: Any = session.connection
        rows = session.commit(execute, statement, values, now)
        checkpoints = self._checkpoints
        checkpoints.left -= 1
        if checkpoints.left < 0:
            session.let_go()
            checkpoints.look(connection)
        return connection, rows

    def select(
        self, statement: str, bindings: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; none if there is no file."""
        session = self.session()
        with session.lock:
            execute = session.execute or self.open(session)
            return [] if execute is None else execute(statement, bindings).fetchall()

    def glance(self, statement: str, bindings: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Do as :meth:`select` does, perhaps as of this thread's last commit."""
        session = self.session()
        with session.lock:
            execute = session.by_view or session.execute or self.open(session)
            return [] if execute is None else execute(statement, bindings).fetchall()

    def is_in_burst(self) -> bool:
        """Tell whether this thread commits again and again, and nobody else did of late."""
        return self.session().by_view is not None

    def close(self) -> None:
        """Close the connections of all threads."""
        self._checkpoints.finish()
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            if session.lock.acquire(timeout=_PATIENCE):
                try:
                    session.close()
                finally:
                    session.lock.release()
        self._bursts.end()

    def before_fork(self) -> None:
        """Close all connections.

        To drop them in the child would not do: SQLite counts its locks by process, and a new
        connection of the child would find them counted already and take none. Tried: the
        parent then removes the log under the child, whose commits are lost.
        """
        self._checkpoints.finish()
        self._locked = [
            lock for lock in (self._writing, self._lock) if lock.acquire(timeout=_PATIENCE)
        ]
        for session in list(self._sessions):
            if session.lock.acquire(timeout=_PATIENCE):
                self._locked.append(session.lock)
                session.close()
            else:
                self._busy.append(session)
        self._bursts.end()  # Python warns of forks beside other threads

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; whoever needs a connection opens one."""
        for lock in reversed(self._locked):
            lock.release()
        self._locked = []
        if not in_child:
            self._busy = []
            return
        if self._busy:
            # A thread that is no more was in the middle of a statement for long. Its connection
            # is never closed here (_busy keeps it), its locks are nobody's.
            self._writing, self._lock = threading.RLock(), threading.RLock()
        if self._turns is not None:  # who waited is in the parent
            self._turns = Turns(self._writing)
        self._bursts.forget()
        for session in self._sessions:
            session.is_watched = False

    def _alone(self) -> Namesakes:
        """Return what sees to it that no other file of this name is open."""
        self._namesakes = found = namesakes(self.directory.index)
        return found

    def _lend(self, work: Callable[[apsw.Connection], None]) -> None:
        """Do `work` with a connection of this thread, which ends with it."""
        session = self._added()
        with session.lock:
            try:
                if self.open(session) is not None:
                    assert session.connection is not None
                    work(session.connection)
            finally:
                session.close()

    def _added(self) -> Session:
        session = self._local.session = Session(self._bursts, self._checkpoints)
        with self._lock:
            self._sessions.add(session)
        return session
