"""Mappings that let go of something when they are full; which, is their policy."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

import cachetools

from stagecache.memory.locked import Locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

K = TypeVar("K")
V = TypeVar("V")

_generator = random.Random()  # noqa: S311 - chance, no secret
"""Not the module's own generator: to put an item must not disturb what the user has seeded."""


class LRU(Locked[K, V], cachetools.LRUCache[K, V]):
    """A mapping that lets go of what was used least recently. Thread-safe.

    Parameters
    ----------
    maxsize : int
        How many items, or how much by `getsizeof`.
    getsizeof : callable, optional
        Takes a value and returns its size, for example in bytes; 1 by default. A value that is
        larger than `maxsize` is refused with ``ValueError``.

    Examples
    --------
    >>> recent = LRU(2)
    >>> recent.update(a=1, b=2)
    >>> recent["a"]
    1
    >>> recent["c"] = 3
    >>> sorted(recent)
    ['a', 'c']
    >>> small = LRU(10, getsizeof=len)
    >>> small["text"] = "more than ten"
    Traceback (most recent call last):
        ...
    ValueError: value too large
    """


class LFU(Locked[K, V], cachetools.LFUCache[K, V]):
    """A mapping that lets go of what was used least often; of several, the least recent.

    Parameters
    ----------
    maxsize, getsizeof
        As of :class:`LRU`.

    Examples
    --------
    >>> frequent = LFU(2)
    >>> frequent.update(a=1, b=2)
    >>> frequent["a"], frequent["a"], frequent["b"]
    (1, 1, 2)
    >>> frequent["c"] = 3
    >>> sorted(frequent)
    ['a', 'c']
    """


class FIFO(Locked[K, V], cachetools.FIFOCache[K, V]):
    """A mapping that lets go of what was put first.

    Parameters
    ----------
    maxsize, getsizeof
        As of :class:`LRU`.

    Examples
    --------
    >>> queue = FIFO(2)
    >>> queue.update(a=1, b=2, c=3)
    >>> sorted(queue)
    ['b', 'c']
    """


class Random(Locked[K, V], cachetools.RRCache[K, V]):
    """A mapping that lets go of anything.

    Parameters
    ----------
    maxsize, getsizeof
        As of :class:`LRU`.
    choice : callable, optional
        Takes a sequence of keys and returns the one to let go; by default by chance.

    Examples
    --------
    >>> first = Random(2, choice=min)
    >>> first.update(a=1, b=2, c=3)
    >>> sorted(first)
    ['b', 'c']
    """

    def __init__(
        self,
        maxsize: float,
        getsizeof: Callable[[V], float] | None = None,
        *,
        choice: Callable[[Sequence[K]], K] = _generator.choice,
    ) -> None:
        super().__init__(maxsize, choice=choice, getsizeof=getsizeof)
