"""Checks the items of all collections: the file, the seal of every row, every large value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.stores.disk.abreast import abreast
from stagecache.stores.disk.examine import PIECE, examine
from stagecache.stores.disk.items.rows import COLUMNS, is_sealed
from stagecache.stores.disk.items.schema import name_of
from stagecache.stores.disk.sound import damages
from stagecache.stores.reports import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.items.access import Access
    from stagecache.stores.disk.items.place import ItemsDirectory
    from stagecache.stores.disk.tally import Tally

_PAGE = 200
"""Rows fetched at once: an open cursor would keep the log from being emptied."""
_SHOWN = 60
"""Characters of an item's key."""


class ItemsCheck:
    """One look at all items of a directory.

    Parameters
    ----------
    directory : ItemsDirectory
        Where they lie.
    access : Access
        Reads their file.
    tally : Tally
        What counts them.
    """

    def __init__(self, directory: ItemsDirectory, access: Access, tally: Tally) -> None:
        self._directory = directory
        self._access = access
        self._tally = tally

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong."""
        path = self._directory.index
        if not os.path.exists(path):
            return
        is_broken = False
        for detail in damages(path, self._tally.tell):
            is_broken = True
            yield Problem("collections", detail)
        if is_broken:
            return
        for number, name in self._access.select("SELECT number, name FROM collections"):
            for problems in abreast(self._of_page, self._pages(number, name), self._tally.tell):
                yield from problems

    def _pages(self, number: int, name: str) -> Iterator[tuple[int, str, list[tuple[Any, ...]]]]:
        last = -(1 << 63)
        statement = f"""SELECT id, {COLUMNS} FROM items_{name_of(number)}
            WHERE id > ? ORDER BY id LIMIT {_PAGE}"""  # noqa: S608 - a number
        while page := self._access.select(statement, (last,)):
            last = page[-1][0]
            yield number, name, page
            self._tally.add(items=len(page), bytes=sum(len(row[4] or b"") for row in page))
            self._tally.tell()

    def _of_page(self, page: tuple[int, str, list[tuple[Any, ...]]]) -> list[Problem]:
        number, name, rows = page
        found = []
        for row in rows:
            fault = fault_of(self._directory, number, row[1:])
            if fault:
                found.append(
                    Problem(
                        "item",
                        f"the item {_short(row[1])} of {name!r}: {fault}",
                        item=(number, row[0]),
                    )
                )
        return found


def fault_of(directory: ItemsDirectory, number: int, row: tuple[Any, ...]) -> str:
    """Return what is wrong with an item, by its row of COLUMNS; an empty text if nothing is."""
    try:
        if not is_sealed(number, row):
            return "it is damaged"
    except (TypeError, AttributeError):
        return "it is damaged"
    _, _, codec, _, blob, *_ = row
    if blob is None:
        return ""
    path = directory.blob(blob.hex())
    fault = examine(path, blob, codec, bytearray(PIECE), lambda _: None)
    return "" if fault is None else f"its large value: {fault.detail}"


def _short(key: bytes | None) -> str:
    text = repr(key)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
