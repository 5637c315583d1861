"""What a collection does when it is full: as it was declared when it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import CollectionFullError, SettingsError
from stagecache.settings import parse_size

if TYPE_CHECKING:
    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value

WHEN_FULL = ("error", "evict-oldest", "evict-lru")
DEFAULTS = {"max_items": None, "max_size": None, "when_full": "error"}


def declared(
    max_items: int | None, max_size: int | str | None, when_full: str | None
) -> dict[str, Any]:
    """Return what was said of a bound.

    Raises
    ------
    SettingsError
        If that is no number, no size, or no way to deal with it.
    """
    said: dict[str, Any] = {}
    if max_items is not None:
        if type(max_items) is not int or max_items < 1:
            raise SettingsError(f"max_items is a number of at least 1, not {max_items!r}")
        said["max_items"] = max_items
    if max_size is not None:
        said["max_size"] = parse_size(max_size)
    if when_full is not None:
        if when_full not in WHEN_FULL:
            raise SettingsError(f"when_full is one of {', '.join(WHEN_FULL)}, not {when_full!r}")
        said["when_full"] = when_full
    return said


class Bounds:
    """Keeps one collection within what it was declared to hold.

    Parameters
    ----------
    collection : Collection
        Opened as counted.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    @property
    def counts_uses(self) -> bool:
        """Whether what was used least recently gives way."""
        return bool(self._collection.settings["when_full"] == "evict-lru")

    def set(self, key: bytes, codec: str, data: Value) -> bool:
        """Keep a value as most are, if there is room for certain; else do nothing."""
        if not isinstance(data, bytes) or self.counts_uses:
            return False
        settings = self._collection.settings
        return self._collection.set_within(
            key, codec, data, settings["max_items"], settings["max_size"]
        )

    def keep(self, now: float, spared: bytes) -> None:
        """Make room inside the transaction that has set the item under `spared`.

        Raises
        ------
        CollectionFullError
            If there is none: the transaction is to be undone.
        """
        collection = self._collection
        if not self._is_over():
            return
        table = collection.table
        collection.run(f"DELETE FROM {table} WHERE expires <= ?", (now,))  # noqa: S608
        if self._is_over() and collection.settings["when_full"] != "error":
            order = "coalesce(used, 0), id" if self.counts_uses else "id"
            victims = collection.select(
                f"SELECT id FROM {table} WHERE key IS NOT ? ORDER BY {order}",  # noqa: S608
                (spared,),
            )
            for (place,) in victims:
                collection.run(f"DELETE FROM {table} WHERE id = ?", (place,))  # noqa: S608
                if not self._is_over():
                    break
        collection.note()
        if self._is_over():
            raise CollectionFullError(
                collection.name,
                collection.settings["max_items"],
                collection.settings["max_size"],
            )

    def _is_over(self) -> bool:
        settings = self._collection.settings
        most, most_bytes = settings["max_items"], settings["max_size"]
        items, size = self._collection.extent()
        return (most is not None and items > most) or (most_bytes is not None and size > most_bytes)
