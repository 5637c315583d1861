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
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import apsw

from stagecache.stores.disk.blobs import is_name, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.clock import Clock
    from stagecache.model import Digest
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.index import Index

BLOBS, TRASH, QUARANTINE = PLACES = ("blobs", "trash", "quarantine")

_COME = """INSERT INTO files VALUES (?, ?, ?, ?)
    ON CONFLICT (place, name) DO UPDATE SET bytes = excluded.bytes, since = excluded.since"""
_GONE = "DELETE FROM files WHERE place = ? AND name = ?"
_NAMED = "place = CAST(? AS TEXT) AND name = CAST(? AS TEXT)"
_ELSEWHERE = """SELECT CAST(place AS BLOB), CAST(name AS BLOB), bytes, since FROM files
    WHERE place NOT IN (?, ?, ?)"""
_SPAN = """SELECT CAST(name AS BLOB), bytes, since FROM files
    WHERE place = :place AND name >= :first AND (:stop IS NULL OR name < :stop)"""
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
    since: float
    """When the file or what is said of it changed last: seconds since the epoch."""

    @property
    def address(self) -> tuple[bytes, bytes]:
        """Place and name as they are stored, text or not."""
        return os.fsencode(self.place), os.fsencode(self.name)


class _Span(NamedTuple):
    """Files that are compared at once."""

    place: str
    folder: str
    """In the place."""
    first: str
    """Names from this one on."""
    stop: str | None
    """To before this one."""


_SPANS = [
    _Span(BLOBS, f"{n:02x}", f"{n:02x}" if n else "", f"{n + 1:02x}" if n < 255 else None)
    for n in range(256)
] + [_Span(place, "", "", None) for place in (TRASH, QUARANTINE)]


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

    def differing(self, index: Index, beat: Callable[[], None] = lambda: None) -> list[Differing]:
        """Return what the account has wrong, comparing it with every file.

        Parameters
        ----------
        index : Index
            Where the account is.
        beat : callable, optional
            Called now and then. What it raises ends the comparison.
        """
        wrong = [
            Differing(os.fsdecode(place), os.fsdecode(name), size, 0, since)
            for place, name, size, since in index.select(_ELSEWHERE, PLACES)
        ]
        for span in _SPANS:
            said: dict[str, tuple[int, float]] = {
                os.fsdecode(name): (size, since)
                for name, size, since in index.select(_SPAN, span._asdict())
            }
            found = dict(self._listed(span.place, span.folder))
            for name in sorted(said.keys() | found.keys()):
                size, since = said.get(name, (0, 0.0))
                file = found.get(name)
                taken, changed = (file.st_size, file.st_ctime) if file else (0, 0.0)
                if size != taken:
                    wrong.append(Differing(span.place, name, size, taken, max(since, changed)))
            beat()
        return wrong

    def astray(self, index: Index, before: float, beat: Callable[[], None]) -> list[Differing]:
        """Return what the account has had wrong since `before`, seconds since the epoch.

        What is younger somebody may be about to note, as a blob that is there before its row.
        """
        suspects = [each for each in self.differing(index, beat) if each.since < before]
        try:
            return [
                each
                for start in range(0, len(suspects), _MANY)
                for each in index.write(partial(self._still, suspects[start : start + _MANY]))
            ]
        except (OSError, apsw.ReadOnlyError, apsw.CantOpenError):  # then nobody writes, we hope
            again = set(self.differing(index, beat))
            return [each for each in suspects if each in again]

    def mend(self, index: Index) -> None:
        """Let the account say what lies on disk."""
        wrong = self.differing(index)
        for start in range(0, len(wrong), _MANY):
            index.write(partial(self._mend, wrong[start : start + _MANY]))

    def _still(self, suspects: list[Differing], connection: apsw.Connection) -> list[Differing]:
        """Return those that are as they were, with the lock of writers held."""
        statement = f"SELECT bytes FROM files WHERE {_NAMED}"  # noqa: S608 - a constant
        still = []
        for each in suspects:
            said = connection.execute(statement, each.address).fetchall() or [(0,)]
            if said == [(each.said,)] and self._size(each.place, each.name) == each.found:
                still.append(each)
        return still

    def _mend(self, wrong: list[Differing], connection: apsw.Connection) -> None:
        for each in wrong:
            size = self._size(each.place, each.name)
            if size:
                connection.execute(_COME, (each.place, each.name, size, self._clock.now()))
            else:
                connection.execute(f"DELETE FROM files WHERE {_NAMED}", each.address)  # noqa: S608

    # --- shared

    def _count(self, connection: apsw.Connection, place: str) -> None:
        now = self._clock.now()
        connection.executemany(
            _COME,
            [
                (place, name, status.st_size, now)
                for span in _SPANS
                if span.place == place
                for name, status in self._listed(place, span.folder)
            ],
        )

    def _listed(self, place: str, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the files of a folder, those that could be ours."""
        for entry in scan(os.path.join(self._folders[place], folder)):
            name = entry.name
            if place == BLOBS and not (is_name(name) and name.startswith(folder)):
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and name.isascii():
                    yield name, status

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
