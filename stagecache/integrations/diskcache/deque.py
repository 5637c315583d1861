"""`Deque` of diskcache: a list with two ends, over the queue of numbered keys of a cache."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from stagecache.integrations.diskcache.cache import Cache
from stagecache.integrations.diskcache.words import ENOVAL

if TYPE_CHECKING:
    import os

    from stagecache.integrations.diskcache.memoizing import Memoizing
    from stagecache.stores.disk.items import Stored

_NOTHING = (None, ENOVAL)


class Deque(Sequence[Any]):
    """A persistent :class:`collections.deque`, shared by threads and processes.

    Parameters
    ----------
    iterable : iterable, optional
        What is appended at first.
    directory : str or os.PathLike, optional
        Where it lies; by default in a new temporary directory.
    maxlen : int, optional
        How many values it holds at most; those at the other end give way.

    Examples
    --------
    >>> deque = Deque("abc")
    >>> deque.appendleft(1)
    >>> deque.rotate()
    >>> list(deque), deque.popleft(), deque[-1], len(deque)
    (['c', 1, 'a', 'b'], 'c', 'b', 3)
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        iterable: Iterable[Any] = (),
        directory: str | os.PathLike[str] | None = None,
        maxlen: float | None = None,
    ) -> None:
        self._open(Cache(directory, eviction_policy="none"), iterable, maxlen)

    @classmethod
    def fromcache(
        cls, cache: Memoizing, iterable: Iterable[Any] = (), maxlen: float | None = None
    ) -> Self:
        """Return a deque over the items of a cache, whose policy should be ``none``."""
        self = cls.__new__(cls)
        self._open(cache, iterable, maxlen)
        return self

    def _open(self, cache: Memoizing, iterable: Iterable[Any], maxlen: float | None) -> None:
        self._cache = cache
        self._maxlen = math.inf if maxlen is None else maxlen
        self.extend(iterable)

    @property
    def cache(self) -> Memoizing:
        """What it lies over."""
        return self._cache

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self._cache.directory

    @property
    def maxlen(self) -> float:
        """How many values it holds at most; infinite if there is no bound."""
        return self._maxlen

    @maxlen.setter
    def maxlen(self, value: float | None) -> None:
        self._maxlen = math.inf if value is None else value
        with self.transact():
            while self._cache._trimmed(self._maxlen, "front"):
                pass

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Let what this thread does in the block be one: all of it or, on an exception, nothing."""
        with self._cache.transact(retry=True):
            yield

    # --- the ends

    def append(self, value: Any) -> None:
        """Put `value` at the end."""
        self._push(value, "back")

    def appendleft(self, value: Any) -> None:
        """Put `value` before the first."""
        self._push(value, "front")

    def extend(self, iterable: Iterable[Any]) -> None:
        """Put all values at the end, one by one."""
        for value in iterable:
            self.append(value)

    def extendleft(self, iterable: Iterable[Any]) -> None:
        """Put all values before the first, one by one, so that the last one comes first."""
        for value in iterable:
            self.appendleft(value)

    def pop(self) -> Any:
        """Take the last value, and return it.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._taken(self._cache.pull(None, _NOTHING, "back", retry=True), "pop")

    def popleft(self) -> Any:
        """Take the first value, and return it.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._taken(self._cache.pull(None, _NOTHING, retry=True), "pop")

    def peek(self) -> Any:
        """Return the last value.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._taken(self._cache.peek(None, _NOTHING, "back", retry=True), "peek")

    def peekleft(self) -> Any:
        """Return the first value.

        Raises
        ------
        IndexError
            If there is none.
        """
        return self._taken(self._cache.peek(None, _NOTHING, retry=True), "peek")

    # --- in between

    def __len__(self) -> int:
        return len(self._cache)

    def __iter__(self) -> Iterator[Any]:
        return self._values(reverse=False)

    def __reversed__(self) -> Iterator[Any]:
        return self._values(reverse=True)

    def __getitem__(self, index: Any) -> Any:
        return self._value(self._item(index))

    def __setitem__(self, index: int, value: Any) -> None:
        with self.transact():
            self._replace(self._item(index), *self._cache._coding.value(value, False, None))

    def __delitem__(self, index: int) -> None:
        with self.transact():
            self._cache._discard([self._item(index).id])

    def __iadd__(self, iterable: Iterable[Any]) -> Self:
        self.extend(iterable)
        return self

    def count(self, value: Any) -> int:
        """Return how many values are equal to `value`."""
        return sum(1 for each in self if each == value)

    def remove(self, value: Any) -> None:
        """Remove the first value that is equal to `value`.

        Raises
        ------
        ValueError
            If there is none.
        """
        with self.transact():
            for item in self._cache._items_by_key():
                if self._value(item) == value:
                    self._cache._discard([item.id])
                    return
        raise ValueError("deque.remove(value): value not in deque")

    def clear(self) -> None:
        """Remove all values."""
        self._cache.clear(retry=True)

    def copy(self) -> Self:
        """Return another one with the same values, in a new temporary directory."""
        return type(self)(iter(self), maxlen=self._maxlen)

    def reverse(self) -> None:
        """Turn the order round, in one commit."""
        with self.transact():
            items = list(self._cache._items_by_key())
            for item, other in zip(items, reversed(items), strict=True):
                self._replace(item, other.codec, other.value)

    def rotate(self, steps: int = 1) -> None:
        """Move so many values from the end to the front; if negative, from the front to the end.

        Raises
        ------
        TypeError
            If `steps` is no whole number.
        """
        if not isinstance(steps, int):
            raise TypeError(f"integer argument expected, got {type(steps).__name__}")
        with self.transact():
            count = len(self)
            if not count:
                return
            for _ in range(abs(steps) % count):
                if steps > 0:
                    self._cache.push(self.pop(), side="front", retry=True)
                else:
                    self._cache.push(self.popleft(), retry=True)

    # --- shared

    def _push(self, value: Any, side: str) -> None:
        if self._maxlen == math.inf:
            self._cache.push(value, side=side, retry=True)
            return
        with self.transact():
            self._cache.push(value, side=side, retry=True)
            self._cache._trimmed(self._maxlen, "front" if side == "back" else "back")

    def _taken(self, pair: tuple[Any, Any], verb: str) -> Any:
        if pair[1] is ENOVAL:
            raise IndexError(f"{verb} from an empty deque")
        return pair[1]

    def _values(self, *, reverse: bool) -> Iterator[Any]:
        return map(self._value, self._cache._items_by_key(reverse))

    def _value(self, item: Stored) -> Any:
        return self._cache._coding.fetched(item.codec, item.value, False)

    def _item(self, index: int) -> Stored:
        found = self._cache._item_at(operator.index(index))
        if found is None:
            raise IndexError("deque index out of range")
        return found

    def _replace(self, item: Stored, codec: str, data: Any) -> None:
        assert item.key is not None
        now = self._cache._now()
        self._cache._keep(item.key, codec, data, now, None, item.expires, item.tag, retry=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(directory={self.directory!r})"

    def __getstate__(self) -> tuple[str, float]:
        return self.directory, self.maxlen

    def __setstate__(self, state: tuple[str, float]) -> None:
        directory, maxlen = state
        self._open(Cache(directory, eviction_policy="none"), (), maxlen)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._compared(other, operator.ne)

    def __lt__(self, other: object) -> Any:
        return self._compared(other, operator.lt)

    def __le__(self, other: object) -> Any:
        return self._compared(other, operator.le)

    def __gt__(self, other: object) -> Any:
        return self._compared(other, operator.gt)

    def __ge__(self, other: object) -> Any:
        return self._compared(other, operator.ge)

    def _compared(self, other: object, how: Callable[[Any, Any], bool]) -> Any:
        if not isinstance(other, Sequence):
            return NotImplemented
        return how(list(self), list(other))
