"""Reads all that a directory keeps and finds what is wrong; to set it right is `repair`'s.

Rows are read page by page, blobs folder by folder, so that the memory it takes does not grow with
what is kept. Others go on reading, writing and removing meanwhile: what looks wrong is looked at
again before it is called a problem.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from stagecache.model import Digest
from stagecache.stores.base import Checked, Problem
from stagecache.stores.disk import holds, rows
from stagecache.stores.disk.abreast import abreast
from stagecache.stores.disk.databases import CORRUPT
from stagecache.stores.disk.examine import PIECE, Fault, examine
from stagecache.stores.disk.index import UNREADABLE
from stagecache.stores.disk.sound import damages
from stagecache.stores.sections import unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.model import Entry, Key
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.index import Index

_PAGE = 200
"""Rows fetched at once: an open cursor would keep the log from being emptied."""
_BATCH = 32
"""Blobs examined by a thread before it tells."""


_INLINE = 3 + rows.COLUMNS.split(", ").index("inline")
"""Where the value is in a row of a page."""


class _Wanted(NamedTuple):
    """A blob to examine."""

    where: Digest
    codec: str | None
    """None if no row names it."""
    names: tuple[tuple[str, Key], ...]
    """Stage and key of each row that names it."""


class Verifier:
    """One check of one directory.

    Parameters
    ----------
    index, blobs, directory
        What is checked.
    progress : callable
        Called now and then, in the caller's thread. What it raises ends the check.
    """

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        directory: Directory,
        progress: Callable[[Checked], None],
    ) -> None:
        self._index = index
        self._blobs = blobs
        self._directory = directory
        self._progress = progress
        self._lock = threading.Lock()
        self._buffers = threading.local()
        self._is_over = False
        self._rows = self._examined = self._bytes = self._problems = 0
        self._total = 1

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong, as it is found."""
        try:
            for room in (self._of_index, self._of_rows, self._of_blobs, self._of_parts):
                try:
                    for problem in room():
                        self._problems += 1
                        yield problem
                except CORRUPT as error:
                    self._problems += 1
                    yield Problem("index", str(error))
            self._tell(share=1.0)
        finally:
            self._is_over = True

    def _tell(self, share: float | None = None) -> None:
        if share is None:
            share = min(1.0, (self._rows + self._examined) / self._total)
        self._progress(Checked(self._rows, self._examined, self._bytes, self._problems, share))

    def _of_index(self) -> Iterator[Problem]:
        # Two statements, each answered by an SQL index alone.
        counted = self._index.select("SELECT count(*) FROM entries")
        counted += self._index.select("SELECT count(*) FROM entries WHERE blob IS NOT NULL")
        self._total = max(1, sum(number for (number,) in counted))
        if counted:
            for detail in damages(self._directory.index, self._tell):
                yield Problem("index", detail)

    def _of_rows(self) -> Iterator[Problem]:
        for problems in abreast(_of_page, self._pages(), self._tell):
            yield from problems

    def _pages(self) -> Iterator[list[tuple[Any, ...]]]:
        last = -(1 << 63)
        while page := self._page(last):
            last = page[-1][0]
            yield page
            self._rows += len(page)
            self._bytes += sum(len(row[_INLINE] or b"") for row in page if len(row) > _INLINE)
            self._tell()

    def _page(self, last: int) -> list[tuple[Any, ...]]:
        """Return the next rows; of one whose text is none, only its number and key."""
        statement = f"""SELECT id, key, provenance, {rows.COLUMNS} FROM entries
            WHERE id > ? ORDER BY id LIMIT ?"""  # noqa: S608 - constants
        try:
            return self._index.select(statement, (last, _PAGE))
        except UNREADABLE:
            pass
        page = []
        few = "SELECT id, key FROM entries WHERE id > ? ORDER BY id LIMIT ?"
        for number, key in self._index.select(few, (last, _PAGE)):
            try:
                page += self._index.select(statement, (number - 1, 1))
            except UNREADABLE:
                page.append((number, key, ""))
        return page

    def _of_blobs(self) -> Iterator[Problem]:
        found = abreast(self._examine, self._batches(), self._tell)
        for batch in found:
            for wanted, fault in batch:
                yield from self._of_blob(wanted, fault)
            self._tell()

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
            with self._lock:
                self._examined += 1
        return found

    def _read(self, count: int) -> None:
        if self._is_over:
            raise _Over
        with self._lock:
            self._bytes += count

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

    def _of_parts(self) -> Iterator[Problem]:
        """Look for results without one of their parts, of which some may be gone by repair."""
        for (key,) in self._index.select(holds.BEREFT):
            entry = self._index.get(key)
            if entry is None or not entry.has_value or not self._index.lacks_parts(entry):
                continue
            if self._index.get(key) == entry:  # not forgotten in between, with its parts
                yield Problem("part", "a part of it is gone", entry.stage, key)


class _Over(Exception):  # noqa: N818 - a signal to a thread
    """Nobody waits for this any longer."""


def _of_page(page: list[tuple[Any, ...]]) -> list[Problem]:
    return [
        problem for _, key, provenance, *row in page if (problem := _of_row(key, provenance, row))
    ]


def _of_row(key: Key, provenance: str, row: list[Any]) -> Problem | None:
    try:
        entry: Entry = rows.entry_of(key, tuple(row))
        rows.provenance_of(key, provenance)
    except UNREADABLE:
        return Problem("row", "its row cannot be read; it counts as absent", key=key)
    if entry.inline is not None and unseal(entry) is None:
        return Problem("value", "its value in the index is damaged", entry.stage, key)
    return None


def _text(text: bytes) -> str:
    return text.decode(errors="replace")
