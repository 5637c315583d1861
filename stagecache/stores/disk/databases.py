"""One SQLite file of a directory: how it is opened, made, and found to be in order.

What its tables are, and what becomes of it when it is broken or of another version, is for its
kind to say: `indexfile` and `items.file`. Who uses it, through which connections, is not known.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import apsw

from stagecache.stores.disk.directory import resolved
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from stagecache.stores.disk.directory import Directory

BUSY = 30.0
"""Seconds that a writer waits for the others before it gives up."""
CORRUPT = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.ConstraintError)
"""What a broken file raises; the last but one where the names of its tables are broken, the last
where a column holds what was never written."""

_PAGE = 4096
MAGIC = b"SQLite format 3\0"
LOGGED = b"\2\2"
"""Of a file that is written by way of a log: https://sqlite.org/fileformat.html, 1.3.3."""
SAYS_SO = 24
"""Bytes at the start of a file by which SQLite finds that it is one, and that it has a log."""
_PIECE = 1 << 20

LIST_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"


class Database(Protocol):
    """A kind of file. Its lock file is held when it is made, mended or of another version."""

    @property
    def directory(self) -> Directory:
        """Where it lies: its ``index`` is the file, its ``repairs`` the lock file."""

    @property
    def state(self) -> tuple[int, int]:
        """Application and version of a file that is as it should be."""

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
    """Open the file itself, no link to another one."""
    connection = apsw.Connection(
        resolved(path),
        flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW | flags,
    )
    # Somebody else may have written the triggers and views that are in it.
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    return connection


def connect(database: Database) -> apsw.Connection | None:
    """Return a connection to a file that is there and of this version, else None."""
    path = database.directory.index
    size = _size(path)
    if not size:  # to look into one that was emptied would remove its log: see `keep_log`
        return None
    # SQLite takes zeros for what its last page lacks, and finds nothing there. While there is a
    # log it puts the page right.
    if size % _PAGE and not (_size(f"{path}-wal") or _size(f"{path}-journal")):
        raise apsw.CorruptError("it was cut short")
    # Without SQLite's own mutexes: a session's lock does that.
    connection = open_file(path, apsw.SQLITE_OPEN_NOMUTEX)
    wait_in_turn(connection, BUSY)
    if state(connection) != database.state:
        connection.close()
        return None
    # 64 MB, all of the keys of a million results; a small file takes no more than its own size.
    connection.execute("PRAGMA cache_size=-64000")
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()  # see `checkpoint`
    database.equip(connection)
    return connection


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


def set_up(database: Database) -> None:
    """Make the tables, with the lock file held, unless they are there by now."""
    if database.directory.is_local() and not _size(database.directory.index):
        keep_log(database.directory.index)
    connection = open_file(database.directory.index, apsw.SQLITE_OPEN_CREATE)
    try:
        wait_in_turn(connection, BUSY)
        found = state(connection)
        if found == database.state:
            return
        is_empty = found == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_schema").get
        if not is_empty and not database.convert(connection, found):
            return
        prepare(connection, is_local=database.directory.is_local())
        connection.execute("BEGIN IMMEDIATE")
        database.make(connection)
        stamp(connection, database.state)
        connection.execute("COMMIT")
    finally:
        connection.close()


def keep_log(path: str, length: int = _PAGE) -> bytes:
    """Let a file have a log that lost what says so; return the bytes that stood in its place.

    With the lock file held. SQLite takes an empty file for a new one and removes the log beside
    it, and a file without its first bytes for one without a log, if there is nothing in that. But
    others may have the log open: they would go on writing to what is removed, and nobody could
    write without it until they are gone. So the file gets the first `length` bytes of an empty
    one, and where there is not even a page all of them.
    """
    try:
        size = os.path.getsize(path)
        if size and _size(f"{path}-wal"):
            return b""
        file = _own_file(path, apsw.SQLITE_OPEN_READWRITE)
        try:
            if size >= _PAGE:
                found = file.xRead(SAYS_SO, 0)
                if found.startswith(MAGIC) and found[18:20] == LOGGED:
                    return b""
            else:
                length = _PAGE
            found = file.xRead(min(size, length), 0)
            file.xWrite(_first_page()[:length], 0)
            return found
        finally:
            file.xClose()
    except (FileNotFoundError, apsw.CantOpenError):  # nobody has it open, or we may not write it
        return b""


def _first_page() -> bytes:
    """Return an empty file that has a log and can give pages back."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL; BEGIN IMMEDIATE; COMMIT")
        page = bytearray(connection.serialize("main"))
    finally:
        connection.close()
    page[18:20] = LOGGED
    return bytes(page)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def copy_file(path: str, target: str) -> None:
    """Copy a file as it is, without its log, to a place where nothing lies."""
    source = _own_file(path, apsw.SQLITE_OPEN_READONLY)
    try:
        with open(target, "xb") as copy:
            size = source.xFileSize()
            starts = range(0, size, _PIECE)
            copy.writelines(source.xRead(min(_PIECE, size - n), n) for n in starts)
    finally:
        source.xClose()


def _own_file(path: str, flags: int) -> apsw.VFSFile:
    """Open a file by SQLite's means: to close one of ours would give up SQLite's locks on it."""
    flags |= apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_NOFOLLOW
    return apsw.VFSFile("", resolved(path), [flags, 0])


def prepare(connection: apsw.Connection, *, is_local: bool) -> None:
    """Let an empty file have the journal that suits its file system, and give pages back."""
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
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
