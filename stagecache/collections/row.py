"""A row of items without gaps: their ids follow each other, so that numbers are found at once.

Length and index come from the first id and the last. Whoever takes one from the middle moves the
shorter side; ids are in no seal, so nothing is encoded anew. What damage takes away, whoever
mends the file closes (`stores.disk.items.gaps`): the collection is declared as ``gapless``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from stagecache.stores.disk.items.placed import FIRST, LAST
from stagecache.stores.disk.items.taking import showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value

_FROM_FIRST = "(SELECT min(id) FROM {table}) + ?"
_FROM_LAST = "(SELECT max(id) FROM {table}) + 1 + ?"
_ENDS = "SELECT (SELECT min(id) FROM {table}), (SELECT max(id) FROM {table})"
_AT = "SELECT id, codec, value, blob, seal FROM {table} WHERE id = {place}"
_MOVE = "UPDATE {table} SET id = id + ? WHERE id BETWEEN ? AND ?"
_TURN = "UPDATE {table} SET id = ? - id WHERE id >= ?"
_TAKE_FIRST = """DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table})
    RETURNING taken(codec, value, blob, seal)"""
_TAKE_LAST = """DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})
    RETURNING taken(codec, value, blob, seal)"""
_TRIM_FIRST = "DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?"
_TRIM_LAST = "DELETE FROM {table} WHERE id >= (SELECT min(id) FROM {table}) + ?"
_PAGE = 200
"""Items fetched at once."""
_FORWARDS = f"WHERE id > ? AND id <= ? ORDER BY id LIMIT {_PAGE}"
_BACKWARDS = f"WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT {_PAGE}"
_AWAY = 1 << 61
"""How far rows go to be out of the way while others move."""
_ATTEMPTS = 3


class Found(NamedTuple):
    """An item where it was found."""

    id: int
    codec: str
    value: Value


class Row:
    """The items of one collection, by number.

    Parameters
    ----------
    collection : Collection
        Opened with the setting ``gapless``.
    """

    def __init__(self, collection: Collection) -> None:
        self._items = collection

    def ends(self) -> tuple[int, int]:
        """Return the first id and the last; the last is less by one if there is none."""
        found = self._items.select(self._items.statement(_ENDS))
        return found[0] if found and found[0][0] is not None else (1, 0)

    def at(self, number: int) -> Found | None:
        """Return the item of that number, from the end if it is negative."""
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):  # a large value that was taken a moment ago
                return self._at(number)
        with self._items.transaction():
            return self._at(number)

    def put(self, number: int, codec: str, data: Value) -> bool:
        """Keep a value in the place of that number; return whether there is one."""
        place = _FROM_FIRST if number >= 0 else _FROM_LAST
        return self._items.put(codec, data, place, (number,))

    def take(self, look: Callable[[str, Value], None], *, first: bool) -> bool:
        """Take the item at one of the ends away, unless `look`, which is shown it, raises.

        Returns
        -------
        bool
            Whether there was one.
        """
        items = self._items

        def shown(codec: str, value: bytes | None, blob: bytes | None, seal: int) -> None:
            look(codec, items.value(codec, value, blob, seal))

        statement = items.statement(_TAKE_FIRST if first else _TAKE_LAST)
        return bool(showing(shown, lambda: items.change(statement)))

    def push(self, codec: str, data: Value, *, first: bool) -> None:
        """Keep a value at one of the ends."""
        self._items.push(codec, data, place=FIRST if first else LAST)

    def trim(self, length: int, *, first: bool) -> None:
        """Let items go, the first ones or the last ones, until there are `length` at most."""
        self._items.run(self._items.statement(_TRIM_FIRST if first else _TRIM_LAST), (length,))

    def take_out(self, where: int) -> None:
        """Let the item of that id go, inside a transaction."""
        first, last = self.ends()
        self._items.pop(where)
        if where - first < last - where:
            self._shift(first, where - 1, 1)
        else:
            self._shift(where + 1, last, -1)

    def insert(self, number: int, codec: str, data: Value) -> None:
        """Keep a value as the item of that number, inside a transaction."""
        first, last = self.ends()
        place = first + number
        if number < last + 1 - place:
            self._shift(first, place - 1, -1)
            place -= 1
        else:
            self._shift(place, last, 1)
        self._items.push(codec, data, place="?8", rest=(place,))

    def rotate(self, steps: int) -> None:
        """Bring the last `steps` items before the first, inside a transaction."""
        first, last = self.ends()
        length = last - first + 1
        if length > 1:
            steps %= length
            if steps <= length - steps:
                self._move(-length, last - steps + 1, last)
            else:
                self._move(length, first, first + length - steps - 1)

    def reverse(self) -> None:
        """Turn the order round, inside a transaction."""
        first, last = self.ends()
        self._move(_AWAY, first, last)
        self._items.run(self._items.statement(_TURN), (first + last + _AWAY, _AWAY // 2))

    def scan(self, *, reverse: bool = False) -> Iterator[Found]:
        """Yield the items that are there, up to where the end is now."""
        first, last = self.ends()
        start, end = (last + 1, first) if reverse else (first - 1, last)
        order = (
            "id < ? AND id >= ? ORDER BY id DESC" if reverse else "id > ? AND id <= ? ORDER BY id"
        )
        while True:
            page = self._items.items(f"WHERE {order} LIMIT {_PAGE}", (start, end))
            for stored in page:
                yield Found(stored.id, stored.codec, stored.value)
            if len(page) < _PAGE:
                return
            start = page[-1].id

    def _at(self, number: int) -> Found | None:
        place = _FROM_FIRST if number >= 0 else _FROM_LAST
        statement = self._items.statement(_AT, place)
        for where, codec, value, blob, sealed in self._items.select(statement, (number,)):
            return Found(where, codec, self._items.value(codec, value, blob, sealed))
        return None

    def _shift(self, low: int, high: int, by: int) -> None:
        """Move neighbours, who would be in each other's way, by one."""
        if low <= high:
            self._move(_AWAY, low, high)
            self._move(by - _AWAY, low + _AWAY, high + _AWAY)

    def _move(self, by: int, low: int, high: int) -> None:
        if low <= high:
            self._items.run(self._items.statement(_MOVE), (by, low, high))
