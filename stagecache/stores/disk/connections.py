"""One connection a thread, none across a fork, and how an index is opened, made and repaired.

What is read and written through them is for `index` and `catalog` to say.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import apsw

from stagecache.forking import hold_over_forks
from stagecache.stores.disk import schema
from stagecache.stores.disk.checkpoint import Checkpoints
from stagecache.stores.disk.directory import no_follow, resolved
from stagecache.stores.disk.locked import locked
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.trust import Trust

BUSY = 30.0
"""Seconds that a writer waits for the others before it gives up."""
CORRUPT = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)
"""What a broken index raises; the last where the names of its tables are broken."""
_PATIENCE = 10.0
"""Seconds that a fork waits for statements of other threads."""

_LIST_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"


class Session:
    """One thread's connection; closed whenever it must be, opened again when it is needed."""

    __slots__ = (
        "__weakref__", "connection", "data_version", "depth", "execute", "identity", "lock",
        "repairs", "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.connection: apsw.Connection | None = None
        self.execute: Callable[..., Any] | None = None
        self.depth = 0
        """Of nested reading blocks."""
        self.identity: tuple[object, ...] = ()
        """Device and inode of the index."""
        self.repairs = 0
        """How often the index had been repaired when it was opened."""
        self.data_version = -1
        self.version = 0

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
        connection, self.connection, self.execute = self.connection, None, None
        self.data_version = -1
        if connection is not None:
            try:
                connection.close()
            except apsw.Error:
                connection.close(True)


class Connections:
    """The sessions of all threads on one index.

    Parameters
    ----------
    directory : Directory
        Where the index lies.
    trust : Trust
        Judges the directory before its index is opened.
    fill : callable
        Called in the transaction that makes an empty index, to fill it from what there is.
    durable : bool
        Whether a commit survives a power failure (about 0.2 ms more each).
    """

    def __init__(
        self,
        directory: Directory,
        trust: Trust,
        fill: Callable[[apsw.Connection], None],
        *,
        durable: bool,
    ) -> None:
        self.directory = directory
        self._trust = trust
        self._fill = fill
        self._checkpoints = Checkpoints(self._lend)
        self._synchronous = "FULL" if durable else "NORMAL"
        self._sound: set[tuple[object, ...]] = set()
        """Indexes that somebody else may have written and that were found in order."""
        self._local = threading.local()
        self._sessions: WeakSet[Session] = WeakSet()
        self._writing = threading.RLock()
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
            session = self._local.session = Session()
            with self._lock:
                self._sessions.add(session)
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
            if not create and not os.path.exists(directory.blobs):
                return None
            self._trust.judge()
            directory.create(self._trust.adopt)
        # Once there is an index there is a token, if there is to be one.
        self._trust.judge()
        session.close()
        session.repairs = _size(directory.repairs)
        connection = _connect(directory.index)
        if connection is None:
            with locked(directory.repairs):
                self._set_up()
            connection = _connect(directory.index)
        if connection is None:
            raise apsw.CantOpenError(f"{directory.index} was removed while it was made")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        stat = os.stat(directory.index)
        session.identity = (stat.st_dev, stat.st_ino)
        if self._trust.is_suspect and session.identity not in self._sound:
            if not _is_sound(directory.index):
                connection.close()
                raise apsw.CorruptError("its tables, or what is in them, are none of ours")
            self._sound.add(session.identity)
        session.connection = connection
        session.execute = connection.cursor().execute
        if session.depth:
            session.execute("BEGIN")
        return session.execute

    def check(self, session: Session) -> None:
        """Close a session whose index was removed or replaced."""
        if session.connection is None:
            return
        try:
            stat = os.stat(self.directory.index)
        except OSError:
            session.close()
            return
        if (stat.st_dev, stat.st_ino) != session.identity:
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

        A corrupt index is emptied and filled from blobs, unless somebody has done so meanwhile
        or it is sound after all: SQLite calls corruption what was one failed read of the disk.
        It is emptied in place, by SQLite's own means. Renaming it aside would leave other
        processes at work on the old file under the new one's journal.
        """
        session = self.session()
        with session.lock:
            known = session.repairs
            session.close()
        if not isinstance(problem, CORRUPT):
            return False
        with locked(self.directory.repairs) as log:
            if _size(self.directory.repairs) == known and not _is_sound(self.directory.index):
                connection = _open(self.directory.index)
                try:
                    wait_in_turn(connection, BUSY)
                    self._reset(connection)
                finally:
                    connection.close()
                os.write(log, f"{os.getpid()} {type(problem).__name__}: {problem}\n".encode())
                self._set_up()
        return True

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """Let this thread write in one transaction, committed at the end of the block.

        A snapshot of this thread is given up before and taken anew afterwards.
        """
        session = self.session()
        # Threads of this process take turns here: SQLite lets one starve for a second.
        with self._writing, session.lock:
            self.check(session)
            if session.connection is None:
                self.open(session, create=True)
            connection, execute = session.connection, session.execute
            assert connection is not None
            assert execute is not None
            if session.depth:
                execute("COMMIT")
            try:
                execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    execute("COMMIT")
                    self._checkpoints.count(connection)
                except BaseException:
                    if connection.in_transaction:
                        execute("ROLLBACK")
                    raise
            finally:
                if session.depth and session.connection is connection:
                    execute("BEGIN")

    def insert(self, statement: str, values: tuple[Any, ...]) -> int:
        """Run one INSERT, a transaction of its own; return the id of the row, 0 if there is none.

        Half of the time that :meth:`writing` takes beside SQLite.
        """
        session = self.session()
        if session.depth:
            with self.writing() as connection:
                connection.execute(statement, values)
                return connection.last_insert_rowid() if connection.changes() else 0
        with self._writing, session.lock:
            self.check(session)
            execute = session.execute or self.open(session, create=True)
            opened = session.connection
            assert opened is not None
            assert execute is not None
            execute(statement, values)
            self._checkpoints.count(opened)
            return opened.last_insert_rowid() if opened.changes() else 0

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

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; whoever needs a connection opens one."""
        for lock in reversed(self._locked):
            lock.release()
        self._locked = []
        if not in_child:
            self._busy = []
        elif self._busy:
            # A thread that is no more was in the middle of a statement for long. Its connection
            # is never closed here (_busy keeps it), its locks are nobody's.
            self._writing, self._lock = threading.RLock(), threading.RLock()

    def _lend(self, work: Callable[[apsw.Connection], None]) -> None:
        """Do `work` with a connection of this thread, which ends with it."""
        session = self.session()
        with session.lock:
            try:
                if self.open(session) is not None:
                    assert session.connection is not None
                    work(session.connection)
            finally:
                session.close()

    def _reset(self, connection: apsw.Connection) -> None:
        """Make an empty database of whatever lies there, keeping a copy aside."""
        _copy_aside(self.directory.index, self.directory.quarantine)
        # SQLite keeps the WAL mode of a schema that it has tried to read.
        with suppress(apsw.Error):
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 0)

    def _set_up(self) -> None:
        """Make the tables, with the file of repairs locked, unless they are there by now."""
        connection = _open(self.directory.index, apsw.SQLITE_OPEN_CREATE)
        try:
            wait_in_turn(connection, BUSY)
            found = state(connection)
            if found == (schema.APPLICATION, schema.VERSION):
                return
            if found != (0, 0) or connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
                self._reset(connection)
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            wanted = "WAL" if self.directory.is_local() else "DELETE"
            connection.execute(f"PRAGMA journal_mode={wanted}").fetchall()
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(schema.TABLES)
            # Not from zero: a number that somebody remembers of an earlier index must differ.
            start = int.from_bytes(os.urandom(5)) << 20
            connection.execute(
                "INSERT INTO meta VALUES ('version', ?), ('listed', 0), ('files', 0)", (start,)
            )
            self._fill(connection)
            connection.execute(f"PRAGMA application_id={schema.APPLICATION}")
            connection.execute(f"PRAGMA user_version={schema.VERSION}")
            connection.execute("COMMIT")
        finally:
            connection.close()


