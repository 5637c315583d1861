"""A mapping that lasts and that many processes share: :class:`Index`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stagecache.collections.asynchronous import AsyncIndex
from stagecache.collections.creating import Creation, How
from stagecache.collections.keys import encode_key, says_all
from stagecache.collections.obtaining import Obtaining
from stagecache.collections.reading import Reading
from stagecache.collections.values import encode_value
from stagecache.errors import EncodeError
from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from datetime import timedelta

    from stagecache.stores.disk.items.rows import Value

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()


class Index(Reading[K, V], Obtaining[K, V], AsyncIndex, MutableMapping[K, V]):
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
        codec, data = self._encoded(key, value)
        shown = None if type(key) in _SAY_ALL else self._shown(key)
        bounds = self._bounds if self._is_known else self._bound()
        if bounds is None:
            self._items.set(encoded, codec, data, shown=shown, expires=expires, tag=tag)
            return
        if expires is None and tag is None and shown is None and bounds.set(encoded, codec, data):
            return
        with self._access.transaction():
            self._items.set(encoded, codec, data, shown=shown, expires=expires, tag=tag)
            self._make_room(encoded)

    def __setitem__(self, key: K, value: V) -> None:
        if self._is_known and self._bounds is None and type(key) in _SAY_ALL:
            encoded = encode_key(key)  # as most are: with few calls on the way
            codec, data = self._encoded(key, value)
            if type(data) is bytes:
                self._items.set_small(encoded, codec, data)
                return
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

    def delete_many(self, keys: Iterable[K]) -> int:
        """Forget what is under `keys`, in one commit; return how many items that were."""
        return self._items.delete([encode_key(key) for key in keys])

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
        codec, data = self._encoded(key, value)
        shown = self._shown(key)
        with self._one():
            is_added = self._items.add(
                encoded, codec, data, now=self._clock.now(), shown=shown, expires=expires, tag=tag
            )
            if is_added and self._bound() is not None:
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

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc, override]
        self.update(other)
        return self

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
        if self._bound() is None:
            for _ in range(_ATTEMPTS):  # without keeping others from writing meanwhile
                number = self._items.get_sealed(encoded)
                if number is None or (number[3] is not None and self._is_over(number[3])):
                    break
                value = self._decoded(*number[:2])
                _check_number(value, f"the value under {key!r}")
                total = value + delta
                codec, data = encode_value(total, self._store)
                if not isinstance(data, bytes):
                    break
                if self._items.exchange(encoded, codec, data, *number[2:]):
                    return total
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
            if self._bound() is not None:
                self._make_room(encoded)
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
                if self._bound() is not None:
                    self._make_room(encoded)

        return Creation(self._items, self._means, key, encoded, How.of(*how), keep)

    def _shown(self, key: Any) -> bytes | None:
        """Return how a key is given back, if its bytes do not say that."""
        if says_all(key):
            return None
        codec, data = encode_value(key, self._store)
        return codec.encode() + b"|" + (data if isinstance(data, bytes) else b"".join(data))

    def _encoded(self, key: Any, value: Any) -> tuple[str, Value]:
        try:
            return encode_value(value, self._store)
        except EncodeError as error:
            raise EncodeError(f"{key!r} of {self.name!r} cannot be kept: {error}") from error

    def _expiry(self, ttl: float | str | timedelta) -> float:
        return self._clock.now() + parse_duration(ttl)

    @contextmanager
    def _one(self) -> Iterator[None]:
        if self._bound() is None:
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


_ATTEMPTS = 3
_SAY_ALL = frozenset((str, bytes, int))


def _check_tag(tag: object) -> None:
    if tag is not None and type(tag) is not str:
        raise TypeError(f"a tag is text, not {tag!r}")


def _check_number(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} is no number: {value!r}")
