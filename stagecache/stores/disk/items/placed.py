"""Items without keys: each has a place, which is its id, and moves where a statement says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.stores.disk.items.rows import Value, seal
from stagecache.stores.disk.items.valued import Valued

if TYPE_CHECKING:
    from stagecache.model import Digest

_PUSH = """INSERT INTO {table} (id, codec, value, blob, size, seal, due, note)
    VALUES ({place}, ?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id"""
_PUT = """UPDATE {table}
    SET codec = ?1, value = ?2, blob = ?3, size = ?4, seal = ?5, due = ?6, note = ?7
    WHERE id = {place}"""
FIRST = "coalesce((SELECT min(id) FROM {table}), 1) - 1"
LAST = "coalesce((SELECT max(id) FROM {table}), 0) + 1"


class Placed(Valued):
    """Writes items by their places.

    A place is given in SQL: ``{table}`` stands for the table, ``?8`` and what follows for `rest`.
    """

    def push(
        self,
        codec: str,
        value: Value,
        *,
        place: str = LAST,
        rest: tuple[Any, ...] = (),
        due: float | None = None,
        note: object = None,
    ) -> int:
        """Keep a value in a place that is free: after all others, or ``FIRST``; return its id.

        Parameters
        ----------
        codec, value
            The item's.
        place : str, optional
            Where to, in SQL.
        rest : tuple, optional
            What `place` needs.
        due, note : optional
            A time and whatever else goes with the item; neither is sealed.
        """
        statement = self.statement(_PUSH, place)
        if isinstance(value, bytes):
            sealed = seal(self.number, None, codec, value)
            row = (codec, value, None, len(value), sealed, due, note, *rest)
            return int(self.change(statement, row)[0][0])

        def insert(where: Digest, size: int, sealed: int) -> int:
            row = (codec, None, where, size, sealed, due, note, *rest)
            return int(self.change(statement, row)[0][0])

        return self.keep_large(None, codec, value, insert)

    def put(self, codec: str, value: Value, place: str, rest: tuple[Any, ...] = ()) -> bool:
        """Keep a value instead of the one that has a place; return whether there was one."""
        statement = self.statement(_PUT, place)

        def update(where: Digest, size: int, sealed: int) -> int:
            return self.run(statement, (codec, None, where, size, sealed, None, None, *rest))

        if not isinstance(value, bytes):
            return bool(self.keep_large(None, codec, value, update))
        sealed = seal(self.number, None, codec, value)
        return bool(
            self.run(statement, (codec, value, None, len(value), sealed, None, None, *rest))
        )

    def pop(self, id: int) -> bool:  # noqa: A002 - what it is called
        """Forget the item of that id; return whether it was there."""
        return bool(self.run(f"DELETE FROM {self.table} WHERE id = ?", (id,)))  # noqa: S608