def _connect(path: str) -> apsw.Connection | None:
    """Return a connection to an index that is there and of this version, else None."""
    if not os.path.exists(path):
        return None
    # Without SQLite's own mutexes: a session's lock does that.
    connection = _open(path, apsw.SQLITE_OPEN_NOMUTEX)
    wait_in_turn(connection, BUSY)
    if state(connection) != (schema.APPLICATION, schema.VERSION):
        connection.close()
        return None
    # 64 MB, all of the keys of a million results; a small index takes no more than its own size.
    connection.execute("PRAGMA cache_size=-64000")
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()  # see `checkpoint`
    return connection


def _is_sound(path: str) -> bool:
    """Tell whether all pages and tables of an index are in order."""
    try:
        connection = _connect(path)
        if connection is None:
            return False
        try:
            if connection.execute(_LIST_TABLES).fetchall() != _tables_meant():
                return False
            return connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
        finally:
            connection.close()
    except (*CORRUPT, UnicodeDecodeError):
        return False


def _tables_meant() -> list[tuple[Any, ...]]:
    """Return what the list of tables of an index says when it is in order."""
    model = apsw.Connection(":memory:")
    try:
        model.execute(schema.TABLES)
        return model.execute(_LIST_TABLES).fetchall()
    finally:
        model.close()


def _open(path: str, flags: int = 0) -> apsw.Connection:
    """Open the index itself, no link to another file."""
    connection = apsw.Connection(
        resolved(path),
        flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW | flags,
    )
    # Somebody else may have written the triggers and views that are in it.
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    return connection


def state(connection: apsw.Connection) -> tuple[int, int]:
    """Return application and version of an index; (-1, -1) if it is no database."""
    try:
        return (
            connection.execute("PRAGMA application_id").get,
            connection.execute("PRAGMA user_version").get,
        )
    except (apsw.NotADBError, apsw.CorruptError):
        return (-1, -1)


def _copy_aside(path: str, folder: str) -> None:
    """Keep a damaged index for whoever wants to know what happened."""
    import shutil

    copy = os.path.join(folder, "index.db")
    with suppress(OSError):  # a full disk, perhaps: to go on matters more
        with suppress(FileNotFoundError):
            os.unlink(copy)
        with open(path, "rb", opener=no_follow) as source, open(copy, "xb") as target:
            shutil.copyfileobj(source, target)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0
