"""How the items of one collection are listed in their order, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import StoreError
from stagecache.stores.disk.items.placed import Placed
from stagecache.stores.disk.items.valued import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stagecache.stores.disk.items.rows import Stored

_SELECT = "SELECT id, key, shown, codec, value, blob, seal, expires, tag, due, note FROM {table} "
_PAGE = 200
"""Items fetched at once: an open cursor would keep the log from being emptied."""
END = 1 << 62
"""Above all ids."""


class Listed(Placed):
    """Reads the items of one collection one after the other."""

    def items(
        self, clause: str = "ORDER BY id", bindings: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[Stored]:
        """Return the items that a clause selects, whole: ``WHERE id > ? ORDER BY id LIMIT 10``."""
        statement = self.statement(_SELECT) + clause
        for _ in range(ATTEMPTS):
            try:
                return [self._stored(row) for row in self.select(statement, bindings)]
            except FileNotFoundError:  # one was replaced a moment ago
                continue
        raise StoreError(f"values of {self.name!r} are gone from the disk")

    def scan(self, *, reverse: bool = False) -> Iterator[Stored]:
        """Yield all items in their order; what comes or goes meanwhile may be missed."""
        last = END if reverse else -END
        order = "WHERE id < ? ORDER BY id DESC" if reverse else "WHERE id > ? ORDER BY id"
        while True:
            page = self.items(f"{order} LIMIT {_PAGE}", (last,))
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].id

    def scan_keys(
        self, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes | None, float | None]]:
        """Yield key, how it is shown, and expiry of all items with keys, in their order."""
        last = END if reverse else -END
        order = "id < ? ORDER BY id DESC" if reverse else "id > ? ORDER BY id"
        statement = f"""SELECT id, key, shown, expires FROM {self.table}
            WHERE key IS NOT NULL AND {order} LIMIT {_PAGE}"""  # noqa: S608 - constants
        while True:
            page = self.select(statement, (last,))
            for last, key, shown, expires in page:  # noqa: B007 - where the next page begins
                yield key, shown, expires
            if len(page) < _PAGE:
                return

    def count_unexpired(self, now: float) -> int:
        """Return how many items have not expired, all of them as of one moment."""
        counted = f"""SELECT count FROM collections WHERE number = {self.number}"""  # noqa: S608
        every = counted if self._counted else f"SELECT count(*) FROM {self.table}"  # noqa: S608
        found = self.select(
            f"SELECT ({every}) - (SELECT count(*) FROM {self.table} WHERE expires <= ?)",  # noqa: S608
            (now,),
        )
        return int(found[0][0]) if found else 0

    def extent(self) -> tuple[int, int]:
        """Return number and bytes of a counted collection's items."""
        found = self.select("SELECT count, bytes FROM collections WHERE number = ?", (self.number,))
        return found[0] if found else (0, 0)

    def count(self) -> int:
        """Return how many items there are, also of those that have expired.

        Counted each time, unless the collection was opened as counted.
        """
        if self._counted:
            return self.extent()[0]
        found = self.select(f"SELECT count(*) FROM {self.table}")  # noqa: S608
        return int(found[0][0]) if found else 0

    def size(self) -> int:
        """Return the bytes of all encoded values."""
        if self._counted:
            return self.extent()[1]
        found = self.select(f"SELECT coalesce(sum(size), 0) FROM {self.table}")  # noqa: S608
        return int(found[0][0]) if found else 0
