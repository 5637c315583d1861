"""Items under keys in named collections: what persistent mappings of users stand on.

Other than results, items are replaced in place, are read in the order of their keys, and cannot
be computed again: they are lost with the index. What keys and values mean is for who uses them to
say; a value of many megabytes is better kept as a blob that the item only names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from xxhash import xxh3_64_digest, xxh3_64_intdigest

from stagecache.errors import StoreError
from stagecache.stores.disk.guard import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import apsw

    from stagecache.stores.disk.connections import Connections
    from stagecache.stores.disk.guard import Guard
    from stagecache.stores.disk.index import Index

T = TypeVar("T")

_GET = "SELECT value FROM items WHERE collection = ? AND key = ?"
_SET = """INSERT INTO items (collection, key, value) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value"""
_ADD = "INSERT OR IGNORE INTO items (collection, key, value) VALUES (?, ?, ?)"
_DELETE = "DELETE FROM items WHERE collection = ? AND key = ?"
_MANY = 500
"""Keys in one statement."""
_PAGE = 200
"""Items fetched at once: an open cursor would keep the log from being emptied."""
_SEAL = 8


class Items:
    """The items of all collections of a directory. Thread-safe, and safe among processes.

    Every method raises :class:`~stagecache.errors.StoreError` if the index cannot be used.

    Parameters
    ----------
    connections : Connections
        How the index is reached.
    index : Index
        Who reads and writes in it.
    guard : Guard
        What is done about trouble.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache.stores.disk import DiskStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = DiskStore(folder + "/cache")
    ...     for key in (b"b", b"a"):
    ...         store.items.set("letters", key, key.upper())
    ...     print(store.items.get("letters", b"b"), list(store.items.scan("letters")))
    ...     store.close()
    b'B' [(b'a', b'A'), (b'b', b'B')]
    """

    def __init__(self, connections: Connections, index: Index, guard: Guard) -> None:
        self._connections = connections
        self._index = index
        self._guard = guard
        self._numbers: dict[str, int] = {}

    def get(self, collection: str, key: bytes) -> bytes | None:
        """Return the value under `key`, or None."""
        number = self._number(collection)
        try:
            found = self._index.select(_GET, (number, key))
        except TROUBLES as error:
            self._mend("read an item", error)
            found = self._select(_GET, (number, key))
        return _unseal(number, key, found[0][0]) if found else None

    def get_many(self, collection: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values under those of `keys` that there are."""
        number = self._number(collection)
        values: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            statement = f"SELECT key, value FROM items WHERE collection = ? AND key IN ({marks})"  # noqa: S608
            bindings = (number, *part)
            for key, sealed in self._select(statement, bindings):
                values[key] = _unseal(number, key, sealed)
        return values

    def set(self, collection: str, key: bytes, value: bytes) -> None:
        """Keep `value` under `key`, in place of what is there."""
        row = _row(self._number(collection), key, value)
        try:
            self._connections.insert(_SET, row)
        except TROUBLES as error:
            self._mend("keep an item", error)
            self._run("keep an item", lambda: self._connections.insert(_SET, row))

    def add(self, collection: str, key: bytes, value: bytes) -> bool:
        """Keep `value` under `key` unless something is there; tell whether it is kept now."""
        row = _row(self._number(collection), key, value)
        return bool(self._run("keep an item", lambda: self._connections.insert(_ADD, row)))

    def set_many(self, collection: str, values: Mapping[bytes, bytes]) -> None:
        """Keep all `values`, or none of them if that fails, in one commit."""
        number = self._number(collection)
        rows = [_row(number, key, value) for key, value in values.items()]
        self._write("keep items", lambda connection: connection.executemany(_SET, rows))

    def delete(self, collection: str, keys: Iterable[bytes]) -> int:
        """Forget what is under `keys`, in one commit; return how many there were."""
        number = self._number(collection)
        wanted = list(keys)

        def work(connection: apsw.Connection) -> int:
            gone = 0
            for key in wanted:
                connection.execute(_DELETE, (number, key))
                gone += connection.changes()
            return gone

        return self._write("forget items", work)

    def clear(self, collection: str) -> None:
        """Forget all items of a collection."""
        number = self._number(collection)
        statement = "DELETE FROM items WHERE collection = ?"
        self._write("forget items", lambda connection: connection.execute(statement, (number,)))

    def count(self, collection: str) -> int:
        """Return the number of items; it is counted."""
        statement = "SELECT count(*) FROM items WHERE collection = ?"
        found = self._select(statement, (self._number(collection),))
        return int(found[0][0]) if found else 0

    def scan(
        self,
        collection: str,
        *,
        start: bytes = b"",
        stop: bytes | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values in the order of keys; what comes or goes meanwhile may be missed.

        Parameters
        ----------
        collection : str
            Its name.
        start, stop : bytes, optional
            The first key, and the one before which to stop; None: the last key as well.
        reverse : bool, optional
            From the last one to the first.
        """
        number = self._number(collection)
        order = "DESC" if reverse else "ASC"
        low, high = "key >= :start", "" if stop is None else "AND key < :stop"
        bounds = {"number": number, "start": start, "stop": stop, "size": _PAGE}
        while True:
            statement = f"""SELECT key, value FROM items WHERE collection = :number
                AND {low} {high} ORDER BY key {order} LIMIT :size"""  # noqa: S608 - constants
            found = self._select(statement, bounds)
            for key, sealed in found:
                yield key, _unseal(number, key, sealed)
            if len(found) < _PAGE:
                return
            if reverse:
                bounds["stop"], high = found[-1][0], "AND key < :stop"
            else:
                bounds["start"], low = found[-1][0], "key > :start"

    # --- shared

    def _number(self, collection: str) -> int:
        """Return what stands for a collection in the index: the same in every index."""
        try:
            return self._numbers[collection]
        except KeyError:
            number = xxh3_64_intdigest(collection.encode()) >> 1
            return self._numbers.setdefault(collection, number)

    def _select(
        self, statement: str, bindings: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[bytes, bytes]]:
        return self._run("read items", lambda: self._index.select(statement, bindings))

    def _write(self, what: str, work: Callable[[apsw.Connection], T]) -> T:
        return self._run(what, lambda: self._index.write(work))

    def _run(self, what: str, work: Callable[[], T]) -> T:
        with self._guard.trouble(what):
            return self._guard.repeat(work)

    def _mend(self, what: str, error: Exception) -> None:
        with self._guard.trouble(what):
            self._guard.mend(error)


def _row(number: int, key: bytes, value: bytes) -> tuple[int, bytes, bytes]:
    return number, key, value + _seal(number, key, value)


def _seal(number: int, key: bytes, value: bytes) -> bytes:
    """Return the digest of an item: SQLite does not check its pages."""
    return xxh3_64_digest(b"".join((key, value)), number ^ len(key))


def is_whole(number: int, key: bytes, sealed: bytes) -> bool:
    """Tell whether an item is as it was kept, under the number of its collection and its key."""
    return sealed[-_SEAL:] == _seal(number, key, sealed[:-_SEAL])


def _unseal(number: int, key: bytes, sealed: bytes) -> bytes:
    value = sealed[:-_SEAL]
    if sealed[-_SEAL:] != _seal(number, key, value):
        raise StoreError(f"the item under {key!r} is damaged")
    return value
