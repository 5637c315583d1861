"""Where a memoized function's results lie: in what mapping, under what keys, how often found."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from stagecache.memory.locked import Guard
from stagecache.memory.timed import TTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

NOTHING: Any = object()
"""What is found where nothing is kept."""


class Mapping(Protocol):
    """What results may be kept in: a dict, a mapping of cachetools or cachebox, one of ours."""

    def get(self, key: Any, default: Any, /) -> Any:
        """Return what is kept under `key`, or `default`."""

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Keep `value`; raises ValueError if it is too large."""

    def __delitem__(self, key: Any, /) -> None:
        """Let go of what is kept under `key`."""

    def __len__(self) -> int:
        """Return how many items there are."""

    def __iter__(self) -> Any:
        """Iterate over the keys."""


class CacheInfo(NamedTuple):
    """How a memoized function was used."""

    hits: int
    misses: int
    maxsize: float | None
    """None: unbounded, or the mapping does not tell."""
    currsize: float


class Results(Protocol):
    """The results of one function, or of one method on one object."""

    mapping: Any
    hits: int
    misses: int
    epoch: object
    """Another one after each `clear`: what was begun before is not kept afterwards."""

    def key(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the key in `mapping`."""

    def get(self, key: tuple[Any, ...], default: Any, /) -> Any:
        """Return what is kept under the key, which is used by that, or `default`."""

    def put(self, key: tuple[Any, ...], value: Any, epoch: object) -> None:
        """Keep `value` unless all was cleared since `epoch`."""

    def clear(self) -> None:
        """Let go of all these results and counts."""

    def info(self) -> CacheInfo:
        """Return counts and sizes."""


class Own:
    """Results in a mapping that nobody else has: the least recently used go, or the expired.

    Parameters
    ----------
    guard : Guard
        The function's lock.
    maxsize : int or None
        How many are kept; None: all.
    ttl : float, str or timedelta, optional
        How long one is kept.
    timer : callable
        What tells the time.
    """

    def __init__(
        self,
        guard: Guard,
        maxsize: int | None,
        ttl: float | str | timedelta | None,
        timer: Callable[[], float],
    ) -> None:
        self._lock = guard.lock
        self._maxsize = maxsize
        self.hits = self.misses = 0
        self.epoch = object()
        self.mapping: Any
        self.get: Callable[[tuple[Any, ...], Any], Any]
        if ttl is not None:
            self.mapping = TTL(math.inf if maxsize is None else maxsize, ttl, timer)
            self.get = self.mapping.get
            self._lock = self.mapping._lock  # one lock less to take
        elif maxsize is None:
            self.mapping = {}
            self.get = self.mapping.get
        else:
            self.mapping = OrderedDict()
            self.get = self._get_recent

    def key(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the key as it is."""
        return key

    def _get_recent(self, key: tuple[Any, ...], default: Any, /) -> Any:
        # Under the lock, since a key may compare by code of the user's, where threads take turns.
        mapping = self.mapping
        with self._lock:
            value = mapping.get(key, default)
            if value is not default:
                mapping.move_to_end(key)
            return value

    def put(self, key: tuple[Any, ...], value: Any, epoch: object) -> None:
        """Keep `value`; the least recently used makes room for it."""
        with self._lock:
            if epoch is not self.epoch or self._maxsize == 0:
                return
            self.mapping[key] = value
            if type(self.mapping) is OrderedDict and len(self.mapping) > (self._maxsize or 0):
                self.mapping.popitem(last=False)

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self.epoch = object()
            self.mapping.clear()
            self.hits = self.misses = 0

    def info(self) -> CacheInfo:
        """Return counts and sizes."""
        return CacheInfo(self.hits, self.misses, self._maxsize, len(self.mapping))


class Place:
    """A mapping that the user gave, with the one lock of all functions that keep results in it.

    It also knows what is to be swept out of it: the results of objects that are no more.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.guard = Guard()
        self.gone: deque[object] = deque()

    def sweep(self) -> None:
        """Let go of what belongs to an epoch that is over; the lock is held."""
        over = set()
        while self.gone:
            over.add(self.gone.popleft())
        if over:
            self._drop([key for key in self.mapping if type(key) is Owned and key[0] in over])

    def _drop(self, keys: Iterable[Any]) -> None:
        for key in keys:
            try:
                del self.mapping[key]
            except KeyError:  # expired, or given way, this moment
                continue


_places: WeakValueDictionary[int, Place] = WeakValueDictionary()
_making = Guard()


def place_of(mapping: Mapping) -> Place:
    """Return the place that `mapping` is: always the same one while anybody uses it."""
    fresh = Place(mapping)
    with _making.lock:
        return _places.setdefault(id(mapping), fresh)


class Owned(tuple[Any, ...]):
    """A key that begins with the epoch of those whose result it is."""

    __slots__ = ()


class Guest:
    """Results in a mapping that the user gave, which others may use too.

    Parameters
    ----------
    place : Place
        Where.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.mapping = place.mapping
        self.hits = self.misses = 0
        self.epoch = object()

    def key(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a key that no other function and no other object has."""
        return Owned((self.epoch, *key))

    def get(self, key: tuple[Any, ...], default: Any, /) -> Any:
        """Return what is kept under the key, or `default`."""
        with self._place.guard.lock:
            return self.mapping.get(self.key(key), default)

    def put(self, key: tuple[Any, ...], value: Any, epoch: object) -> None:
        """Keep `value`, unless it is too large for the mapping."""
        place = self._place
        with place.guard.lock:
            if place.gone:
                place.sweep()
            if epoch is self.epoch:
                try:
                    place.mapping[self.key(key)] = value
                except (ValueError, OverflowError):  # larger than the whole mapping
                    return

    def clear(self) -> None:
        """Let go of what is ours."""
        place = self._place
        with place.guard.lock:
            place.gone.append(self.epoch)
            self.epoch = object()
            self.hits = self.misses = 0
            place.sweep()

    def info(self) -> CacheInfo:
        """Return counts, and the sizes of the whole mapping."""
        mapping = self.mapping
        with self._place.guard.lock:
            size = getattr(mapping, "currsize", None)
            return CacheInfo(
                self.hits,
                self.misses,
                getattr(mapping, "maxsize", None),
                len(mapping) if size is None else size,
            )

    def __del__(self) -> None:
        # No lock here: this may be called in the middle of anything.
        self._place.gone.append(self.epoch)
