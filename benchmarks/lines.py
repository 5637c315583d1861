"""Deques and queues beside diskcache's and persist-queue's.

Contenders take turns in rounds, so that what else the machine does hits all alike; a figure is the
median over rounds. Then, how soon who waits is woken, and what waiting costs. Run with
``python benchmarks/lines.py``.
"""

from __future__ import annotations

import argparse
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import diskcache
import persistqueue

from stagecache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 9
GOAL = 2.0
"""How many times as long each of the others takes; all of this is written."""

Pair = tuple["Callable[[Any], object]", "Callable[[], object]"]


def pairs(contenders: dict[str, Pair], value: object, count: int) -> dict[str, tuple[float, float]]:
    """Return microseconds of putting and of taking, each the median of rounds of `count`."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in contenders}
    for _ in range(ROUNDS):
        for name, (put, take) in contenders.items():
            began = time.perf_counter()
            for _ in range(count):
                put(value)
            between = time.perf_counter()
            for _ in range(count):
                take()
            ended = time.perf_counter()
            times[name][0].append((between - began) / count * 1e6)
            times[name][1].append((ended - between) / count * 1e6)
    return {name: (statistics.median(a), statistics.median(b)) for name, (a, b) in times.items()}


def show(title: str, found: dict[str, tuple[float, float]]) -> None:
    """Print a table; the first contender is compared with each other one."""
    print(title)
    ours = next(iter(found.values()))
    for name, (put, take) in found.items():
        puts, takes = put / ours[0], take / ours[1]
        is_peer = name.startswith(("diskcache", "persistqueue"))
        said = "met" if puts >= GOAL and takes >= GOAL else "not met"
        goal = f"   goal {GOAL:g}: {said}" if is_peer else ""
        print(f"    {name:<42} {put:9.1f} us {take:9.1f} us   {puts:6.2f} x {takes:6.2f} x{goal}")


def deques(folder: str, value: bytes, count: int) -> None:
    with Cache(f"{folder}/deque") as cache:
        ours, bounded = cache.deque("bench"), cache.deque("bounded", maxlen=10**6)
        other = diskcache.Deque(directory=f"{folder}/diskcache-deque")
        found = pairs(
            {
                "Deque, append and popleft": (ours.append, ours.popleft),
                "Deque with maxlen": (bounded.append, bounded.popleft),
                "diskcache.Deque": (other.append, other.popleft),
            },
            value,
            count,
        )
        show(f"{len(value):,} bytes", found)
        found = pairs(
            {
                "Deque, appendleft and pop": (ours.appendleft, ours.pop),
                "diskcache.Deque": (other.appendleft, other.pop),
            },
            value,
            count,
        )
        show(f"{len(value):,} bytes", found)


def queues(folder: str, value: bytes, count: int) -> None:
    with Cache(f"{folder}/queue") as cache:
        ours, bounded = cache.queue("bench"), cache.queue("bounded", maxsize=10**6)

        def finishing(line: Any) -> Callable[[], object]:
            def take() -> None:
                line.get()
                line.task_done()

            return take

        pulled = diskcache.Cache(f"{folder}/diskcache-queue")
        plain = persistqueue.SQLiteQueue(f"{folder}/sqlite", auto_commit=True)
        acked = persistqueue.SQLiteAckQueue(f"{folder}/acked", auto_commit=True)
        files = persistqueue.Queue(f"{folder}/files", autosave=True)

        def acknowledged() -> None:
            acked.ack(acked.get(block=False))

        found = pairs(
            {
                "Queue, put, and get with task_done": (ours.put, finishing(ours)),
                "Queue with a maxsize": (bounded.put, finishing(bounded)),
                "diskcache.Cache, push and pull": (pulled.push, pulled.pull),
                "persistqueue.SQLiteQueue": (plain.put, lambda: plain.get(block=False)),
                "persistqueue.SQLiteAckQueue, with ack": (acked.put, acknowledged),
                "persistqueue.Queue, files": (files.put, lambda: files.get(block=False)),
            },
            value,
            count,
        )
        show(f"{len(value):,} bytes", found)


ECHO = """
import sys, time
from stagecache import Cache
cache = Cache(sys.argv[1])
there, back = cache.queue("there"), cache.queue("back")
while (sent := there.get()) is not None:
    back.put(time.perf_counter() - sent)
    there.task_done()
"""


def waking(folder: str, count: int) -> None:
    with Cache(f"{folder}/waking") as cache:
        there, back = cache.queue("there"), cache.queue("back")
        with subprocess.Popen([sys.executable, "-c", ECHO, f"{folder}/waking"]):
            taken = []
            for _ in range(count):
                time.sleep(0.01)  # so that it waits
                there.put(time.perf_counter())
                taken.append(back.get() * 1e6)
                back.task_done()
            there.put(None)
        there.clear()
        taken.sort()
        print(
            f"another process has what is put here: median {statistics.median(taken):.0f} us, "
            f"nine in ten {taken[len(taken) * 9 // 10]:.0f} us, worst {taken[-1]:.0f} us"
        )
        before, began = time.process_time(), time.perf_counter()
        try:
            there.get(timeout=5)
        except queue.Empty:
            used = time.process_time() - before
            print(f"waiting: {used / (time.perf_counter() - began):.3%} of a processor")


def main() -> None:
    """Print a table a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in (100, 1024):
            deques(f"{folder}/{size}", os.urandom(size), options.items)
        for size in (100, 1024):
            queues(f"{folder}/{size}", os.urandom(size), options.items)
        waking(folder, 300)


if __name__ == "__main__":
    main()
