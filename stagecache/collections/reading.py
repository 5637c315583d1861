"""How an index is read: by key, in order, as a whole; and what is remembered of it.

A value that was read lately is given again as long as nobody has changed it: the word of its key
in shared memory says so (`stores.disk.items.versions`).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from stagecache.collections.bounds import Bounds
from stagecache.collections.keys import decode_key, encode_key
from stagecache.collections.noted import note_all, note_item
from stagecache.collections.remembered import Encoded, Remembered
from stagecache.collections.values import IMMUTABLE, decode_value
from stagecache.collections.views import Items, Keys, Values
from stagecache.errors import DecodeError
from stagecache.fingerprint.reads.attribution import running
from stagecache.stores.disk.items.versions import LIFE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.collections.means import Means
    from stagecache.stores.disk.items import Collection

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()
_USES = 1_000
"""Uses that may wait to be written."""


class IndexStats(NamedTuple):
    """What an index holds, and how often this handle found something."""

    items: int
    bytes: int
    """Of encoded values."""
    hits: int
    misses: int


class Reading(Generic[K, V]):
    """What reads an index.

    Parameters
    ----------
    collection, means, memory
        As of the index.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, collection: Collection, means: Means, *, memory: int = 16 << 20) -> None:
        self._items = collection
        self._means = means
        self._store = means.store
        self._versions = collection.versions
        self._access = collection.access
        self._clock = means.clock
        self._remembered = Remembered(memory)
        self._remembers = memory > 0
        self._values = self._remembered.values
        self._bounds: Bounds | None = None
        self._is_known = False
        """Whether the collection is there, so that its bounds are known."""
        if collection.is_there():
            self._bound()
        self._uses: dict[bytes, float] = {}
        self._hits = self._misses = 0

    @property
    def name(self) -> str:
        """What it was opened by."""
        return self._items.name

    # --- reading

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value under `key`, or `default`.

        Raises
        ------
        TypeError
            If it is no key.
        StoreError, DecodeError
            If the item is damaged, or cannot be decoded here.
        """
        if running:
            note_item(self._items, encode_key(key), key)
        try:
            found = self._values.get(key)
        except TypeError:  # no key of any mapping
            found = None
        if found is None:
            return self._read(key, default)
        value, position, word, epoch, until, expires, _ = found
        words = self._versions.words
        if (
            words is None
            or words[position] != word
            or words[0] != epoch
            or monotonic() >= until
            or (expires is not None and self._clock.now() >= expires)
            or self._access.is_busy
        ):
            return self._read(key, default)
        self._hits += 1
        if type(value) is Encoded:
            return self._decoded(*value)
        return value

    def __getitem__(self, key: K) -> V:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value  # type: ignore[no-any-return]

    def __contains__(self, key: object) -> bool:
        encoded = encode_key(key)
        if running:
            note_item(self._items, encoded, key)
        found = self._items.expiry(encoded)
        return found is not None and not self._is_over(found[0])

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Return the values under those of `keys` that there are, in few statements."""
        wanted = {encode_key(key): key for key in keys}
        if running:
            for encoded, key in wanted.items():
                note_item(self._items, encoded, key)
        found = self._items.get_many(wanted)
        now = self._clock.now()
        return {
            key: self._decoded(stored.codec, stored.value)
            for encoded, key in wanted.items()
            if (stored := found.get(encoded)) and not (stored.expires and stored.expires <= now)
        }

    def peekitem(self, last: bool = True) -> tuple[K, V]:
        """Return the last item, or the first, as it stays.

        Raises
        ------
        KeyError
            If there is none.
        """
        for item in self._scan(reverse=last):
            return item
        raise KeyError("the index is empty")

    def __len__(self) -> int:
        note_all(self._items)
        return self._items.count_unexpired(self._clock.now())

    def __bool__(self) -> bool:
        return next(iter(self), _MISSING) is not _MISSING

    def __iter__(self) -> Iterator[K]:
        return self._scan_keys()

    def __reversed__(self) -> Iterator[K]:
        return self._scan_keys(reverse=True)

    def keys(self) -> Keys[K]:
        """Return a view of the keys, in order."""
        return Keys(self)

    def values(self) -> Values[V]:
        """Return a view of the values, in the order of their keys."""
        return Values(self)

    def items(self) -> Items[K, V]:
        """Return a view of keys and values."""
        return Items(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Reading, OrderedDict)):
            return list(self.items()) == list(other.items())
        return dict(self.items()) == dict(other.items()) if isinstance(other, Mapping) else False

    def stats(self) -> IndexStats:
        """Return what it holds, and how often :meth:`get` of this handle found something."""
        return IndexStats(self._items.count(), self._items.size(), self._hits, self._misses)

    def __or__(self, other: object) -> dict[Any, Any]:
        return dict(self.items()) | dict(other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: object) -> dict[Any, Any]:
        return dict(other) | dict(self.items()) if isinstance(other, Mapping) else NotImplemented

    # --- shared

    def _bound(self) -> Bounds | None:
        """Return what bounds it, for who writes: whoever made it has said that."""
        if not self._is_known:
            settings = self._items.declare()
            if settings["max_items"] is not None or settings["max_size"] is not None:
                self._bounds = Bounds(self._items)
            self._is_known = True
        return self._bounds

    def _read(self, key: K, default: Any) -> Any:
        versions = self._versions
        if not versions.is_current():
            self._access.renew()
        encoded = encode_key(key)
        words = versions.words if self._remembers else None
        if words is not None:
            position = versions.position(self._items.number, encoded)
            word, epoch = words[position], words[0]
        found = self._items.get(encoded)
        if found is None or (found[2] is not None and self._is_over(found[2])):
            self._misses += 1
            return default
        self._hits += 1
        codec, data, expires = found
        value = self._decoded(codec, data)
        if not self._is_known:
            self._bound()
        if self._bounds is not None and self._bounds.counts_uses:
            self._note_use(encoded)
        elif (
            self._remembers
            and words is not None
            and type(data) is bytes
            and not self._access.is_busy
        ):
            kept = value if type(value) in IMMUTABLE else Encoded(codec, data)
            self._remembered.keep(
                key, len(data), kept, position, word, epoch, monotonic() + LIFE, expires
            )
        return value

    def _scan(self, *, reverse: bool = False) -> Iterator[tuple[K, V]]:
        note_all(self._items)
        for stored in self._items.scan(reverse=reverse):
            if stored.expires is None or not self._is_over(stored.expires):
                assert stored.key is not None
                key = self._key(stored.key, stored.shown)
                yield key, self._decoded(stored.codec, stored.value)

    def _scan_keys(self, *, reverse: bool = False) -> Iterator[K]:
        note_all(self._items)
        for key, shown, expires in self._items.scan_keys(reverse=reverse):
            if expires is None or not self._is_over(expires):
                yield self._key(key, shown)

    def _key(self, key: bytes, shown: bytes | None) -> Any:
        if shown is None:
            try:
                return decode_key(key)
            except (ValueError, OverflowError, struct.error) as error:
                raise DecodeError(f"a key of {self.name!r} cannot be decoded: {error}") from error
        codec, _, data = shown.partition(b"|")
        return self._decoded(codec.decode(), data)

    def _decoded(self, codec: str, data: Any) -> Any:
        try:
            return decode_value(codec, data, self._store)
        except DecodeError as error:
            raise DecodeError(f"an item of {self.name!r} cannot be decoded: {error}") from error

    def _is_over(self, expires: float) -> bool:
        return expires <= self._clock.now()

    def _note_use(self, key: bytes) -> None:
        self._uses[key] = self._clock.now()
        if len(self._uses) >= _USES and self._store.writable:
            uses, self._uses = self._uses, {}
            with self._items.transaction():
                for key, used in uses.items():
                    self._items.use(key, used)

    def __stagecache_fingerprint__(self) -> object:
        """Count as the place that it is; a body that reads it rests on what it reads."""
        return self._items.place

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an Index is a place, which cannot be copied or pickled: open it by its name wherever "
            "it is used; dict(index) is a copy of what it holds"
        )

    def __repr__(self) -> str:
        shown = []
        for number, item in enumerate(self._scan()):
            if number == 20:
                shown.append("...")
                break
            shown.append(f"{item[0]!r}: {item[1]!r}")
        return f"Index({self.name!r}, {{{', '.join(shown)}}})"
