"""Persistent collections beside diskcache's and persist-queue's.

Contenders take turns within every round, so that what else the machine does hits all alike; a
figure is the median over operations or rounds. Run with ``python benchmarks/persistent.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import cachetools
import diskcache

from stagecache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 100
ROUNDS = 7


def microseconds(
    contenders: dict[str, Callable[[str], object]], keys: list[str]
) -> dict[str, float]:
    """Return the median over chunks of keys, in which the contenders take turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        random.shuffle(names)
        for name in names:
            call = contenders[name]
            found = times[name]
            for key in chunk:
                began = time.perf_counter()
                call(key)
                found.append((time.perf_counter() - began) * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def loops(contenders: dict[str, Callable[[], object]], count: int) -> dict[str, float]:
    """Return the median of microseconds an operation, of rounds that do `count` of them."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            began = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - began) / count * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def show(title: str, found: dict[str, float], versus: str, goals: float | None = None) -> None:
    """Print a table; `goals` is how many times as fast ours are to be."""
    print(title)
    for name, figure in found.items():
        ratio = found[versus] / figure
        goal = None if name.startswith(("diskcache", "cachetools")) else goals
        said = "" if goal is None else f"   goal {goal:g}: {'met' if ratio >= goal else 'not met'}"
        print(f"    {name:<36} {figure:9.2f} us   {ratio:6.2f} x {versus}{said}")


def mappings(folder: str, count: int) -> None:
    cache = Cache(f"{folder}/stagecache")
    index, unremembered = cache.index("bench"), cache.index("bench", memory=0)
    bounded = cache.index("bounded", max_items=10**9, when_full="evict-oldest")
    other, plain = diskcache.Index(f"{folder}/index"), diskcache.Cache(f"{folder}/cache")
    value: Any = os.urandom(1024)
    keys = [f"key {number}" for number in range(count)]
    found = microseconds(
        {
            "Index, set": lambda key: index.__setitem__(key, value),
            "Index with a bound, set": lambda key: bounded.__setitem__(key, value),
            "diskcache.Index, set": lambda key: other.__setitem__(key, value),
            "diskcache.Cache, set": lambda key: plain.set(key, value),
        },
        keys,
    )
    show(f"set 1 KB, {count:,} new keys", found, "diskcache.Index, set", 2)
    random.shuffle(keys)
    found = microseconds(
        {
            "Index, set": lambda key: index.__setitem__(key, value),
            "diskcache.Index, set": lambda key: other.__setitem__(key, value),
        },
        keys,
    )
    show("set 1 KB, keys that are there", found, "diskcache.Index, set", 2)
    found = microseconds(
        {
            "Index, get (nothing remembered)": unremembered.get,
            "diskcache.Index, get": other.__getitem__,
            "diskcache.Cache, get": plain.get,
        },
        keys,
    )
    show("get 1 KB", found, "diskcache.Index, get", 1)
    item = {"name": "a", "sizes": [1, 2, 3], "ok": True}
    found = microseconds(
        {
            "Index, set a dict": lambda key: index.__setitem__(key, item),
            "diskcache.Index, set a dict": lambda key: other.__setitem__(key, item),
        },
        keys[: count // 2],
    )
    show("set a small dict", found, "diskcache.Index, set a dict", 2)
    found = microseconds(
        {"Index, get a dict": unremembered.get, "diskcache.Index, get a dict": other.__getitem__},
        keys[: count // 2],
    )
    show("get a small dict", found, "diskcache.Index, get a dict", 1)
    found = loops(
        {
            "Index, items": lambda: sum(1 for _ in index.items()),
            "Index, keys": lambda: sum(1 for _ in index),
            "diskcache.Index, items": lambda: sum(1 for _ in other.items()),
            "diskcache.Index, keys": lambda: sum(1 for _ in other),
        },
        count,
    )
    show("iterate, each item", found, "diskcache.Index, items")
    found = loops(
        {
            "Index, incr": lambda: [index.incr("n") for _ in range(200)],
            "diskcache.Cache, incr": lambda: [plain.incr("n", default=0) for _ in range(200)],
        },
        200,
    )
    show("count", found, "diskcache.Cache, incr", 2)
    large = os.urandom(1 << 20)

    def kept_and_got(mapping: Any) -> None:
        mapping["large"] = large
        assert len(mapping["large"]) == len(large)

    found = loops(
        {
            "Index, set and get 1 MB": lambda: kept_and_got(index),
            "diskcache.Index, set and get 1 MB": lambda: kept_and_got(other),
        },
        1,
    )
    show("a large value", found, "diskcache.Index, set and get 1 MB")
    cache.close()
    plain.close()


def remembered(folder: str) -> None:
    cache = Cache(f"{folder}/remembered")
    index = cache.index("bench")
    lock = threading.Lock()
    lru: cachetools.LRUCache[str, bytes] = cachetools.LRUCache(10_000)
    keys = [f"key {number}" for number in range(500)]
    for key in keys:
        index[key] = lru[key] = os.urandom(1024)

    def of_lru() -> None:
        for key in keys:
            with lock:
                lru.get(key)

    def of_index() -> None:
        for key in keys:
            index.get(key)

    of_index()
    found = loops({"Index, get again": of_index, "cachetools.LRUCache, lock": of_lru}, len(keys))
    show("get 1 KB that was read just now", found, "cachetools.LRUCache, lock")
    cache.close()


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mappings(folder, options.items)
        remembered(folder)


if __name__ == "__main__":
    main()
