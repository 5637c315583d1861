"""The module with the face of diskcache beside diskcache itself.

Both take turns within every round, so that what else the machine does hits both alike; a figure is
the median over operations. Run with ``python benchmarks/from_diskcache.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import diskcache

from stagecache.integrations import diskcache as ours

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 50
WRITERS, ROUNDS = 4, 3
WRITER = """
import sys, time
if sys.argv[1] == "diskcache":
    from diskcache import FanoutCache
else:
    from stagecache.integrations.diskcache import FanoutCache
cache = FanoutCache(sys.argv[2], timeout=60)
print("ready", flush=True)
sys.stdin.readline()
times = []
for number in range(int(sys.argv[3])):
    began = time.perf_counter()
    cache.set(f"{sys.argv[4]} {number}", b"x" * 1024)
    times.append(time.perf_counter() - began)
print(sum(times), max(times))
"""
THEIRS, OURS = "diskcache", "stagecache"


def paired(theirs: Callable[[Any], object], our: Callable[[Any], object], work: list[Any]) -> Any:
    """Return the median microseconds of each, over chunks in which they take turns."""
    contenders = {THEIRS: theirs, OURS: our}
    times: dict[str, list[float]] = {THEIRS: [], OURS: []}
    names = list(contenders)
    for start in range(0, len(work), CHUNK):
        random.shuffle(names)
        for name in names:
            call, found = contenders[name], times[name]
            for each in work[start : start + CHUNK]:
                began = time.perf_counter()
                call(each)
                found.append((time.perf_counter() - began) * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def show(title: str, found: dict[str, float]) -> None:
    theirs, our = found[THEIRS], found[OURS]
    ratio = theirs / our
    said = "met" if ratio >= 1 else "not met"
    figures = f"diskcache {theirs:8.1f} us   here {our:8.1f} us   {ratio:5.2f} x"
    print(f"{title:<34} {figures}   goal 1: {said}")


def caches(folder: str, count: int, policy: str) -> None:
    old = diskcache.Cache(f"{folder}/old-{policy}", eviction_policy=policy)
    new = ours.Cache(f"{folder}/new-{policy}", eviction_policy=policy)
    value: Any = os.urandom(1024)
    keys = [f"key {number}" for number in range(count)]
    sets = (lambda key: old.set(key, value)), (lambda key: new.set(key, value))
    show(f"set 1 KB ({policy})", paired(*sets, keys))
    random.shuffle(keys)
    show(f"set again ({policy})", paired(*sets, keys))
    show(f"get 1 KB ({policy})", paired(old.get, new.get, keys))
    if policy == "least-recently-stored":
        show("get what is missing", paired(old.get, new.get, [f"no {key}" for key in keys]))
        value = {"name": "a", "sizes": [1, 2, 3]}
        tuples = [("f", number, "a") for number in range(count // 2)]
        show("set a dict under a tuple", paired(*sets, tuples))
        show("get it", paired(old.get, new.get, tuples))
        tagged = (
            (lambda key: old.set(key, 1, 60, tag="a")),
            (lambda key: new.set(key, 1, 60, tag="a")),
        )
        show("set with expire and tag", paired(*tagged, keys))
        show("incr", paired(old.incr, new.incr, ["n"] * (count // 2)))
        show("pop", paired(old.pop, new.pop, keys))
        show("delete", paired(old.delete, new.delete, tuples))
        large = [os.urandom(1 << 20) for _ in range(60)]
        numbers = list(range(len(large)))
        sets = (lambda n: old.set(n, large[n])), (lambda n: new.set(n, large[n]))
        show("set 1 MB", paired(*sets, numbers))
        show("get 1 MB", paired(old.get, new.get, numbers))
    old.close()
    new.close()


def collections(folder: str, count: int) -> None:
    old, new = diskcache.Deque(directory=f"{folder}/old-d"), ours.Deque(directory=f"{folder}/new-d")
    numbers = list(range(count))
    show("Deque.append", paired(old.append, new.append, numbers))
    show("Deque.popleft", paired(lambda _: old.popleft(), lambda _: new.popleft(), numbers))
    old.maxlen = new.maxlen = 100
    show("Deque.append with maxlen", paired(old.append, new.append, numbers))
    show("iterate a Deque of 100", paired(lambda _: list(old), lambda _: list(new), numbers[:50]))
    one, other = diskcache.Index(f"{folder}/old-i"), ours.Index(f"{folder}/new-i")
    sets = (lambda key: one.__setitem__(key, key)), (lambda key: other.__setitem__(key, key))
    show("Index, set", paired(*sets, numbers))
    show("Index, get", paired(one.__getitem__, other.__getitem__, numbers))


def memoized(folder: str, count: int) -> None:
    old, new = diskcache.Cache(f"{folder}/old-m"), ours.Cache(f"{folder}/new-m")

    def square(x: int) -> int:
        return x * x

    one, other = old.memoize()(square), new.memoize()(square)
    numbers = list(range(count // 2))
    show("memoize, computed", paired(one, other, numbers))
    show("memoize, found", paired(one, other, numbers))
    one = diskcache.memoize_stampede(old, 1000, name="other")(square)
    other = ours.memoize_stampede(new, 1000, name="other")(square)
    paired(one, other, numbers[:500])
    show("memoize_stampede, found", paired(one, other, numbers[:500]))


def writers(folder: str, count: int) -> None:
    """Let processes write at once: into eight shards there, into one file here."""
    found: dict[str, list[tuple[float, float]]] = {THEIRS: [], OURS: []}
    for number in range(ROUNDS):
        for name, rounds in found.items():
            command = [sys.executable, "-c", WRITER, name, f"{folder}/{name}-{number}", str(count)]
            processes = [
                subprocess.Popen(
                    [*command, str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                for each in range(WRITERS)
            ]
            for process in processes:
                assert process.stdout is not None
                process.stdout.readline()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            told = [process.communicate()[0].split() for process in processes]
            rounds.append((max(float(a) for a, _ in told), max(float(b) for _, b in told)))
    for name, rounds in found.items():
        seconds, longest = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"FanoutCache, {WRITERS} processes, {name}: {WRITERS * count / seconds:,.0f} sets/s, "
            f"the longest {longest * 1e3:.0f} ms"
        )


def main() -> None:
    """Print a line a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=4_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for policy in ("least-recently-stored", "none", "least-recently-used"):
            caches(folder, options.items, policy)
        collections(folder, options.items)
        memoized(folder, options.items)
        writers(folder, options.items)


if __name__ == "__main__":
    main()
