"""The file of collections: never emptied. What is broken is saved as far as it can be read."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import apsw

from stagecache.errors import warn
from stagecache.stores.disk.blobs import KEPT
from stagecache.stores.disk.databases import (
    BUSY,
    open_file,
    prepare,
    stamp,
    state,
    tables_of,
)
from stagecache.stores.disk.items import schema
from stagecache.stores.disk.items.salvage import Saved, salvage
from stagecache.stores.disk.items.taking import equip
from stagecache.stores.disk.rawfile import SAYS_SO, copy_file, keep_log
from stagecache.stores.disk.trust import Refused
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from stagecache.stores.disk.items.place import ItemsDirectory


class ItemsFile:
    """The items of one directory.

    Parameters
    ----------
    directory : ItemsDirectory
        Where they lie.
    """

    def __init__(self, directory: ItemsDirectory) -> None:
        self.directory = directory

    @property
    def state(self) -> tuple[int, int]:
        """Application and version."""
        return schema.APPLICATION, schema.VERSION

    @property
    def gives_back(self) -> bool:
        """Tell that it does not: what was free is filled again."""
        return False

    def equip(self, connection: apsw.Connection) -> None:
        """Let statements show what they take."""
        equip(connection)

    def is_there_to_make(self) -> bool:
        """Tell that nothing could fill it."""
        return False

    def tables(self, connection: apsw.Connection) -> list[tuple[Any, ...]]:
        """Return what the list of tables says with those of each collection."""
        found: list[tuple[int, bool]] = connection.execute(
            "SELECT number, count IS NOT NULL FROM collections"
        ).fetchall()  # type: ignore[assignment]
        statements = [schema.TABLES]
        statements += [schema.items_table(number, counted=counted) for number, counted in found]
        return tables_of("".join(statements))

    def is_complete(self, connection: apsw.Connection) -> bool:  # noqa: ARG002
        """Tell that no row has to be there."""
        return True

    def make(self, connection: apsw.Connection) -> None:
        """Make the tables."""
        connection.execute(schema.TABLES)

    def convert(self, connection: apsw.Connection, found: tuple[int, int]) -> bool:
        """Change the tables of an older version, all in one transaction.

        Raises
        ------
        Refused
            If it is of a newer version: its items are for that one.
        apsw.CorruptError
            If it is no file of collections; then it is mended.
        """
        application, version = found
        if application != schema.APPLICATION:
            raise apsw.CorruptError("it is no file of collections")
        if version < 1:
            raise apsw.CorruptError("it is of a version that never was")
        if version > schema.VERSION:
            raise Refused(
                f"the collections there are of version {version}, newer than {schema.VERSION}",
                "Use the version of stagecache that made them, or a newer one.",
            )
        connection.execute("BEGIN IMMEDIATE")
        try:
            for step in range(state(connection)[1], schema.VERSION):
                connection.execute(schema.STEPS[step])
            stamp(connection, self.state)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return False

    def mend(self) -> None:
        """Keep a copy of the broken file aside, and put what can be read of it in its place.

        In one transaction, so that whoever is killed meanwhile leaves the broken file, and others
        have no file in between that lacks what will be there.

        Raises
        ------
        OSError, apsw.Error
            If there is no room for the copy, for instance.
        """
        is_local = self.directory.is_local()
        replaced = keep_log(self.directory.index, SAYS_SO) if is_local else b""
        broken = open_file(self.directory.index)
        fresh_path = os.path.join(self.directory.temporary, f"{os.getpid()}-{os.urandom(8).hex()}")
        try:
            wait_in_turn(broken, BUSY)
            # SQLite keeps the WAL mode of a schema that it has tried to read.
            with suppress(apsw.Error):
                broken.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            broken.config(apsw.SQLITE_DBCONFIG_RESET_DATABASE, 1)
            fresh = apsw.Connection(fresh_path)
            try:
                prepare(fresh, is_local=False, gives_back=self.gives_back)
                fresh.execute("BEGIN")
                self.make(fresh)
                stamp(fresh, self.state)
                fresh.execute("COMMIT")
                with broken.backup("main", fresh, "main") as replacing:
                    replacing.step(0)  # from here on nobody else writes
                    aside = self._copy_aside(replaced)
                    saved = salvage(aside, fresh, self.directory)
                    replacing.step(-1)
            finally:
                fresh.close()
            if is_local:
                # By a connection that knows nothing of the broken one: its encoding, for instance.
                broken.close()
                broken = open_file(self.directory.index)
                wait_in_turn(broken, BUSY)
                broken.execute("PRAGMA journal_mode=WAL").fetchall()
        finally:
            broken.close()
            for suffix in ("", "-journal", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(fresh_path + suffix)
        self._tell(aside, saved)

    def _copy_aside(self, start: bytes) -> str:
        """Copy the file, which began with `start`, and its log; return the path of the copy."""
        folder = self.directory.quarantine
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        target = os.path.join(folder, f"{KEPT}{moment}-{os.getpid()}-{os.urandom(2).hex()}.db")
        copy_file(self.directory.index, target)
        with open(target, "r+b") as copy:
            copy.write(start)
        log = f"{self.directory.index}-wal"
        if os.path.exists(log):
            import shutil

            shutil.copyfile(log, f"{target}-wal")
        return target

    def _tell(self, aside: str, saved: list[Saved]) -> None:
        known = "; ".join(map(str, saved)) or "no collection could be read"
        warn(
            f"The file of collections in {self.directory.root} was damaged, so items may be lost "
            f"for good: {known}. As it was found it lies in {aside}; restore a backup of "
            f"{self.directory.index} if you have one, and see what the disk says of itself."
        )
