"""A mapping that lasts and that many processes share: :class:`Index`."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from stagecache.collections.asynchronous import AsyncFaces
from stagecache.collections.bounds import Bounds
from stagecache.collections.creating import Creation, How
from stagecache.collections.keys import decode_key, encode_key, says_all
from stagecache.collections.remembered import Encoded, Remembered
from stagecache.collections.values import IMMUTABLE, decode_value, encode_value
from stagecache.collections.views import Items, Keys, Values
from stagecache.errors import DecodeError
from stagecache.settings import parse_duration
from stagecache.stores.disk.items.versions import LIFE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from stagecache.collections.means import Means
    from stagecache.stores.disk.items import Collection

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

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


class Index(AsyncFaces, MutableMapping[K, V], Generic[K, V]):
    """A persistent mapping in the order of insertion, shared by threads and processes.

    ``cache.index(name)`` gives it. It behaves as a :class:`dict`: equal keys are one key (``1``,
    ``1.0`` and ``True``), a key keeps its place when it is set again. Each operation is atomic and
    lasts; what cannot be kept is an error. What it gives is the caller's own: to change a list
    that was got changes nothing here.

    Parameters
    ----------
    collection : Collection
        Where items are kept.
    means : Means
        What else it works with.
    memory : int
        Bytes that values read lately may take in this process.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     prices = cache.index("prices")
    ...     prices["apple"] = 1.5
    ...     prices.set("plum", 2.5, ttl="1d", tag="fruit")
    ...     prices.incr("sold", 3), list(prices), prices.get("pear")
    (3, ['apple', 'plum', 'sold'], None)
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
        settings = collection.settings
        is_bounded = settings["max_items"] is not None or settings["max_size"] is not None
        self._bounds = Bounds(collection) if is_bounded else None
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
        found = self._items.expiry(encode_key(key))
        return found is not None and not self._is_over(found[0])

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Return the values under those of `keys` that there are, in few statements."""
        wanted = {encode_key(key): key for key in keys}
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
        return self._items.count() - self._items.count_expired(self._clock.now())

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
        if isinstance(other, (Index, OrderedDict)):
            return list(self.items()) == list(other.items())
        return dict(self.items()) == dict(other.items()) if isinstance(other, Mapping) else False

    def stats(self) -> IndexStats:
        """Return what it holds, and how often :meth:`get` of this handle found something."""
        return IndexStats(self._items.count(), self._items.size(), self._hits, self._misses)

    # --- writing

    def set(
        self,
        key: K,
        value: V,
        *,
        ttl: float | str | timedelta | None = None,
        tag: str | None = None,
    ) -> None:
        """Keep `value` under `key`.

        Parameters
        ----------
        key, value
            The item. A value is kept as it is now.
        ttl : float or str or datetime.timedelta, optional
            Seconds, or as ``"1d"``, after which it is gone.
        tag : str, optional
            What :meth:`evict` knows it by.

        Raises
        ------
        TypeError, SettingsError
            If something is not of the right type.
        EncodeError
            If no codec holds the value here.
        StoreError
            If it cannot be kept.
        """
        expires = None if ttl is None else self._expiry(ttl)
        _check_tag(tag)
        encoded = encode_key(key)
        codec, data = encode_value(value, self._store)
        shown = None if type(key) in _SAY_ALL else self._shown(key)
        if self._bounds is None:
            self._items.set(encoded, codec, data, shown=shown, expires=expires, tag=tag)
            return
        with self._access.transaction():
            self._items.set(encoded, codec, data, shown=shown, expires=expires, tag=tag)
            self._make_room(encoded)

    def __setitem__(self, key: K, value: V) -> None:
        self.set(key, value)

    def __delitem__(self, key: K) -> None:
        encoded = encode_key(key)
        with self.transact():
            is_there = key in self
            self._items.delete([encoded])
        if not is_there:
            raise KeyError(key)

    def delete(self, key: K) -> bool:
        """Forget what is under `key`; return whether it was there."""
        try:
            del self[key]
        except KeyError:
            return False
        return True

    def add(
        self,
        key: K,
        value: V,
        *,
        ttl: float | str | timedelta | None = None,
        tag: str | None = None,
    ) -> bool:
        """Keep `value` unless something is there; tell whether it is kept. One of many gets True.

        Parameters
        ----------
        key, value, ttl, tag
            As of :meth:`set`.
        """
        expires = None if ttl is None else self._expiry(ttl)
        _check_tag(tag)
        encoded = encode_key(key)
        codec, data = encode_value(value, self._store)
        shown = self._shown(key)
        with self._one():
            is_added = self._items.add(
                encoded, codec, data, now=self._clock.now(), shown=shown, expires=expires, tag=tag
            )
            if is_added and self._bounds is not None:
                self._make_room(encoded)
        return is_added

    def set_many(
        self,
        items: Mapping[K, V],
        *,
        ttl: float | str | timedelta | None = None,
        tag: str | None = None,
    ) -> None:
        """Keep all `items`, or none of them if that fails, in one commit."""
        with self.transact():
            for key, value in items.items():
                self.set(key, value, ttl=ttl, tag=tag)

    def update(self, *others: Any, **named: Any) -> None:
        """Do as :meth:`dict.update` does, in one commit."""
        with self.transact():
            super().update(*others, **named)

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value under `key`, which is `default` if there was none."""
        with self.transact():
            value = self.get(key, _MISSING)
            if value is _MISSING:
                self.set(key, default)
                return default
            return value

    def pop(self, key: K, default: Any = _MISSING) -> Any:
        """Forget what is under `key`, and return it; `default` if there is nothing.

        Raises
        ------
        KeyError
            If there is nothing, and no default.
        """
        with self.transact():
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                self._items.delete([encode_key(key)])
                return value
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self, last: bool = True) -> tuple[K, V]:
        """Forget the last item, or the first, and return it.

        Raises
        ------
        KeyError
            If there is none.
        """
        with self.transact():
            key, value = self.peekitem(last)
            self._items.delete([encode_key(key)])
            return key, value

    def incr(self, key: K, delta: Any = 1, default: Any = 0) -> Any:
        """Add `delta` to the number under `key`, and return the sum; among all processes.

        Parameters
        ----------
        key : object
            Whose number; its expiry and tag stay.
        delta : int or float, optional
            What to add.
        default : int or float or None, optional
            What is there if nothing is. None: that is an error.

        Raises
        ------
        KeyError
            If nothing is there, and there is no default.
        TypeError
            If what is there, or `delta`, is no number.
        """
        _check_number(delta, "delta")
        encoded = encode_key(key)
        with self.transact():
            found = self._items.get_many([encoded]).get(encoded)
            if found is None or (found.expires is not None and self._is_over(found.expires)):
                if default is None:
                    raise KeyError(key)
                _check_number(default, "default")
                total = default + delta
                self.set(key, total)
                return total
            value = self._decoded(found.codec, found.value)
            _check_number(value, f"the value under {key!r}")
            total = value + delta
            codec, data = encode_value(total, self._store)
            self._items.set(encoded, codec, data, expires=found.expires, tag=found.tag)
            return total

    def decr(self, key: K, delta: Any = 1, default: Any = 0) -> Any:
        """Take `delta` from the number under `key`, as :meth:`incr` adds it."""
        _check_number(delta, "delta")
        return self.incr(key, -delta, default)

    def touch(self, key: K, ttl: float | str | timedelta | None = None) -> bool:
        """Let an item live for `ttl` from now on, or for ever; return whether it was there."""
        expires = None if ttl is None else self._expiry(ttl)
        return self._items.touch(encode_key(key), expires, self._clock.now())

    def expire(self) -> int:
        """Forget what has expired; return how many items that were."""
        return self._items.discard("expires <= ?", self._clock.now())

    def evict(self, tag: str) -> int:
        """Forget the items of a tag; return how many there were."""
        if type(tag) is not str:
            raise TypeError(f"a tag is text, not {tag!r}")
        return self._items.discard("tag = ?", tag)

    def clear(self) -> None:
        """Forget all items."""
        self._items.clear()

    def get_or_create(
        self,
        key: K,
        creator: Callable[[], V],
        *,
        ttl: float | str | timedelta | None = None,
        serve_stale: float | str | timedelta | None = None,
        early_refresh: bool | float = False,
        should_cache: Callable[[V], bool] | None = None,
        tag: str | None = None,
    ) -> V:
        """Return the value under `key`, which `creator` makes if there is none.

        However many threads, event loops and processes ask, one of them makes it; the others wait
        and get it, or its exception, which is not kept. If it cannot be kept, it is returned with
        a warning.

        Parameters
        ----------
        key : object
            Whose value.
        creator : callable
            Makes it, without arguments.
        ttl : float or str or datetime.timedelta, optional
            How long it is good.
        serve_stale : float or str or datetime.timedelta, optional
            How long after that it may be served, while one caller makes it anew and nobody waits.
        early_refresh : bool or float, optional
            Whether one caller makes it anew shortly before it expires, the sooner the longer that
            takes; a number above 1 does so earlier.
        should_cache : callable, optional
            Called with a value that was made; only if it says so, it is kept.
        tag : str, optional
            What :meth:`evict` knows it by.

        Raises
        ------
        TypeError, SettingsError
            If something is not of the right type.
        Exception
            What `creator` raised.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     pages = cache.index("pages")
        ...     for _ in range(2):
        ...         pages.get_or_create("/", lambda: print("fetching") or "welcome", ttl="1h")
        fetching
        'welcome'
        'welcome'
        """
        creation = self._creation(key, ttl, serve_stale, early_refresh, should_cache, tag)
        if serve_stale is None and not early_refresh:
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                return value  # type: ignore[no-any-return]
            found = None
        else:
            found = creation.find()
        if self._access.is_busy:
            return creation.served(found) if found else creation.without_lease(creator)  # type: ignore[no-any-return]
        flight = self._means.flight
        if found is None:
            made = flight.run(creation.digest, lambda: creation.make(creator), name=creation.name)
            return creation.own(made)  # type: ignore[no-any-return]
        if creation.is_due(found):
            try:
                fresh = flight.run_nowait(
                    creation.digest, lambda: creation.make_nowait(creator), name=creation.name
                )
            except Exception as error:  # noqa: BLE001 - whatever a creator raises
                return creation.served(found, error)  # type: ignore[no-any-return]
            if fresh is not None:
                return creation.own(fresh)  # type: ignore[no-any-return]
        return creation.served(found)  # type: ignore[no-any-return]

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Let what this thread does in the block be one: all of it or, on an exception, nothing.

        Others see it when it is committed, and who wants to write waits for it, threads in the
        order in which they came: keep it short. A block in a block is undone alone. In a coroutine
        there is to be no ``await`` in it.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     stock = cache.index("stock")
        ...     with stock.transact():
        ...         stock["apples"] = 3
        ...         stock["pears"] = 5
        ...     stock
        Index('stock', {'apples': 3, 'pears': 5})
        """
        with self._items.transaction():
            yield

    # --- shared

    def _creation(self, key: Any, *how: Any) -> Creation:
        encoded = encode_key(key)
        shown = self._shown(key)

        def keep(
            encoded: bytes, value: Any, expires: float | None, tag: str | None, seconds: float
        ) -> None:
            with self._one():
                self._items.set(
                    encoded, *value, shown=shown, expires=expires, tag=tag, note=seconds
                )
                if self._bounds is not None:
                    self._make_room(encoded)

        return Creation(self._items, self._means, key, encoded, How.of(*how), keep)

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
        for stored in self._items.scan(reverse=reverse):
            if stored.expires is None or not self._is_over(stored.expires):
                assert stored.key is not None
                key = self._key(stored.key, stored.shown)
                yield key, self._decoded(stored.codec, stored.value)

    def _scan_keys(self, *, reverse: bool = False) -> Iterator[K]:
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

    def _shown(self, key: Any) -> bytes | None:
        """Return how a key is given back, if its bytes do not say that."""
        if says_all(key):
            return None
        codec, data = encode_value(key, self._store)
        return codec.encode() + b"|" + (data if isinstance(data, bytes) else b"".join(data))

    def _decoded(self, codec: str, data: Any) -> Any:
        try:
            return decode_value(codec, data, self._store)
        except DecodeError as error:
            raise DecodeError(f"an item of {self.name!r} cannot be decoded: {error}") from error

    def _is_over(self, expires: float) -> bool:
        return expires <= self._clock.now()

    def _expiry(self, ttl: float | str | timedelta) -> float:
        return self._clock.now() + parse_duration(ttl)

    @contextmanager
    def _one(self) -> Iterator[None]:
        if self._bounds is None:
            yield
        else:
            with self._items.transaction():
                yield

    def _make_room(self, spared: bytes) -> None:
        assert self._bounds is not None
        if self._bounds.counts_uses:
            uses, self._uses = self._uses, {}
            uses[spared] = self._clock.now()
            for key, used in uses.items():
                self._items.use(key, used)
        self._bounds.keep(self._clock.now(), spared)

    def _note_use(self, key: bytes) -> None:
        self._uses[key] = self._clock.now()
        if len(self._uses) >= _USES and self._store.writable:
            uses, self._uses = self._uses, {}
            with self._items.transaction():
                for key, used in uses.items():
                    self._items.use(key, used)

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


_SAY_ALL = frozenset((str, bytes, int))


def _check_tag(tag: object) -> None:
    if tag is not None and type(tag) is not str:
        raise TypeError(f"a tag is text, not {tag!r}")


def _check_number(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is no number: {value!r}")
