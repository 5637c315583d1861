"""Stores beside diskcache: lookups, commits, a second run's lookups, large values.

Contenders take turns within every round, so that what else the machine does hits all alike; a
figure is the median over operations or rounds. Run with ``python benchmarks/store.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import diskcache

from stagecache.model import Digest, Entry, Key, Provenance
from stagecache.stores.disk import DiskStore
from stagecache.stores.disk.checkpoint import write_back
from stagecache.stores.disk.index import insert
from stagecache.stores.memory import MemoryStore
from stagecache.stores.sections import flat, seal
from stagecache.stores.tiered import Tiered

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 100
FILL = 10_000
WARM = 20_000


def entry_for(key: bytes) -> Entry:
    return Entry(
        Key(key), Digest(key), "module:stage", Digest(bytes(16)), "plain", None, None, 0,
        time.time(), 1.5,
    )  # fmt: skip


def microseconds(
    contenders: dict[str, Callable[[Key], object]], keys: list[Key]
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


GOALS = {"disk store, put": 2.5, "disk items, set": 2.5, "disk items, get": 1.3}
"""How many times as fast as diskcache."""


def show(title: str, found: dict[str, float], unit: str, versus: str) -> None:
    print(title)
    for name, figure in found.items():
        ratio = found[versus] / figure
        goal = GOALS.get(name)
        said = "" if goal is None else f"   goal {goal}: {'met' if ratio >= goal else 'not met'}"
        print(f"    {name:<34} {figure:10.2f} {unit}   {ratio:6.2f} x {versus}{said}")


def fill(
    folder: str, disk: DiskStore, shelf: DiskStore, other: diskcache.Cache, standing: int
) -> None:
    """Keep as much as `standing` results and items, in large commits, and as much in diskcache.

    Where that was done by a run before in the same folder, a few are kept one by one: the caches of
    pages are then as they are in a process that has been at work for a while.
    """
    done = Path(folder, "standing")
    if done.exists():
        if int(done.read_text()) != standing:
            raise SystemExit(f"{folder} was filled with {done.read_text()}: choose another one")
        times, size = min(standing, WARM), 1
    else:
        times, size = standing // FILL, FILL
    value = os.urandom(1024)
    index, items = disk._index, shelf.items.open("bench", "index")
    for _ in range(times):
        keys = [Key(os.urandom(16)) for _ in range(size)]
        pairs = []
        for key in keys:
            entry = entry_for(key)
            entry = entry._replace(inline=seal(entry, flat([value])), size=1024)
            pairs.append((entry, Provenance(key, (), "host", 1, "3.11")))
        index.write(partial(insert, found=pairs))
        with items.transaction():
            for key in keys:
                items.set(key, "bytes", value)
        with other.transact():
            for key in keys:
                other.set(key, value)
    for ours in (disk, shelf.items):
        session = ours._connections.session()
        ours._connections._checkpoints.finish()
        session.let_go()
        if session.connection is not None:
            write_back(session.connection)
    os.sync()  # the machine is done with it before anything is timed
    done.write_text(str(standing))


def small(folder: str, count: int, standing: int) -> None:
    disk = DiskStore(f"{folder}/stagecache")
    # By its own bound it would hold less than a million of them, and throw ten away at each set.
    other = diskcache.Cache(f"{folder}/diskcache", size_limit=1 << 40)
    disk.prepare()
    shelf = DiskStore(f"{folder}/items")
    items = shelf.items.open("bench", "index")
    fill(folder, disk, shelf, other, standing)
    tiers = Tiered(MemoryStore(), [disk])
    value = os.urandom(1024)
    keys = [Key(os.urandom(16)) for _ in range(count)]

    def put(key: Key) -> None:
        entry = entry_for(key)
        disk.put(entry, [value], Provenance(key, (), "host", 1, "3.11"), None)

    found = microseconds(
        {
            "disk store, put": put,
            "disk items, set": lambda key: items.set(key, "bytes", value),
            "diskcache, set": lambda key: other.set(key, value),
        },
        keys,
    )
    show(f"write 1 KB, {count:,} new keys beside {standing:,}", found, "us", "diskcache, set")

    def get_and_load(key: Key) -> None:
        entry = disk.get(key)
        assert entry is not None
        disk.load(entry)

    random.shuffle(keys)
    found = microseconds(
        {
            "disk store, get": disk.get,
            "disk store, get and load": get_and_load,
            "disk items, get": items.get,
            "tiers, get (version asked)": tiers.get,
            "diskcache, get": other.get,
        },
        keys * 3,
    )
    show(f"read 1 KB at {count + standing:,} entries", found, "us", "diskcache, get")
    with disk.reading():
        found = microseconds({"disk store, get in a reading block": disk.get}, keys * 2)
    found |= {"disk store, 500 keys at once": many(disk, keys)}
    with tiers.reading():
        found |= microseconds({"tiers, get in a reading block": tiers.get}, keys * 2)
    found |= microseconds({"diskcache, get": other.get}, keys)
    show("a run's lookups", found, "us", "diskcache, get")
    shelf.close()
    disk.close()
    other.close()


def many(disk: DiskStore, keys: list[Key]) -> float:
    times = []
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        began = time.perf_counter()
        disk.get_many(part)
        times.append((time.perf_counter() - began) / len(part) * 1e6)
    return statistics.median(times)


def large(folder: str, megabytes: int) -> None:
    disk, other = DiskStore(f"{folder}/stagecache"), diskcache.Cache(f"{folder}/diskcache")
    size = megabytes << 20
    value = bytearray(os.urandom(1 << 20) * megabytes)
    times: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], object]) -> None:
        began = time.perf_counter()
        result = call()
        times.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        assert result is not None

    for turn in range(5):
        value[:8] = b"%08d" % turn
        first, second = (entry_for(os.urandom(16)) for _ in range(2))
        origin = Provenance(first.key, (), "host", 1, "3.11")
        timed("disk store, put", partial(disk.put, first, [value], origin, None))
        timed("disk store, put of what is there", partial(disk.put, second, [value], origin, None))
        plain = bytes(value)
        timed("diskcache, set", partial(other.set, turn, plain))
        kept = disk.get(first.key)
        assert kept is not None
        timed("disk store, first load (verified)", partial(disk.load, kept))
        timed("disk store, later load", partial(disk.load, kept))
        timed("diskcache, get", partial(other.get, turn))
        disk.remove([first.key, second.key])
        other.delete(turn)
    found = {name: statistics.median(list_) for name, list_ in times.items()}
    writes = {name: figure for name, figure in found.items() if "put" in name or "set" in name}
    reads = {name: figure for name, figure in found.items() if name not in writes}
    show(f"write {size >> 20} MB in one section", writes, "ms", "diskcache, set")
    show(f"read {size >> 20} MB in one section", reads, "ms", "diskcache, get")
    disk.close()
    other.close()


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--standing", type=int, default=0, help="kept before anything is timed")
    parser.add_argument("--megabytes", type=int, default=93)
    parser.add_argument("--folder", help="stays, with what stands in it, for the next run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small(options.folder or folder, options.entries, options.standing)
        if options.megabytes:
            large(folder, options.megabytes)


if __name__ == "__main__":
    main()
