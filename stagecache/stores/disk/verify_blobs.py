"""Checks blob files: those that rows name, and those that no row does.

In a few threads, and folder by folder.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import apsw

from stagecache.model import Digest
from stagecache.stores.disk.abreast import abreast
from stagecache.stores.disk.examine import PIECE, Fault, examine
from stagecache.stores.reports import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.model import Key
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.index import Index
    from stagecache.stores.disk.tally import Tally

_BATCH = 32
"""Blobs examined by a thread before it tells."""


class _Wanted(NamedTuple):
    """A blob to examine."""

    where: Digest
    codec: str | None
    """None if no row names it."""
    names: tuple[tuple[str, Key], ...]
    """Stage and key of each row that names it."""


class BlobCheck:
    """One look at all blobs of a directory.

    Parameters
    ----------
    index, blobs, directory
        What names them, and where they are.
    tally : Tally
        What counts them.
    """

    def __init__(self, index: Index, blobs: Blobs, directory: Directory, tally: Tally) -> None:
        self._index = index
        self._blobs = blobs
        self._directory = directory
        self._tally = tally
        self._buffers = threading.local()
        self._is_over = False

    def end(self) -> None:
        """Let threads that still read come to an end."""
        self._is_over = True

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with them."""
        found = abreast(self._examine, self._batches(), self._tally.tell)
        for batch in found:
            for wanted, fault in batch:
                yield from self._of_blob(wanted, fault)
            self._tally.tell()

    def _batches(self) -> Iterator[list[_Wanted]]:
        statement = """SELECT blob, CAST(codec AS BLOB), CAST(stage AS BLOB), key FROM entries
            WHERE blob BETWEEN ? AND ? ORDER BY blob"""
        for number in range(256):
            first = bytes([number])
            named = self._index.select(statement, (first + bytes(15), first + b"\xff" * 15))
            folder: dict[Digest, _Wanted] = {}
            for blob, codec, stage, key in named:
                names = folder[blob].names if blob in folder else ()
                folder[blob] = _Wanted(blob, _text(codec), (*names, (_text(stage), key)))
            for name in self._blobs.names(first.hex()):
                where = Digest(bytes.fromhex(name))
                folder.setdefault(where, _Wanted(where, None, ()))
            wanted = list(folder.values())
            for start in range(0, len(wanted), _BATCH):
                yield wanted[start : start + _BATCH]

    def _examine(self, batch: list[_Wanted]) -> list[tuple[_Wanted, Fault | None]]:
        """Examine some blobs; in a thread of its own."""
        try:
            buffer = self._buffers.buffer
        except AttributeError:
            buffer = self._buffers.buffer = bytearray(PIECE)
        found = []
        for wanted in batch:
            path = self._directory.blob(wanted.where.hex())
            found.append((wanted, examine(path, wanted.where, wanted.codec, buffer, self._read)))
            self._tally.add(blobs=1)
        return found

    def _read(self, count: int) -> None:
        if self._is_over:
            raise _Over
        self._tally.add(bytes=count)

    def _of_blob(self, wanted: _Wanted, fault: Fault | None) -> Iterator[Problem]:
        if fault is None:
            return
        where = wanted.where
        if not wanted.names:
            if fault.inode and self._blobs.is_file(where, fault.inode):
                yield Problem("stray", fault.detail, blob=where)
            return
        for stage, key in self._confirmed(wanted, fault):
            yield Problem("blob" if fault.inode else "missing", fault.detail, stage, key, where)

    def _confirmed(self, wanted: _Wanted, fault: Fault) -> list[tuple[str, Key]]:
        """Return the rows that name a blob which is still as it was found.

        Under the lock of writers, who unlink a blob before the rows that named it are gone.
        """
        where = wanted.where
        statement = "SELECT 1 FROM entries WHERE key = ? AND blob = ?"

        def is_so() -> bool:
            if fault.inode:
                return self._blobs.is_file(where, fault.inode)
            # Who replaced it was killed before the commit: it is read from there.
            return not (self._blobs.has(where) or self._blobs.is_set_aside(where))

        def look(connection: apsw.Connection) -> list[tuple[str, Key]]:
            return [
                (stage, key)
                for stage, key in wanted.names
                if is_so() and connection.execute(statement, (key, where)).fetchall()
            ]

        try:
            return self._index.write(look)
        except (OSError, apsw.ReadOnlyError, apsw.CantOpenError):  # then nobody writes, we hope
            rows_left = [
                (stage, key)
                for stage, key in wanted.names
                if self._index.select(statement, (key, where))
            ]
            return rows_left if is_so() else []


class _Over(Exception):  # noqa: N818 - a signal to a thread
    """Nobody waits for this any longer."""


def _text(text: bytes) -> str:
    return text.decode(errors="replace")
