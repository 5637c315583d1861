"""A lock around a mapping of cachetools: every operation is whole, and counted.

The policy is that of the class behind it. What is read while others write is a state that was
there at one moment: iterating never meets a key that has just gone.
"""

from __future__ import annotations

import threading
from collections.abc import ItemsView, ValuesView
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import cachetools

from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

K = TypeVar("K")
V = TypeVar("V")

_NOTHING: Any = object()


class Statistics(NamedTuple):
    """What a mapping was asked and let go since it was made."""

    hits: int
    misses: int
    evictions: int
    """Items that gave way to others."""
    expired: int
    """Items that were let go since their time was over."""
    maxsize: float
    currsize: float


class Guard:
    """The lock of one mapping, held while the process forks: a child finds the mapping whole."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        hold_over_forks(self)

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self.lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002 - the same in both
        """Go on."""
        self.lock.release()


class Locked(cachetools.Cache[K, V]):
    """Put before a class of cachetools, makes it safe for threads and lets it count."""

    _guard: Guard
    _lock: threading.RLock

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:  # noqa: D102 - nothing to call
        self = super().__new__(cls)
        self._begin()
        return self

    def _begin(self) -> None:
        self._guard = Guard()
        self._lock = self._guard.lock
        self._hits = self._misses = self._evictions = self._expired = 0
        self._filling = 0
        """How deep we are in putting an item: what `popitem` takes then gives way to it."""

    def statistics(self) -> Statistics:
        """Return hits, misses and what gave way, since the mapping was made."""
        with self._lock:
            return Statistics(
                self._hits, self._misses, self._evictions, self._expired,
                self.maxsize, self.currsize,
            )  # fmt: skip

    def __getitem__(self, key: K) -> V:
        with self._lock:
            if super().__contains__(key):
                self._hits += 1
            else:
                self._misses += 1
            return super().__getitem__(key)

    def __setitem__(self, key: K, value: V) -> None:
        with self._lock:
            self._filling += 1
            try:
                super().__setitem__(key, value)
            finally:
                self._filling -= 1

    def __delitem__(self, key: K) -> None:
        with self._lock:
            super().__delitem__(key)

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return super().__contains__(key)

    def __iter__(self) -> Iterator[K]:
        for key in self._keys():
            if key in self:  # it may be gone since
                yield key

    def __len__(self) -> int:
        with self._lock:
            return super().__len__()

    def __repr__(self) -> str:
        with self._lock:
            return super().__repr__()

    @property
    def currsize(self) -> float:
        """What is there now, in items or as `getsizeof` counts."""
        with self._lock:
            return super().currsize

    def get(self, key: K, default: Any = None) -> Any:
        """Return the item under `key`, or `default`."""
        with self._lock:
            found = super().get(key, _NOTHING)
            if found is _NOTHING:
                self._misses += 1
                return default
            return found

    def pop(self, key: K, default: Any = _NOTHING) -> Any:
        """Take the item under `key` out and return it, or `default`.

        Raises
        ------
        KeyError
            If there is none and no `default`.
        """
        with self._lock:
            found = super().pop(key, _NOTHING)
        if found is not _NOTHING:
            return found
        if default is _NOTHING:
            raise KeyError(key)
        return default

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the item under `key`; if there is none, put `default` there."""
        with self._lock:
            return super().setdefault(key, default)

    def popitem(self) -> tuple[K, V]:
        """Take out and return the item that is to give way; override it to see them go.

        Raises
        ------
        KeyError
            If there is none.
        """
        with self._lock:
            hits = self._hits
            pair = super().popitem()
            self._hits = hits  # cachetools before 8 looks the item up as a user would
            self._evictions += self._filling > 0
            return pair

    def clear(self) -> None:
        """Take everything out."""
        with self._lock:
            super().clear()

    def items(self) -> ItemsView[K, V]:
        """Return a view of the pairs; iterating it counts as no use of them."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return a view of the values; iterating it counts as no use of them."""
        return _Values(self)

    def __copy__(self) -> Self:
        if not hasattr(cachetools.Cache, "__copy__"):  # or both would share what they hold
            raise TypeError(f"copying a {type(self).__name__} needs cachetools 8 or later")
        with self._lock:
            copy: Self = super().__copy__()  # type: ignore[misc]
        copy._begin()
        return copy

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = self.__dict__.copy()
        del state["_guard"], state["_lock"]
        return state

    def _keys(self) -> list[K]:
        with self._lock:
            return list(super().__iter__())

    def _pairs(self) -> list[tuple[K, V]]:
        with self._lock:
            # Past the policy: who looks through everything uses nothing.
            read = cachetools.Cache.__getitem__
            return [(key, read(self, key)) for key in self._keys()]


class _Items(ItemsView[K, V]):
    _mapping: Locked[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._mapping._pairs())


class _Values(ValuesView[V]):
    _mapping: Locked[Any, V]

    def __iter__(self) -> Iterator[V]:
        return iter([value for _, value in self._mapping._pairs()])

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)
