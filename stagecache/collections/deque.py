"""A double-ended queue that lasts and that many processes share: :class:`Deque`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, MutableSequence
from contextlib import contextmanager
from itertools import islice
from operator import index as whole
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self, TypeVar

from stagecache.collections.asynchronous import AsyncDeque
from stagecache.collections.noted import note_all
from stagecache.collections.row import Row
from stagecache.collections.values import decode_value, encode_value
from stagecache.errors import DecodeError, EncodeError, SettingsError

if TYPE_CHECKING:
    from stagecache.collections.means import Means
    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value

V = TypeVar("V")

DEFAULTS = {"maxlen": None, "gapless": True}
"""What holds of a deque of which nothing was said."""
_SHOWN = 20


def declared(maxlen: int | None) -> dict[str, Any]:
    """Return what was said of a deque.

    Raises
    ------
    SettingsError
        If that is no number.
    """
    if maxlen is None:
        return {}
    if type(maxlen) is not int or maxlen < 0:
        raise SettingsError(f"maxlen is a number of at least 0, or None, not {maxlen!r}")
    return {"maxlen": maxlen}


class DequeStats(NamedTuple):
    """What a deque holds."""

    items: int
    bytes: int
    """Of encoded values."""


class Deque(AsyncDeque, MutableSequence[V]):
    """A persistent :class:`collections.deque`, shared by threads and processes.

    ``cache.deque(name)`` gives it. Each operation is atomic and lasts; what cannot be kept is an
    error. What it gives is the caller's own. Length and both ends cost the same however long it
    is; an item in the middle is found at once, and to insert or delete there moves the shorter
    side. An iteration goes up to where the end was when it began; what others move meanwhile it may
    miss, or meet again.

    Parameters
    ----------
    collection : Collection
        Where items are kept.
    means : Means
        What else it works with.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     lines = cache.deque("lines", maxlen=3)
    ...     lines += ["a", "b", "c", "d"]
    ...     lines.rotate(1)
    ...     lines.popleft(), list(lines), lines.peek()
    ('d', ['b', 'c'], 'c')
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, collection: Collection, means: Means) -> None:
        self._items = collection
        self._row = Row(collection)
        self._store = means.store

    @property
    def name(self) -> str:
        """What it was opened by."""
        return self._items.name

    @property
    def maxlen(self) -> int | None:
        """How many items there are at most: others then go at the other end. None: any number."""
        self._items.is_there()  # somebody else may have said it first
        return self._items.settings["maxlen"]  # type: ignore[no-any-return]

    # --- the ends

    def append(self, value: V) -> None:
        """Keep `value` at the end.

        Raises
        ------
        EncodeError
            If no codec holds it here.
        StoreError
            If it cannot be kept.
        """
        self._push(value, first=False)

    def appendleft(self, value: V) -> None:
        """Keep `value` before the first, as :meth:`append` does at the end."""
        self._push(value, first=True)

    def extend(self, values: Iterable[V]) -> None:
        """Keep all `values` at the end, or none of them if that fails, in one commit."""
        self._push_all(values, first=False)

    def extendleft(self, values: Iterable[V]) -> None:
        """Keep one of `values` after the other before the first: they are reversed by it."""
        self._push_all(values, first=True)

    def pop(self) -> V:  # type: ignore[override]
        """Forget the last item, and return it.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._take(first=False)

    def popleft(self) -> V:
        """Forget the first item, and return it, as :meth:`pop` does with the last."""
        return self._take(first=True)

    def peek(self) -> V:
        """Return the last item, as it stays.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._at(-1)

    def peekleft(self) -> V:
        """Return the first item, as it stays."""
        return self._at(0)

    # --- by number

    def __getitem__(self, number: int) -> V:  # type: ignore[override]
        return self._at(whole(number))

    def __setitem__(self, number: int, value: V) -> None:  # type: ignore[override]
        number = whole(number)
        if not self._row.put(number, *self._encoded(value)):
            raise IndexError("assignment index out of range")

    def __delitem__(self, number: int) -> None:  # type: ignore[override]
        number = whole(number)
        with self.transact():  # and nothing is decoded: what is damaged can go
            first, last = self._row.ends()
            where = number + (first if number >= 0 else last + 1)
            if not first <= where <= last:
                raise IndexError("deletion index out of range")
            self._row.take_out(where)

    def insert(self, number: int, value: V) -> None:
        """Keep `value` before the item of that number.

        Raises
        ------
        IndexError
            If there are `maxlen` items.
        """
        number = whole(number)
        encoded = self._encoded(value)
        with self.transact():
            length = len(self)
            if self.maxlen is not None and length >= self.maxlen:
                raise IndexError("deque already at its maximum size")
            number = max(0, number + length) if number < 0 else min(number, length)
            self._row.insert(number, *encoded)

    def remove(self, value: V) -> None:
        """Forget the first item that is equal to `value`.

        Raises
        ------
        ValueError
            If there is none.
        """
        with self.transact():
            for found in self._row.scan():
                if self._decoded(found.codec, found.value) == value:
                    self._row.take_out(found.id)
                    return
        raise ValueError(f"{value!r} is not in deque {self.name!r}")

    def rotate(self, n: int = 1) -> None:
        """Bring the last `n` items before the first; the other way round if it is negative."""
        n = whole(n)
        with self.transact():
            self._row.rotate(n)

    def reverse(self) -> None:
        """Turn the order round."""
        with self.transact():
            self._row.reverse()

    def clear(self) -> None:
        """Forget all items."""
        self._items.clear()

    # --- reading

    def __len__(self) -> int:
        note_all(self._items)
        first, last = self._row.ends()
        return last - first + 1

    def __iter__(self) -> Iterator[V]:
        note_all(self._items)
        return (self._decoded(found.codec, found.value) for found in self._row.scan())

    def __reversed__(self) -> Iterator[V]:
        note_all(self._items)
        return (self._decoded(found.codec, found.value) for found in self._row.scan(reverse=True))

    def __contains__(self, value: object) -> bool:
        return any(value is each or value == each for each in self)

    def count(self, value: object) -> int:
        """Return how many items are equal to `value`."""
        return sum(1 for each in self if value is each or value == each)

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Return the number of the first item that is equal to `value`.

        Parameters
        ----------
        value : object
            What to look for.
        start, stop : int, optional
            Where to, as slices have it.

        Raises
        ------
        ValueError
            If there is none.
        """
        begin, end, _ = slice(start, stop).indices(len(self))
        for number, each in enumerate(islice(self, begin, end), begin):
            if value is each or value == each:
                return number
        raise ValueError(f"{value!r} is not in deque {self.name!r}")

    def copy(self) -> deque[V]:
        """Return what it holds at one moment as a :class:`collections.deque`, which is no file."""
        found = self._items.items()
        return deque((self._decoded(stored.codec, stored.value) for stored in found), self.maxlen)

    def stats(self) -> DequeStats:
        """Return what it holds."""
        return DequeStats(len(self), self._items.size())

    def __eq__(self, other: object) -> bool:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() == plain

    def __lt__(self, other: object) -> bool:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() < plain

    def __le__(self, other: object) -> bool:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() <= plain

    def __gt__(self, other: object) -> bool:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() > plain

    def __ge__(self, other: object) -> bool:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() >= plain

    def __add__(self, other: object) -> deque[V]:
        plain = _plain(other)
        return NotImplemented if plain is None else self.copy() + plain

    def __mul__(self, times: int) -> deque[V]:
        return self.copy() * times

    __rmul__ = __mul__

    def __iadd__(self, values: Iterable[V]) -> Self:  # type: ignore[misc]
        self.extend(values)
        return self

    def __imul__(self, times: int) -> Self:
        times = whole(times)
        with self.transact():
            found = [(stored.codec, stored.value) for stored in self._items.items()]
            if times <= 0:
                self.clear()
            else:
                self._push_encoded(found * (times - 1), first=False)
        return self

    # --- together

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Let what this thread does in the block be one: all of it or, on an exception, nothing.

        As of :meth:`Index.transact`; what is done to other collections of the directory is a part
        of it.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     waiting, ready = cache.deque("waiting"), cache.deque("ready")
        ...     waiting.append("a")
        ...     with waiting.transact():
        ...         ready.append(waiting.popleft())
        ...     ready
        Deque('ready', ['a'])
        """
        with self._items.transaction():
            yield

    def __stagecache_fingerprint__(self) -> object:
        """Count as the place that it is; a body that reads it rests on all items."""
        return self._items.place

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Deque is a place, which cannot be copied or pickled: open it by its name wherever "
            "it is used; deque.copy() gives what it holds"
        )

    def __repr__(self) -> str:
        shown = [repr(each) for each in islice(self, _SHOWN + 1)]
        if len(shown) > _SHOWN:
            shown[-1] = "..."
        maxlen = "" if self.maxlen is None else f", maxlen={self.maxlen}"
        return f"Deque({self.name!r}, [{', '.join(shown)}]{maxlen})"

    # --- shared

    def _push(self, value: V, *, first: bool) -> None:
        encoded = self._encoded(value)
        most = self._items.declare()["maxlen"]
        if most is None:
            self._row.push(*encoded, first=first)
            return
        with self._items.transaction():
            self._row.push(*encoded, first=first)
            self._row.trim(most, first=not first)

    def _push_all(self, values: Iterable[V], *, first: bool) -> None:
        encoded = [self._encoded(value) for value in values]
        if encoded:
            self._push_encoded(encoded, first=first)

    def _push_encoded(self, encoded: list[tuple[str, Any]], *, first: bool) -> None:
        most = self._items.declare()["maxlen"]
        if most is not None:
            encoded = encoded[max(0, len(encoded) - most) :]
        with self._items.transaction():
            for each in encoded:
                self._row.push(*each, first=first)
            if most is not None:
                self._row.trim(most, first=not first)

    def _take(self, *, first: bool) -> V:
        taken: list[V] = []

        def look(codec: str, data: Value) -> None:
            taken[:] = [self._decoded(codec, data)]

        if not self._row.take(look, first=first):
            raise IndexError(f"pop from an empty deque, {self.name!r}")
        return taken[0]

    def _at(self, number: int) -> V:
        note_all(self._items)
        found = self._row.at(number)
        if found is None:
            raise IndexError("deque index out of range")
        return self._decoded(found.codec, found.value)

    def _encoded(self, value: V) -> tuple[str, Value]:
        try:
            return encode_value(value, self._store)
        except EncodeError as error:
            raise EncodeError(f"{self.name!r} cannot keep an item: {error}") from error

    def _decoded(self, codec: str, data: Value) -> V:
        try:
            return decode_value(codec, data, self._store)  # type: ignore[no-any-return]
        except DecodeError as error:
            raise DecodeError(f"an item of {self.name!r} cannot be decoded: {error}") from error


def _plain(other: object) -> deque[Any] | None:
    """Return what is compared as a deque, as only deques are; None if it is none."""
    if isinstance(other, Deque):
        return other.copy()
    return other if isinstance(other, deque) else None
