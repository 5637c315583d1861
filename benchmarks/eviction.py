"""What each policy of eviction costs in seconds of recomputing, beside what nobody can go below.

A generated job looks up stages: sizes over four orders of magnitude, times to compute over five,
popularity by Zipf's law in a working set that shifts, scans of results that are used once. The
policies are those of `stagecache.stores.policies`; with ``--store`` they are tried through the
store on disk itself, where rows, pages and the log take their share of the bound. First lookups
have to compute in any case and are not counted.

The bound is that of areas (Berger, Beckmann, Harchol-Balter, "Practical Bounds on Optimal Caching
with Variable Object Sizes", 2018, PFOO-U with costs): between two lookups a value takes its size
times the lookups in between, and the whole area is filled with what saves most for its area. Even
with the future known it cannot be reached. Run with ``python benchmarks/eviction.py``.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
from contextlib import suppress
from itertools import accumulate
from typing import NamedTuple

from stagecache.errors import DoesNotFitError
from stagecache.model import Digest, Entry, Key, Provenance
from stagecache.stores.disk import DiskStore
from stagecache.stores.policies import OVERHEAD, POLICIES, Held
from stagecache.testing.clock import FakeClock

SHARES = (0.01, 0.05, 0.2)
START = 1_700_000_000.0
SET = 400
RESULTS = 3_000


class Result(NamedTuple):
    """What a stage gives."""

    size: int
    seconds: float


class Lookup(NamedTuple):
    """When which result is asked for."""

    at: float
    number: int


def job(seed: int, lookups: int, gap: float) -> tuple[list[Result], list[Lookup]]:
    """Return results and lookups, `gap` seconds apart on average."""
    chance = random.Random(seed)

    def result() -> Result:
        return Result(int(10 ** chance.uniform(2, 6)), 10 ** chance.uniform(-3, 2))

    results = [result() for _ in range(RESULTS)]
    weights = list(accumulate((rank + 1) ** -0.8 for rank in range(SET)))
    order = chance.sample(range(SET), SET)
    trace: list[Lookup] = []
    at, first, scan = START, 0, 0
    while len(trace) < lookups:
        if scan:
            scan -= 1
            results.append(result())
            number = len(results) - 1
        else:
            if chance.random() < 0.002:
                scan = chance.randrange(30, 120)
            first += chance.random() < 0.1
            if chance.random() < 0.1:
                number = chance.randrange(RESULTS)
            else:
                number = (first + chance.choices(order, cum_weights=weights)[0]) % RESULTS
        at += chance.expovariate(1 / gap)
        trace.append(Lookup(at, number))
    return results, trace


def again(results: list[Result], trace: list[Lookup]) -> float:
    """Return the seconds if nothing were kept, first lookups apart."""
    first = {lookup.number for lookup in trace}
    every = sum(results[lookup.number].seconds for lookup in trace)
    return every - sum(results[number].seconds for number in first)


def least(results: list[Result], trace: list[Lookup], bound: int) -> float:
    """Return the seconds that nobody can go below."""
    last: dict[int, int] = {}
    spans = []
    for position, (_, number) in enumerate(trace):
        if number in last:
            size, seconds = results[number]
            spans.append((seconds, size * (position - last[number])))
        last[number] = position
    area, saved = float(bound * len(trace)), 0.0
    for seconds, taken in sorted(spans, key=lambda span: span[0] / span[1], reverse=True):
        part = min(1.0, area / taken)
        saved += seconds * part
        area -= taken * part
    return again(results, trace) - saved


def by_policy(results: list[Result], trace: list[Lookup], bound: int, name: str) -> float:
    """Return the seconds under a policy that gives way from the bound to nine tenths of it."""
    worth = POLICIES[name]
    kept: dict[int, Held] = {}
    uses: dict[int, tuple[int, float]] = {}
    seen: set[int] = set()
    used, lost = 0, 0.0
    for at, number in trace:
        if number in kept:
            count = uses.get(number, (0, 0.0))[0] + 1
            uses[number] = (count, at)
            kept[number] = kept[number]._replace(uses=count, last=at)
            continue
        size, seconds = results[number]
        lost += seconds if number in seen else 0.0
        seen.add(number)
        kept[number] = Held(size, seconds, *uses.get(number, (0, 0.0)), at)
        used += size + OVERHEAD
        if used > bound:
            ranked = sorted((n for n in kept if n != number), key=lambda n: worth(kept[n], at))
            for other in [*ranked, number]:
                if used <= bound * (0.9 if other != number else 1.0):
                    break
                used -= kept.pop(other).size + OVERHEAD
    return lost


def by_store(results: list[Result], trace: list[Lookup], bound: int, name: str) -> float:
    """Return the seconds under a policy of the store on disk."""
    clock = FakeClock(START)
    lost, seen = 0.0, set()
    with tempfile.TemporaryDirectory() as folder:
        store = DiskStore(
            f"{folder}/cache", limits={"max_size": bound, "eviction": name}, clock=clock
        )
        for at, number in trace:
            clock.set(at)
            key = Key(b"%016d" % number)
            entry = store.get(key)
            size, seconds = results[number]
            if entry is not None and entry.has_value:
                store.count_use(key, seconds)
                continue
            lost += seconds if number in seen else 0.0
            seen.add(number)
            fresh = Entry(
                key, Digest(key), "job:stage", Digest(bytes(16)), "plain", None, None, 0, at,
                seconds, 0 if entry is None else entry.generation + 1,
            )  # fmt: skip
            with suppress(DoesNotFitError):
                store.put(fresh, [os.urandom(size)], Provenance(key, (), "host", 1, "3.11"), None)
        store.close()
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lookups", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3, help="how many jobs")
    parser.add_argument("--gap", type=float, default=20.0, help="seconds between lookups")
    parser.add_argument("--store", action="store_true", help="through the store on disk")
    wanted = parser.parse_args()
    replay = by_store if wanted.store else by_policy
    print(
        f"seconds computed again, % of what no cache would; median (range) of {wanted.seeds} jobs "
        f"of {wanted.lookups:,} lookups"
    )
    print(f"{'bound, of all results':24}", *(f"{share:>22.0%}" for share in SHARES))
    found: dict[str, list[list[float]]] = {}
    for seed in range(wanted.seeds):
        results, trace = job(seed, wanted.lookups, wanted.gap)
        total = sum(results[number].size for number in {lookup.number for lookup in trace})
        whole = again(results, trace)
        for place, share in enumerate(SHARES):
            bound = int(total * share)
            for name in [*POLICIES, "nobody below"]:
                seconds = (
                    replay(results, trace, bound, name)
                    if name in POLICIES
                    else least(results, trace, bound)
                )
                found.setdefault(name, [[] for _ in SHARES])[place].append(100 * seconds / whole)
    for name, columns in found.items():
        cells = (
            f"{statistics.median(cell):8.2f} ({min(cell):5.2f}-{max(cell):5.2f})"
            for cell in columns
        )
        print(f"    {name:20}", *(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
