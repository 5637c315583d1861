"""Regions of dogpile.cache and caches of Django on our backends, beside those on their own.

Contenders take turns within every round, so that what else the machine does hits all alike; a
figure is the median over operations, and each ratio is that of two medians of one round-robin. Run
with ``python benchmarks/regions.py [--count 2000] [--redis redis://127.0.0.1:6379/0]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import TYPE_CHECKING, Any

from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from dogpile.cache import make_region as theirs

from benchmarks.persistent import microseconds, show
from stagecache.integrations.django import StagecacheCache
from stagecache.integrations.dogpile import make_region as ours
from stagecache.stores.shared import keyring

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = {"id": 17, "name": "a name", "tags": ["a", "b", "c"], "text": "x" * 900}


def operations(contenders: dict[str, Any], keys: list[str], versus: dict[str, str]) -> None:
    """Show set, get, get again and many at once of each contender."""
    calls: dict[str, Callable[[Any], Callable[[str], object]]] = {
        "set": lambda cache: lambda key: cache.set(key, VALUE),
        "get": lambda cache: cache.get,
        "get, lately read": lambda cache: lambda _: cache.get(keys[0]),
        "get nothing": lambda cache: lambda key: cache.get(key + "?"),
    }
    for title, call in calls.items():
        found = microseconds({name: call(cache) for name, cache in contenders.items()}, keys)
        compare(title, found, versus)


def compare(title: str, found: dict[str, float], versus: dict[str, str]) -> None:
    """Show each of ours beside the one that it is to stand in for, and the others."""
    for name, other in versus.items():
        show(f"{title}: {name}", {name: found[name], other: found[other]}, other)
    for name in sorted(found.keys() - versus.keys() - set(versus.values())):
        print(f"    {name:<36} {found[name]:9.2f} us")


def on(cache: Any, method: str, *args: Any) -> Callable[[str], object]:
    """Return what calls a method with the same arguments, whatever the key."""
    call = getattr(cache, method)
    return lambda _: call(*args)


def regions(folder: str, keys: list[str], redis: str | None) -> None:
    disk = ours().configure(arguments={"directory": f"{folder}/cache"})
    dbm = theirs().configure("dogpile.cache.dbm", arguments={"filename": f"{folder}/dbm"})
    # It opens its file each time, and what `dbm` finds may be slow: it gets few keys.
    both: dict[str, Any] = {"stagecache, disk": disk, "dogpile.cache.dbm": dbm}
    operations(both, keys[:100], {"stagecache, disk": "dogpile.cache.dbm"})
    contenders: dict[str, Any] = {
        "stagecache, disk": disk,
        "stagecache, memory": ours().configure(arguments={"directory": ":memory:"}),
        "dogpile.cache.memory_pickle": theirs().configure("dogpile.cache.memory_pickle"),
        "dogpile.cache.memory": theirs().configure("dogpile.cache.memory"),
    }
    versus = {
        "stagecache, disk": "dogpile.cache.memory_pickle",
        "stagecache, memory": "dogpile.cache.memory_pickle",
    }
    if redis is not None:
        contenders["stagecache, redis"] = ours().configure(arguments={"url": redis})
        contenders["dogpile.cache.redis"] = theirs().configure(
            "dogpile.cache.redis", arguments={"url": redis}
        )
        keyring.make(f"{folder}/team.key")
        signed = {"url": redis, "signing_key": f"{folder}/team.key", "allow_pickle": True}
        contenders["stagecache, redis, signed pickles"] = ours().configure(
            arguments={**signed, "name": "signed"}
        )
        versus["stagecache, redis"] = "dogpile.cache.redis"
        versus["stagecache, redis, signed pickles"] = "dogpile.cache.redis"
    operations(contenders, keys, versus)
    found = microseconds(
        {name: on(region, "get_multi", keys[:100]) for name, region in contenders.items()},
        keys[:100],
    )
    compare("get_multi of 100", found, versus)
    found = microseconds(
        {name: on(region, "get_or_create", keys[0], dict) for name, region in contenders.items()},
        keys,
    )
    compare("get_or_create, a hit", found, versus)
    functions: dict[str, Any] = {}
    for name, region in contenders.items():
        functions[name] = region.cache_on_arguments(namespace=name)(doubled)
    found = microseconds({name: on(fn, "__call__", 3) for name, fn in functions.items()}, keys)
    compare("a cached function, a hit", found, versus)


def doubled(x: int) -> int:
    return 2 * x


def django(folder: str, keys: list[str]) -> None:
    params = {"OPTIONS": {"MAX_ENTRIES": 10 * len(keys)}}
    contenders: dict[str, Any] = {
        "StagecacheCache": StagecacheCache(f"{folder}/django", params),
        "FileBasedCache": FileBasedCache(f"{folder}/files", params),
        "LocMemCache": LocMemCache("bench", params),
    }
    versus = {"StagecacheCache": "FileBasedCache"}
    # It lists its directory at each set, so it gets few keys.
    operations(contenders, keys[:500], versus)
    for cache in contenders.values():
        cache.set("n", 0)
    found = microseconds(
        {name: on(cache, "incr", "n") for name, cache in contenders.items()},
        keys[:300],
    )
    compare("incr", found, versus)
    found = microseconds(
        {name: on(cache, "get_many", keys[:100]) for name, cache in contenders.items()},
        keys[:50],
    )
    compare("get_many of 100", found, versus)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--redis")
    asked = parser.parse_args()
    keys = [f"key{number}" for number in range(asked.count)]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        regions(folder, keys, asked.redis)
        django(folder, keys)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
