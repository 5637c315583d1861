"""Which items give way when a cache is beyond its limit: by a policy, never the one just set."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.errors import CollectionFullError, StoreError
from stagecache.forking import hold_over_forks
from stagecache.integrations.diskcache.words import EVICTION_POLICY

if TYPE_CHECKING:
    from stagecache.stores.disk.items import Collection

OVERHEAD = 200
"""Bytes that an item is counted with besides its value: its key, its row, its place in lists."""
EMPTY = 32 << 10
"""Bytes that a cache is counted with though nothing is in it: the file."""
_COLUMNS = re.compile(r"\b(?:store_time|access_time|access_count)\b")
_TABLE = re.compile(r"\bCache\b")
_MANY = 1_000
"""Uses that may wait to be written."""


class Policy:
    """One policy on one collection.

    What it goes by, a time or a count, is the item's rank, kept as `due` in its row. Uses are
    noted in memory, and written when items give way, when there are many, and when a cache is
    closed: so nothing is written on a hit.

    Parameters
    ----------
    name : str
        A name of :data:`EVICTION_POLICY`.
    collection : Collection
        Whose items give way.

    Raises
    ------
    ValueError
        If there is none of that name, or it goes by more than one thing.
    """

    def __init__(self, name: str, collection: Collection) -> None:
        if name not in EVICTION_POLICY:
            raise ValueError(
                f"eviction_policy is one of {', '.join(EVICTION_POLICY)}, not {name!r}"
            )
        self.name = name
        self._collection = collection
        policy = EVICTION_POLICY[name]
        self._cull = policy["cull"]
        used = policy["get"]
        named = set(_COLUMNS.findall(f"{self._cull} {used}"))
        if len(named) > 1:
            raise ValueError(f"the policy {name!r} goes by {' and '.join(sorted(named))}: one only")
        self.is_bounded = self._cull is not None
        self.counts_uses = used is not None
        self.by_count = "access_count" in named
        self._uses: dict[bytes, tuple[int, float]] = {}
        hold_over_forks(self)

    def rank(self, now: float) -> float | None:
        """Return the rank of an item that is set now."""
        if not self.is_bounded:
            return None
        return 0.0 if self.by_count else now

    def admit(self, size: int, limit: float) -> None:
        """Refuse what would not fit even if all others gave way.

        Raises
        ------
        CollectionFullError
            Says so: the item would have vanished at once.
        """
        if self.is_bounded and volume((1, size)) > limit:
            raise CollectionFullError(self._collection.name, None, int(limit))

    def use(self, key: bytes, now: float) -> None:
        """Note that an item was used."""
        count, _ = self._uses.get(key, (0, now))
        self._uses[key] = count + 1, now
        if len(self._uses) >= _MANY:
            self.let_go()

    def write_uses(self) -> None:
        """Write what was noted."""
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        table = self._collection.table
        change = "due = coalesce(due, 0) + ?" if self.by_count else "due = ?"
        statement = f"UPDATE {table} SET {change} WHERE key = ?"  # noqa: S608 - constants
        with self._collection.transaction():
            for key, (count, moment) in uses.items():
                self._collection.run(statement, (count if self.by_count else moment, key))

    def let_go(self) -> None:
        """Write what was noted, or forget it if that cannot be: nobody reads less for it."""
        with suppress(StoreError):
            self.write_uses()

    def before_fork(self) -> None:
        """Do nothing: who forks goes on with what it noted."""

    def after_fork(self, *, in_child: bool) -> None:
        """Let the uses be written by the process that noted them."""
        if in_child:
            self._uses = {}

    def victims(self, limit: int, spared: bytes = b"") -> list[int]:
        """Return the ids of up to `limit` items that are first to give way."""
        if self._cull is None:
            return []
        self.write_uses()
        # What the policy calls a table is one with the rank under all its names.
        rows = f"""(SELECT id AS rowid, key, tag, size, expires AS expire_time,
            due AS store_time, due AS access_time, due AS access_count FROM {self._collection.table}
            WHERE due IS NOT NULL AND key IS NOT x'{spared.hex()}')"""  # noqa: S608 - hexadecimal
        statement = self._cull.format(fields="rowid", now=time.time())
        found = self._collection.select(_TABLE.sub(rows, statement), (limit,))
        return [int(row[0]) for row in found]

    def take_over(self, before: Policy) -> None:
        """Give items of another policy ranks of this one: all are equal if ranks mean another."""
        before.write_uses()
        if not self.is_bounded:
            return
        condition = "due IS NULL" if self.by_count == before.by_count else "1"
        change = f"UPDATE {self._collection.table} SET due = 0 WHERE {condition}"  # noqa: S608
        if self._collection.is_there():
            self._collection.run(change, ())


def volume(extent: tuple[int, int]) -> int:
    """Return the bytes that a cache is counted with, of the number and the bytes of its values."""
    count, size = extent
    return EMPTY + count * OVERHEAD + size


def beyond(collection: Collection, now: float) -> tuple[int, bool]:
    """Return the volume, and whether anything has expired: what each `set` asks."""
    found: list[tuple[Any, ...]] = collection.select(
        f"""SELECT count, bytes, EXISTS (SELECT 1 FROM {collection.table} WHERE expires < ?)
            FROM collections WHERE number = ?""",  # noqa: S608 - a number
        (now, collection.number),
    )
    if not found:
        return EMPTY, False
    count, size, is_expired = found[0]
    return volume((count, size)), bool(is_expired)
