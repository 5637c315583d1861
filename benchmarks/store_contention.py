"""Processes that write and read one store at once, beside diskcache: who waits how long.

The contenders take turns, ``--rounds`` times, so that what else the machine does hits both alike.
Every writer writes 1 KB under new keys as fast as it can; every reader reads keys that are there.
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
            put(key, value)
            written.append(key)
        else:
            key = random.choice(keys)
            before = time.perf_counter()
            assert get(key) is not None
        times.append(time.perf_counter() - before)
    lost = sum(get(key) is None for key in written)
    out.send((is_writer, times.tobytes(), lost))
    out.close()


def contend(
    name: str, folder: str, seconds: float, writers: int, readers: int
) -> tuple[array[float], array[float], int]:
    """Return the times of all sets and gets, sorted, and how many sets were lost."""
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
    sets, gets, lost = array("d"), array("d"), 0
    for process, receiver in workers:
        is_writer, times, missing = receiver.recv()
        (sets if is_writer else gets).frombytes(times)
        lost += missing
        process.join()
    return array("d", sorted(sets)), array("d", sorted(gets)), lost


def line(title: str, times: array[float], seconds: float) -> str:
    """Return how many there were a second, and how long the slow ones took."""
    marks = [times[min(len(times) - 1, int(len(times) * part))] for part in PARTS]
    shown = "".join(f"{mark * 1e3:10.3f}" for mark in (*marks, times[-1]))
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
        for _ in range(options.rounds):
            for name in ("stagecache", "diskcache"):
                with tempfile.TemporaryDirectory() as folder:
                    sets, gets, lost = contend(name, folder, options.seconds, writers, readers)
                    print(line(f"{name}, set", sets, options.seconds), f"  lost {lost}")
                    if gets:
                        print(line(f"{name}, get", gets, options.seconds))


if __name__ == "__main__":
    main()
