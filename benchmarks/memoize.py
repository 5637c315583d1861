"""A hit of a memoized function beside functools.lru_cache and cachetools under a lock.

Contenders take turns within every round; a figure is the median over rounds, in nanoseconds a
call. Run with ``python benchmarks/memoize.py [--rounds 200]``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cachetools
import cachetools.keys

from stagecache import memoize

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 2_000


def plain(x: Any, scale: int = 1) -> Any:
    return x, scale


def by_cachetools(key: Callable[..., Any] = cachetools.keys.hashkey) -> Callable[..., Any]:
    cache: cachetools.LRUCache[Any, Any] = cachetools.LRUCache(128)
    return cachetools.cached(cache, key=key, lock=threading.RLock(), info=True)(plain)


class Ours:
    """A method that remembers by us."""

    @memoize(128)
    def method(self, x: Any) -> Any:
        """Return what it was given."""
        return x


class Theirs:
    """By cachetools."""

    def __init__(self) -> None:
        self.cache: Any = cachetools.LRUCache(128)
        self.lock = threading.RLock()

    @cachetools.cachedmethod(lambda self: self.cache, lock=lambda self: self.lock)
    def method(self, x: Any) -> Any:
        """Return what it was given."""
        return x


class Builtin:
    """By the standard library."""

    @lru_cache(128)  # noqa: B019 - keeps its objects alive, which is the point of the others
    def method(self, x: Any) -> Any:
        """Return what it was given."""
        return x


def nanoseconds(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median of each over rounds in which they take turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            call = contenders[name]
            call()
            began = time.perf_counter()
            for _ in range(CALLS):
                call()
            times[name].append((time.perf_counter() - began) / CALLS * 1e9)
    return {name: statistics.median(taken) for name, taken in times.items()}


def show(title: str, found: dict[str, float]) -> None:
    first = next(iter(found))
    print(title)
    for name, figure in found.items():
        print(f"    {name:<34} {figure:9.0f} ns   {figure / found[first]:6.2f} x {first}")


def main() -> None:
    """Print a table for functions, methods and arguments without a hash."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    bounded, unbounded = memoize(128)(plain), memoize(None)(plain)
    cached, builtin = by_cachetools(), lru_cache(128)(plain)
    functions: dict[str, Callable[[], object]] = {
        "stagecache": lambda: bounded(1),
        "stagecache, unbounded": lambda: unbounded(1),
        "cachetools.cached, lock, info": lambda: cached(1),
        "functools.lru_cache": lambda: builtin(1),
        "a call and nothing else": lambda: plain(1),
    }
    show("f(1), a hit", nanoseconds(functions, rounds))
    functions = {
        "stagecache": lambda: bounded(1, scale=2),
        "cachetools.cached, lock, info": lambda: cached(1, scale=2),
        "functools.lru_cache": lambda: builtin(1, scale=2),
    }
    show("f(1, scale=2), a hit", nanoseconds(functions, rounds))
    ours, theirs, old = Ours(), Theirs(), Builtin()
    methods: dict[str, Callable[[], object]] = {
        "stagecache": lambda: ours.method(1),
        "cachetools.cachedmethod, lock": lambda: theirs.method(1),
        "functools.lru_cache": lambda: old.method(1),
    }
    show("obj.method(1), a hit", nanoseconds(methods, rounds))
    numbers = list(range(100))
    show("f(a list of 100), a hit", nanoseconds({"stagecache": lambda: bounded(numbers)}, rounds))


if __name__ == "__main__":
    main()
