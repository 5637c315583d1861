"""A crowd that wants one result at the same moment: how soon all have it, and who computes it.

Callers in threads of several processes wait while one of them computes a cold key. On one machine
the processes share a directory; on two, each half has its own, and they share only a Redis. Printed
are the computations (one), and the milliseconds from the publish until the waiters return.
Run with ``python -m benchmarks.crowd [--rounds 15] [--processes 8] [--threads 25]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from benchmarks.shared import server
from stagecache import Cache, model, stage
from stagecache.stores.tiered import Tiered

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = 0.5
"""Seconds that the body takes: until then all others have come to wait."""
SETTLING = 0.05
"""Seconds after which a process tells: until then the others have their results, too."""


ran: list[int] = []
"""What was computed in this process. A listener would be told of each hit, too: that takes time."""


@stage(reads="ignore")
def slow(number: int) -> dict[str, int]:
    """Return a small result, after a while."""
    ran.append(number)
    time.sleep(BODY)
    return {"number": number}


def child(directory: str, redis: str | None, threads: int) -> None:
    """Call the stage from several threads at once for each number that is told; tell what was."""
    published: list[float] = []
    for name in ("put", "put_far"):
        _noting_the_end(name, published)
    with Cache(directory, redis=redis) as cache:
        print("ready", flush=True)
        crowd = _Crowd(cache, threads)
        for line in sys.stdin:
            published.clear()
            ran.clear()
            ends = crowd.call(int(line))
            said = {"ran": len(ran), "published": published[-1:], "ends": ends}
            print(json.dumps(said), flush=True)


class _Crowd:
    """Threads that call at the same moment, and do nothing else around it."""

    def __init__(self, cache: Cache, size: int) -> None:
        self._engine = cache.engine
        self._number = 0
        self._ends = [0.0] * size
        self._starts = [threading.Lock() for _ in range(size)]
        self._left = deque[int]()
        self._done = threading.Event()
        for place in range(size):
            self._starts[place].acquire()
            threading.Thread(target=self._work, args=(place,), daemon=True).start()

    def call(self, number: int) -> list[float]:
        """Return when each had the result."""
        self._number = number
        self._left.extend(range(1, len(self._starts)))
        self._done.clear()
        for start in self._starts:
            start.release()
        self._done.wait()
        time.sleep(SETTLING)
        return self._ends

    def _work(self, place: int) -> None:
        model.conductor.set(self._engine)
        while True:
            self._starts[place].acquire()
            slow(self._number)
            self._ends[place] = time.monotonic()
            try:
                self._left.pop()
            except IndexError:  # the last one: nobody is woken before
                self._done.set()


def _noting_the_end(name: str, moments: list[float]) -> None:
    put: Callable[..., Any] = getattr(Tiered, name)

    def noted(self: Tiered, *args: Any) -> Any:
        kept = put(self, *args)
        if kept.has_value:
            moments.append(time.monotonic())
        return kept

    setattr(Tiered, name, noted)


def measure(
    places: list[tuple[str, str | None]], threads: int, numbers: range, most: float
) -> None:
    """Print how a crowd fares whose processes have these directories and this Redis."""
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.crowd", "--child"),
                *(directory, redis or "", str(threads)),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for directory, redis in places
    ]  # fmt: skip
    firsts, medians, lasts, computations = [], [], [], []
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        for number in numbers:
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
            said = [json.loads(process.stdout.readline()) for process in processes]  # type: ignore[union-attr]
            published = max(moment for each in said for moment in each["published"])
            waits = sorted(end - published for each in said for end in each["ends"])
            medians.append(1000 * statistics.median(waits))
            firsts.append(1000 * waits[0])
            lasts.append(1000 * waits[-1])
            computations.append(sum(each["ran"] for each in said))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    first, median, last = (statistics.median(times) for times in (firsts, medians, lasts))
    print(
        f"    first {first:6.2f} ms, median waiter {median:6.2f} ms ({len(numbers)} rounds, from "
        f"{min(medians):.2f} to {max(medians):.2f}), last {last:6.2f} ms; "
        f"computations in a round: {sorted(set(computations))}\n"
        f"    goal: 1 computation, {_met(set(computations) == {1})}; median waiter at most "
        f"{most:.0f} ms, {_met(median <= most)}"
    )


def _met(is_met: bool) -> str:
    return "met" if is_met else "not met"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=25)
    options = parser.parse_args()
    count, threads = options.processes, options.threads
    with tempfile.TemporaryDirectory() as folder, server(folder) as port:
        redis = f"redis://127.0.0.1:{port}/0"
        start = 0
        crowds: dict[str, list[tuple[str, str | None]]] = {
            "one machine": [(f"{folder}/a", None)] * count,
            "one machine, in a team": [(f"{folder}/b", redis)] * count,
            "two machines that share a Redis": [
                (f"{folder}/{'cd'[number % 2]}", redis) for number in range(count)
            ],
        }
        for label, places in crowds.items():
            print(f"{label}, {count} processes x {threads} callers")
            most = 10.0 if label.startswith("two") else 3.0
            measure(places, threads, range(start, start + options.rounds), most)
            start += options.rounds  # other results: they share one Redis


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3] or None, int(sys.argv[4]))
    else:
        main()
