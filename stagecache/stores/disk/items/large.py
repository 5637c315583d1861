"""Large values of items: blobs beside the rows, each as long as a row names it.

A blob is there before its row, and goes in a commit after the one that took its last row away:
whoever is killed in between leaves a blob that nobody names, never a row without its blob. Rows
name blobs through triggers, so the number of holders is right whatever statement changed a row.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.stores.disk import layout
from stagecache.stores.disk.blobs import Blobs
from stagecache.stores.sections import address, flat

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw
    from typing_extensions import Buffer

    from stagecache.model import Digest
    from stagecache.stores.disk.items.place import ItemsDirectory

_MANY = 500


class Vanished(Exception):  # noqa: N818 - a signal between two files, not an error
    """A blob was collected before its row was committed."""


class Large:
    """The blobs of one directory's items.

    Parameters
    ----------
    directory : ItemsDirectory
        Where they lie.
    durable : bool
        Whether one survives a power failure as soon as it is written.
    """

    def __init__(self, directory: ItemsDirectory, *, durable: bool) -> None:
        self._directory = directory
        self._blobs = Blobs(directory, durable=durable)

    def write(self, codec: str, sections: Sequence[Buffer]) -> tuple[Digest, int]:
        """Keep a value unless it is there; return its address and its bytes.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        views = flat(sections)
        where = address(codec, views)
        self._blobs.write(where, layout.encode_header({"codec": codec}), views)
        return where, sum([view.nbytes for view in views])

    def expect(self, where: Digest) -> None:
        """See, inside the transaction that names it, that a blob is there: so it stays.

        Raises
        ------
        Vanished
            If it was collected.
        """
        if not self._blobs.has(where):
            raise Vanished

    def read(self, where: Digest, codec: str) -> list[memoryview]:
        """Return the sections of a value.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        Damaged
            If it is not what it was.
        """
        return self._blobs.read(where, codec)

    def collect(self, connection: apsw.Connection) -> None:
        """Unlink what no row names any longer, inside a transaction: nobody publishes meanwhile."""
        free: list[tuple[Digest]] = connection.execute(
            "SELECT address FROM blobs WHERE holders < 1 LIMIT ?", (_MANY,)
        ).fetchall()  # type: ignore[assignment]
        for (where,) in free:
            self._blobs.delete(where)
        connection.executemany("DELETE FROM blobs WHERE address = ? AND holders < 1", free)

    def orphans(self, connection: apsw.Connection, before: float, *, dry_run: bool) -> list[int]:
        """Unlink files that no row ever named, older than `before`; return their bytes."""
        sizes = []
        for file in self._blobs.paths():
            with suppress(FileNotFoundError):
                status = file.stat(follow_symlinks=False)
                where = bytes.fromhex(file.name)
                statement = "SELECT 1 FROM blobs WHERE address = ? AND holders > 0"
                if status.st_mtime < before and not connection.execute(statement, (where,)).get:
                    sizes.append(status.st_size)
                    if not dry_run:
                        os.unlink(file.path)
        return sizes
