"""Moves blob files and keeps account of them: what lies where, and how many bytes that is.

Whoever publishes, replaces or removes a blob does so inside a transaction of the index, and the
account changes with it. A trigger keeps the sum, so the bytes on disk are known without a look at
the disk. Which files are wanted is not known here.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from stagecache.stores.disk.blobs import is_name, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw

    from stagecache.clock import Clock
    from stagecache.model import Digest
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.index import Index

BLOBS, TRASH, QUARANTINE = PLACES = ("blobs", "trash", "quarantine")

_COME = """INSERT INTO files VALUES (?, ?, ?, ?)
    ON CONFLICT (place, name) DO UPDATE SET bytes = excluded.bytes, since = excluded.since"""
_GONE = "DELETE FROM files WHERE place = ? AND name = ?"
_MANY = 500
_NO_SUCH_FILE = (errno.ENOENT, errno.ENAMETOOLONG)


class Differing(NamedTuple):
    """A file that the account has wrong."""

    place: str
    name: str
    said: int
    """Bytes by the account; 0 if it has no such file."""
    found: int
    """Bytes on disk; 0 if there is no such file."""


class Files:
    """The files of one directory with their account.

    Parameters
    ----------
    directory : Directory
        Where they lie.
    blobs : Blobs
        Moves them.
    clock : Clock
        Tells since when something is in the trash.
    """

    def __init__(self, directory: Directory, blobs: Blobs, clock: Clock) -> None:
        self._directory = directory
        self._blobs = blobs
        self._clock = clock
        self._folders = dict(
            zip(PLACES, (directory.blobs, directory.trash, directory.quarantine), strict=True)
        )

    # --- inside the index's write transaction

    def publish(self, connection: apsw.Connection, where: Digest) -> bool:
        """Note a blob that is about to be named by a row; return whether its file is there.

        Collectors unlink under the same lock, so it stays.
        """
        name = where.hex()
        try:
            size = os.stat(self._directory.blob(name)).st_size
        except FileNotFoundError:
            return False
        connection.execute(_COME, (BLOBS, name, size, self._clock.now()))
        connection.execute(_GONE, (TRASH, name))
        if connection.changes():
            self._unlink(TRASH, name)
        return True

    def set_aside(self, connection: apsw.Connection, where: Digest) -> None:
        """Move a blob that no row names any longer to the trash, for who still reads it."""
        name = where.hex()
        self._blobs.set_aside(where)
        size = self._size(TRASH, name)
        connection.execute(_GONE, (BLOBS, name))
        if size:
            connection.execute(_COME, (TRASH, name, size, self._clock.now()))

    def delete(self, connection: apsw.Connection, where: Digest) -> None:
        """Unlink a blob, in the trash too; open maps of it stay whole."""
        name = where.hex()
        self._blobs.delete(where)
        for place in (BLOBS, TRASH):
            connection.execute(_GONE, (place, name))

    def is_gone(self, connection: apsw.Connection, where: Digest) -> bool:
        """Tell whether a blob's file is not there, and note it."""
        if self._blobs.has(where):
            return False
        connection.execute(_GONE, (BLOBS, where.hex()))
        return True

    def quarantine(self, connection: apsw.Connection, where: Digest) -> None:
        """Keep a damaged file for whoever wants to know what happened, within bounds."""
        self._blobs.quarantine(where)
        connection.execute(_GONE, (BLOBS, where.hex()))
        connection.execute("DELETE FROM files WHERE place = ?", (QUARANTINE,))
        self._count(connection, QUARANTINE)

    def empty_trash(self, connection: apsw.Connection, wanted: int) -> None:
        """Unlink the oldest trash until `wanted` bytes are free or there is none left."""
        trash: list[tuple[str, int]] = connection.execute(
            "SELECT name, bytes FROM files WHERE place = ? ORDER BY since", (TRASH,)
        ).fetchall()  # type: ignore[assignment]
        for name, size in trash:
            if wanted <= 0:
                return
            self._unlink(TRASH, name)
            connection.execute(_GONE, (TRASH, name))
            wanted -= size

    def count(self, connection: apsw.Connection) -> None:
        """Make the account of an index that is being made."""
        for place in PLACES:
            self._count(connection, place)

    # --- checking the account

    def differing(self, index: Index) -> list[Differing]:
        """Return what the account has wrong, comparing it with every file."""
        said: dict[tuple[str, str], int] = {
            (place, name): size
            for place, name, size in index.select("SELECT place, name, bytes FROM files")
        }
        found = {(place, name): size for place in PLACES for name, size in self._files(place)}
        return [
            Differing(place, name, said.get((place, name), 0), found.get((place, name), 0))
            for place, name in sorted(said.keys() | found.keys())
            if said.get((place, name), 0) != found.get((place, name), 0)
        ]

    def mend(self, index: Index) -> None:
        """Let the account say what lies on disk."""
        wrong = self.differing(index)
        for start in range(0, len(wrong), _MANY):
            index.write(self._mending(wrong[start : start + _MANY]))

    def _mending(self, wrong: list[Differing]) -> Callable[[apsw.Connection], None]:
        def work(connection: apsw.Connection) -> None:
            for place, name, *_ in wrong:
                size = self._size(place, name)
                if size:
                    connection.execute(_COME, (place, name, size, self._clock.now()))
                else:
                    connection.execute(_GONE, (place, name))

        return work

    # --- shared

    def _count(self, connection: apsw.Connection, place: str) -> None:
        now = self._clock.now()
        connection.executemany(
            _COME, [(place, name, size, now) for name, size in self._files(place)]
        )

    def _files(self, place: str) -> Iterator[tuple[str, int]]:
        found = self._blobs.paths() if place == BLOBS else scan(self._folders[place])
        for file in found:
            with suppress(FileNotFoundError):
                yield file.name, file.stat(follow_symlinks=False).st_size

    def _path(self, place: str, name: str) -> str:
        if place == BLOBS:
            return self._directory.blob(name)
        return os.path.join(self._folders[place], name)

    def _size(self, place: str, name: str) -> int:
        # An index that is broken, or somebody else's, may name any place and any file.
        if place not in PLACES or os.path.basename(name) != name:
            return 0
        try:
            found = os.stat(self._path(place, name), follow_symlinks=False)
        except ValueError:
            return 0
        except OSError as error:
            if error.errno in _NO_SUCH_FILE:
                return 0
            raise
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _unlink(self, place: str, name: str) -> None:
        if not is_name(name):  # an index that somebody else made may name any file of ours
            return
        with suppress(FileNotFoundError):
            os.unlink(self._path(place, name))
