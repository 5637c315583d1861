"""How the value of an item is written and read: in its row, or as a blob beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from stagecache.errors import StoreError
from stagecache.stores.disk.blobs import Damaged
from stagecache.stores.disk.items.declared import Declared
from stagecache.stores.disk.items.large import Vanished
from stagecache.stores.disk.items.rows import Stored, Value, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stagecache.model import Digest
    from stagecache.stores.disk.items.access import Access
    from stagecache.stores.disk.items.large import Large
    from stagecache.stores.disk.items.versions import Versions

T = TypeVar("T")

ATTEMPTS = 5
"""How often what somebody else takes away at the same moment is tried again."""


class Valued(Declared):
    """The values of one collection.

    Parameters
    ----------
    access, large, versions, name, kind, settings, defaults, counted, number, now
        As of :class:`~stagecache.stores.disk.items.collection.Collection`.
    """

    def __init__(
        self,
        access: Access,
        large: Large,
        versions: Versions,
        name: str,
        kind: str,
        settings: Mapping[str, Any],
        defaults: Mapping[str, Any],
        *,
        counted: bool,
        number: int,
        now: float,
    ) -> None:
        super().__init__(
            access, versions, name, kind, settings, defaults, counted=counted, number=number,
            now=now,
        )  # fmt: skip
        self._large = large
        self._statements: dict[tuple[str, str], str] = {}

    def keep_large(
        self,
        key: bytes | None,
        codec: str,
        value: Sequence[Any],
        insert: Callable[[Digest, int, int], T],
    ) -> T:
        """Write the blob of a value, and call `insert` in the transaction that names it.

        Parameters
        ----------
        key, codec, value
            The item's.
        insert : callable
            Takes address, bytes and seal.
        """
        self._declare()
        for _ in range(ATTEMPTS):
            where, size = self.access.guarded(lambda: self._large.write(codec, value))
            sealed = seal(self.number, key, codec, where)
            try:
                with self.transaction():
                    result = insert(where, size, sealed)
                    self._large.expect(where)
            except Vanished:
                continue
            return result
        raise StoreError(f"a large value of {self.name!r} is removed as fast as it is written")

    def value(
        self,
        codec: str,
        value: bytes | None,
        blob: bytes | None,
        sealed: int,
        key: bytes | None = None,
    ) -> Value:
        """Return what a row holds, by its fields.

        Raises
        ------
        StoreError
            If it is damaged.
        FileNotFoundError
            If it was a large one, which is gone by now.
        """
        if blob is None:
            self._check(key, codec, value, sealed)
            return value  # type: ignore[return-value]
        self._check(key, codec, blob, sealed)
        try:
            return self.access.guarded(lambda: self._large.read(blob, codec))  # type: ignore[arg-type]
        except Damaged as error:
            raise StoreError(
                f"the large value under {key!r} of {self.name!r} is damaged: {error}"
            ) from error

    def statement(self, text: str, place: str = "") -> str:
        """Return a statement on this collection, in which the table and a place are named."""
        found = self._statements.get((text, place))
        if found is None:
            found = self._statements[text, place] = text.format(
                table=self.table, place=place.format(table=self.table)
            )
        return found

    def _stored(self, row: tuple[Any, ...]) -> Stored:
        number, key, shown, codec, value, blob, sealed, expires, tag, due, note = row
        value = self.value(codec, value, blob, sealed, key)
        return Stored(number, key, shown, codec, value, expires, tag, due, note)

    def _check(self, key: bytes | None, codec: Any, payload: Any, sealed: int) -> None:
        try:
            if seal(self.number, key, codec, payload) == sealed:
                return
        except (TypeError, AttributeError):  # one bit makes a text of bytes
            pass
        what = "an item" if key is None else f"the item under {key!r}"
        raise StoreError(
            f"{what} of {self.name!r} is damaged. `stagecache verify` tells what "
            "else is; restore it from a backup, or delete it."
        )
