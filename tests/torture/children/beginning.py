"""Forks processes that all use a new directory for the first time at once; tells of trouble."""

from __future__ import annotations

import os
import sys
import traceback

import stagecache.collections
import stagecache.locks.locks
import stagecache.stores.disk  # noqa: F401 - so that the forked processes begin at once
from stagecache import Cache, stage

PROCESSES = 4


@stage
def doubled(x: int) -> int:
    return 2 * x


def with_a_stage(cache: Cache) -> None:
    assert doubled(3) == 6


def with_a_throttle(cache: Cache) -> None:
    cache.throttle(20, 0.01, "t").wait_turn()


def with_locks(cache: Cache) -> None:
    with cache.lock("a"), cache.semaphore("b", 2):
        pass


def with_an_index(cache: Cache) -> None:
    cache.index("i")["a"] = 1
    assert cache.index("i")["a"] == 1


def with_a_queue(cache: Cache) -> None:
    cache.queue("q").put("a")


def with_a_mark(cache: Cache) -> None:
    cache.invalidate(tag="none")


USES = [with_a_stage, with_a_throttle, with_locks, with_an_index, with_a_queue, with_a_mark]


def begin(directory: str, number: int, process: int) -> None:
    # All the same in every other round, which is where most races are.
    first = USES[(number // 2 + process * (number % 2)) % len(USES)]
    second = USES[(number + process) % len(USES)]
    with Cache(directory) as cache:
        first(cache)
        second(cache)
    with Cache(directory) as cache:
        with_a_stage(cache)
        assert cache.private, f"not private after {first.__name__} and {second.__name__}"


for line in sys.stdin:
    directory, number = line.split()
    reading, writing = os.pipe()
    children = []
    for process in range(PROCESSES):
        child = os.fork()
        if child:
            children.append(child)
            continue
        os.close(writing)
        os.read(reading, 1)  # nothing comes: it ends when all are there
        try:
            begin(directory, int(number), process)
        except BaseException:  # a forked process must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(reading)
    os.close(writing)
    print(sum(bool(os.waitpid(child, 0)[1]) for child in children), flush=True)
