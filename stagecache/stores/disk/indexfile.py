"""The file of the index: disposable, so that a broken one is emptied and filled from blobs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import apsw

from stagecache.stores.disk import schema
from stagecache.stores.disk.databases import (
    BUSY,
    open_file,
    set_up,
    tables_of,
)
from stagecache.stores.disk.rawfile import copy_file, keep_log
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.stores.disk.directory import Directory


class IndexFile:
    """The index of one directory.

    Parameters
    ----------
    directory : Directory
        Where it lies.
    fill : callable
        Called in the transaction that makes an empty index, to fill it from what there is.
    """

    def __init__(self, directory: Directory, fill: Callable[[apsw.Connection], None]) -> None:
        self.directory = directory
        self._fill = fill

    @property
    def state(self) -> tuple[int, int]:
        """Application and version."""
        return schema.APPLICATION, schema.VERSION

    @property
    def gives_back(self) -> bool:
        """Tell that it does: results give way."""
        return True

    def equip(self, connection: apsw.Connection) -> None:
        """Do nothing: its statements use SQLite's own functions."""

    def is_there_to_make(self) -> bool:
        """Tell whether there may be blobs."""
        return os.path.exists(self.directory.blobs)

    def tables(self, connection: apsw.Connection) -> list[tuple[Any, ...]]:  # noqa: ARG002
        """Return what the list of tables says."""
        return tables_of(schema.TABLES)

    def is_complete(self, connection: apsw.Connection) -> bool:
        """Tell whether it has its numbers."""
        found = connection.execute(
            "SELECT count(*) FROM meta WHERE name IN ('version', 'listed', 'files') "
            "AND typeof(value) = 'integer'"
        ).get
        return bool(found == 3)

    def make(self, connection: apsw.Connection) -> None:
        """Make the tables, and a row for each blob."""
        connection.execute(schema.TABLES)
        # Not from zero: a number that somebody remembers of an earlier index must differ.
        start = int.from_bytes(os.urandom(5)) << 20
        connection.execute(
            "INSERT INTO meta VALUES ('version', ?), ('listed', 0), ('files', 0)", (start,)
        )
        self._fill(connection)

    def convert(self, connection: apsw.Connection, found: tuple[int, int]) -> bool:  # noqa: ARG002
        """Empty an index of another version; there is no migration."""
        self._reset(connection)
        return True

    def mend(self) -> None:
        """Empty the index and fill it from blobs.

        In place, by SQLite's own means. Renaming it aside would leave other processes at work on
        the old file under the new one's journal.
        """
        connection = open_file(self.directory.index)
        try:
            wait_in_turn(connection, BUSY)
            self._reset(connection)
        finally:
            connection.close()
        set_up(self)

    def _reset(self, connection: apsw.Connection) -> None:
        """Make an empty database of whatever lies there, keeping a copy aside."""
        _copy_aside(self.directory.index, self.directory.quarantine)
        if self.directory.is_local():
            keep_log(self.directory.index)
        # SQLite keeps the WAL mode of a schema that it has tried to read.
        with suppress(apsw.Error):
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 0)


def _copy_aside(path: str, folder: str) -> None:
    """Keep a damaged index for whoever wants to know what happened."""
    copy = os.path.join(folder, "index.db")
    with suppress(OSError, apsw.Error):  # a full disk, perhaps: to go on matters more
        with suppress(FileNotFoundError):
            os.unlink(copy)
        copy_file(path, copy)
