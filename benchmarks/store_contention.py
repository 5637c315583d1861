"""Processes that write and read one store at once, beside diskcache: who waits how long.

The contenders take turns, ``--rounds`` times, so that what else the machine does hits both alike.
Every writer writes 1 KB under new keys as fast as it can; every reader reads keys that are there.
What was goes beside its goal over all rounds together.
Run with ``python benchmarks/store_contention.py``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import tempfile
import time
from array import array
from typing import TYPE_CHECKING, Any

import diskcache

from benchmarks._goals import goal
from benchmarks.store import entry_for
from stagecache.model import Key, Provenance
from stagecache.stores.disk import DiskStore

if TYPE_CHECKING:
    from collections.abc import Callable

READABLE = 2_000


def opened(name: str, folder: str) -> tuple[Callable[[Key, bytes], Any], Callable[[Key], Any]]:
    """Return how a contender sets and gets."""
    if name == "diskcache":
        other = diskcache.Cache(f"{folder}/diskcache", timeout=60)
        return other.set, other.get
    store = DiskStore(f"{folder}/stagecache")

    def put(key: Key, value: bytes) -> object:
        return store.put(entry_for(key), [value], Provenance(key, (), "host", 1, "3.11"), None)

    return put, store.get


def work(
    name: str, folder: str, seconds: float, keys: list[Key], is_writer: bool, start: Any, out: Any
) -> None:
    """Write or read until the time is over; send what each operation took, in seconds."""
    put, get = opened(name, folder)
    value = os.urandom(1024)
    times = array("d")
    written: list[Key] = []
    refused = 0
    if is_writer:
        put(Key(os.urandom(16)), value)
    get(keys[0])
    start.wait()
    end = time.perf_counter() + seconds
    before = time.perf_counter()
    while before < end:
        if is_writer:
            key = Key(os.urandom(16))
            before = time.perf_counter()
            try:
                put(key, value)
                written.append(key)
            except Exception:
                refused += 1
        else:
            key = random.choice(keys)
            before = time.perf_counter()
            assert get(key) is not None
        times.append(time.perf_counter() - before)
    lost = sum(get(key) is None for key in written)
    out.send((is_writer, times.tobytes(), lost, refused))
    out.close()


def contend(
    name: str, folder: str, seconds: float, writers: int, readers: int
) -> tuple[array[float], array[float], int, int]:
    """Return the times of all sets and gets, sorted, and how many sets were lost and refused."""
    context = multiprocessing.get_context("spawn")
    put, _ = opened(name, folder)
    keys = [Key(os.urandom(16)) for _ in range(READABLE)]
    for key in keys:
        put(key, bytes(1024))
    start = context.Barrier(writers + readers)
    workers = []
    for number in range(writers + readers):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(name, folder, seconds, keys, number < writers, start, sender)
        )
        process.start()
        sender.close()
        workers.append((process, receiver))
    sets, gets, lost, refused = array("d"), array("d"), 0, 0
    for process, receiver in workers:
        is_writer, times, missing, failed = receiver.recv()
        (sets if is_writer else gets).frombytes(times)
        lost += missing
        refused += failed
        process.join()
    return array("d", sorted(sets)), array("d", sorted(gets)), lost, refused


def mark(times: array[float], part: float) -> float:
    """Return the time within which that part of the operations ended."""
    return times[min(len(times) - 1, int(len(times) * part))]


def line(title: str, times: array[float], seconds: float) -> str:
    """Return how many there were a second, and how long the slow ones took."""
    marks = [mark(times, part) for part in PARTS]
    shown = "".join(f"{each * 1e3:10.3f}" for each in (*marks, times[-1]))
    return f"    {title:<22}{len(times) / seconds:10,.0f}{shown}"


PARTS = (0.5, 0.99, 0.999, 0.9999)


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for writers, readers in ((4, 0), (4, 4)):
        print(f"{writers} processes write, {readers} read, {options.seconds:g} s")
        print(f"    {'':<22}{'a second':>10}{'p50 ms':>10}{'p99':>10}{'p99.9':>10}"
              f"{'p99.99':>10}{'worst':>10}")  # fmt: skip
        sets: dict[str, array[float]] = {"stagecache": array("d"), "diskcache": array("d")}
        trouble = 0
        for _ in range(options.rounds):
            for name, all_sets in sets.items():
                with tempfile.TemporaryDirectory() as folder:
                    found = contend(name, folder, options.seconds, writers, readers)
                set_times, get_times, lost, refused = found
                said = f"  {lost} lost, {refused} refused"
                print(line(f"{name}, set", set_times, options.seconds), said)
                if get_times:
                    print(line(f"{name}, get", get_times, options.seconds))
                all_sets.extend(set_times)
                trouble += lost + refused if name == "stagecache" else 0
        ours, theirs = (array("d", sorted(times)) for times in sets.values())
        if readers:
            judge(ours, 0.99, mark(theirs, 0.99))
        else:
            judge(ours, 0.9999, 0.1)
            ratio = len(ours) / len(theirs)
            print(f"    sets a second: {ratio:.2f} x diskcache {goal(ratio, least=1)}")
        print(f"    sets lost or refused: {trouble} {goal(trouble, most=0, unit='')}")


def judge(times: array[float], part: float, most: float) -> None:
    """Print a percentile of sets beside its goal; `most` in seconds."""
    figure = mark(times, part) * 1e3
    print(
        f"    p{100 * part:g} of sets: {figure:.1f} ms {goal(figure, most=most * 1e3, unit=' ms')}"
    )


if __name__ == "__main__":
    main()
