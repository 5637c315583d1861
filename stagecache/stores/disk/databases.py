"""One SQLite file of a directory: how it is opened, made, and found to be in order.

What its tables are, and what becomes of it when it is broken or of another version, is for its
kind to say: `indexfile` and `items.file`. Who uses it, through which connections, is not known.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import apsw

from stagecache.stores.disk.directory import resolved
from stagecache.stores.disk.namesakes import namesakes
from stagecache.stores.disk.rawfile import PAGE, keep_log, remove_log, size_of
from stagecache.stores.disk.sight import Sight
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.directory import Directory

BUSY = 30.0
"""Seconds that a writer waits for the others before it gives up."""
CORRUPT = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.ConstraintError)
"""What a broken file raises; the last but one where the names of its tables are broken, the last
where a column holds what was never written."""

LIST_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"


def lacks_log(error: object) -> bool:
    """Tell whether SQLite looked in vain for a page that should be in the log.

    Somebody cut the log short, or it was removed and made anew while others had it open.
    """
    return getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHORT_READ


class Database(Protocol):
    """A kind of file. Its lock file is held when it is made, mended or of another version."""

    @property
    def directory(self) -> Directory:
        """Where it lies: its ``index`` is the file, its ``repairs`` the lock file."""

    @property
    def state(self) -> tuple[int, int]:
        """Application and version of a file that is as it should be."""

    @property
    def gives_back(self) -> bool:
        """Whether free pages are given back to the file system: a page more where one begins."""

    def equip(self, connection: apsw.Connection) -> None:
        """Give a new connection the functions that statements on this file use."""

    def is_there_to_make(self) -> bool:
        """Tell whether to make a missing file even for a reader: there is something to fill it."""

    def tables(self, connection: apsw.Connection) -> list[tuple[Any, ...]]:
        """Return what LIST_TABLES says of this file if its tables are in order."""

    def is_complete(self, connection: apsw.Connection) -> bool:
        """Tell whether the rows are there that are made with the tables."""

    def make(self, connection: apsw.Connection) -> None:
        """Make tables and first rows of an empty file, inside a transaction."""

    def convert(self, connection: apsw.Connection, found: tuple[int, int]) -> bool:
        """Deal with a file of another application or version; return whether it is empty now.

        Raises
        ------
        Refused
            If it is to stay as it is.
        """

    def mend(self) -> None:
        """Make a broken file one that can be used, empty perhaps.

        Raises
        ------
        OSError, apsw.Error
            If that cannot be done; then it is as before.
        """


def open_file(path: str, flags: int = 0) -> apsw.Connection:
    """Open the file itself, no link to another one.

    Raises
    ------
    OSError
        If somebody replaces it at this moment.
    """
    connection = apsw.Connection(
        resolved(path),
        flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW | flags,
    )
    with closed_on_failure(connection):
        namesakes(path).close(but=Sight(path, connection).identity)
    # Somebody else may have written the triggers and views that are in it.
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    return connection


def connect(database: Database) -> apsw.Connection | None:
    """Return a connection to a file that is there and of this version, else None."""
    path = database.directory.index
    size = size_of(path)
    if not size:  # to look into one that was emptied would remove its log: see `keep_log`
        return None
    # SQLite takes zeros for what its last page lacks, and finds nothing there. While there is a
    # log it puts the page right.
    if size % PAGE and not (size_of(f"{path}-wal") or size_of(f"{path}-journal")):
        raise apsw.CorruptError("it was cut short")
    # Without SQLite's own mutexes: a session's lock does that.
    connection = open_file(path, apsw.SQLITE_OPEN_NOMUTEX)
    with closed_on_failure(connection):
        wait_in_turn(connection, BUSY)
        if state(connection) == database.state:
            # 64 MB, all of the keys of a million results; a small file takes no more than its size.
            connection.execute("PRAGMA cache_size=-64000")
            connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()  # see `checkpoint`
            database.equip(connection)
            return connection
    connection.close()
    return None


@contextmanager
def closed_on_failure(connection: apsw.Connection) -> Iterator[None]:
    """Close a connection if the block raises: as long as the exception lives, so would it."""
    try:
        yield
    except BaseException:
        connection.close(True)
        raise


def is_sound(database: Database) -> bool:
    """Tell whether all pages and tables of a file are in order."""
    try:
        connection = connect(database)
        if connection is None:
            return False
        try:
            if connection.execute(LIST_TABLES).fetchall() != database.tables(connection):
                return False
            if not database.is_complete(connection):
                return False
            return connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
        finally:
            connection.close()
    except (*CORRUPT, UnicodeDecodeError):
        return False
    except apsw.IOError as error:
        if not lacks_log(error):
            raise
        return False


def set_up(database: Database) -> None:
    """Make the tables, with the lock file held, unless they are there by now."""
    path = database.directory.index
    if not os.path.lexists(path):
        remove_log(path)
    elif database.directory.is_local() and not size_of(path):
        keep_log(path)
    connection = open_file(database.directory.index, apsw.SQLITE_OPEN_CREATE)
    try:
        wait_in_turn(connection, BUSY)
        found = state(connection)
        if found == database.state:
            return
        is_empty = found == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_schema").get
        if not is_empty and not database.convert(connection, found):
            return
        is_local = database.directory.is_local()
        prepare(connection, is_local=is_local, gives_back=database.gives_back)
        connection.execute("BEGIN IMMEDIATE")
        database.make(connection)
        stamp(connection, database.state)
        connection.execute("COMMIT")
    finally:
        connection.close()


def prepare(connection: apsw.Connection, *, is_local: bool, gives_back: bool) -> None:
    """Let an empty file have the journal that suits its file system, and give pages back or not."""
    connection.execute(f"PRAGMA auto_vacuum={'INCREMENTAL' if gives_back else 'NONE'}")
    wanted = "WAL" if is_local else "DELETE"
    connection.execute(f"PRAGMA journal_mode={wanted}").fetchall()
    connection.execute("PRAGMA synchronous=NORMAL")


def stamp(connection: apsw.Connection, wanted: tuple[int, int]) -> None:
    """Write application and version into a file."""
    connection.execute(f"PRAGMA application_id={wanted[0]}")
    connection.execute(f"PRAGMA user_version={wanted[1]}")


def tables_of(statements: str) -> list[tuple[Any, ...]]:
    """Return what LIST_TABLES says after `statements`."""
    model = apsw.Connection(":memory:")
    try:
        model.execute(statements)
        return model.execute(LIST_TABLES).fetchall()
    finally:
        model.close()


def state(connection: apsw.Connection) -> tuple[int, int]:
    """Return application and version of a file; (-1, -1) if it is no database."""
    try:
        return (
            connection.execute("PRAGMA application_id").get,
            connection.execute("PRAGMA user_version").get,
        )
    except (apsw.NotADBError, apsw.CorruptError):
        return (-1, -1)
