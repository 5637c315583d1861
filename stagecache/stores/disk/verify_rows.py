"""Checks what lies in the index itself: the rows of results and of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.stores.disk import rows
from stagecache.stores.disk.abreast import abreast
from stagecache.stores.disk.index import UNREADABLE
from stagecache.stores.reports import Problem
from stagecache.stores.sections import unseal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.model import Entry, Key
    from stagecache.stores.disk.index import Index
    from stagecache.stores.disk.tally import Tally

_PAGE = 200
"""Rows fetched at once: an open cursor would keep the log from being emptied."""
_FIRST = -(1 << 63)

_STAGE, _INLINE = (3 + rows.COLUMNS.split(", ").index(name) for name in ("stage", "inline"))
"""Where stage and value are in a row of a page."""


class RowCheck:
    """One look at all rows of an index.

    Parameters
    ----------
    index : Index
        Where they are.
    tally : Tally
        What counts them.
    """

    def __init__(self, index: Index, tally: Tally) -> None:
        self._index = index
        self._tally = tally

    def results(self) -> Iterator[Problem]:
        """Yield what is wrong with rows of results and parts, and with the values in them."""
        for problems in abreast(_of_page, self._pages(), self._tally.tell):
            yield from problems

    def _pages(self) -> Iterator[list[tuple[Any, ...]]]:
        last = _FIRST
        while page := self._page(last):
            last = page[-1][0]
            yield page
            whole = [row for row in page if len(row) > _INLINE]
            parts = sum(not row[_STAGE] for row in whole)
            read = sum(len(row[_INLINE] or b"") for row in whole)
            self._tally.add(results=len(page) - parts, parts=parts, bytes=read)
            self._tally.tell()

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
