"""What exclusion costs: an uncontended lease, a single flight, and waking a waiter.

Contenders alternate in every round and the medians of the rounds are printed, in microseconds:
compare within one run only. Run with ``python benchmarks/leases.py [--rounds 9]``.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from filelock import FileLock

from stagecache.leases.flight import Flight
from stagecache.leases.local import LocalLeases
from stagecache.model import Key

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key(bytes(range(16)))

# Another process that takes the lock, says so, holds it until told, and says when it let go.
HOLDER = """
import sys, time
from stagecache.leases.local import LocalLeases
from filelock import FileLock
key = bytes(range(16))
if sys.argv[1] == "stagecache":
    leases = LocalLeases(sys.argv[2])
    acquire = lambda: leases.acquire(key)
else:
    lock = FileLock(sys.argv[2])
    acquire = lambda: lock.acquire() and lock
for line in sys.stdin:
    held = acquire()
    print("held", flush=True)
    sys.stdin.readline()
    time.sleep(0.02)  # the other one is waiting by now
    released = time.perf_counter()
    held.release()
    print(released, flush=True)
"""


def microseconds(action: Callable[[], object], number: int = 2000) -> float:
    """Return the time of one `action`."""
    started = time.perf_counter_ns()
    for _ in range(number):
        action()
    return (time.perf_counter_ns() - started) / (1000 * number)


def uncontended(folder: str, rounds: int) -> dict[str, float]:
    """Return the cost of taking a free lock and giving it back."""
    leases, flight, lock = LocalLeases(f"{folder}/pair"), Flight(), FileLock(f"{folder}/filelock")
    in_process = LocalLeases(None)
    fd = os.open(f"{folder}/flock", os.O_RDWR | os.O_CREAT)

    def flock() -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.flock(fd, fcntl.LOCK_UN)

    def file_lock() -> None:
        lock.acquire()
        lock.release()

    contenders: dict[str, Callable[[], object]] = {
        "flock, descriptor kept": flock,
        "filelock": file_lock,
        "LocalLeases(None)": lambda: in_process.acquire(KEY).release(),
        "LocalLeases": lambda: leases.acquire(KEY).release(),
        "Flight": lambda: flight.run(KEY, int),
        "Flight + LocalLeases": lambda: flight.run(KEY, lambda: leases.acquire(KEY).release()),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, action in contenders.items():
            times[name].append(microseconds(action))
    leases.close()
    os.close(fd)
    return {name: statistics.median(each) for name, each in times.items()}


def wake_up(kind: str, folder: str, rounds: int) -> float:
    """Return how long after the release in another process the waiter here goes on."""
    path = f"{folder}/wake-{kind}"
    leases, lock = LocalLeases(path), FileLock(path)
    latencies = []

    def stagecache() -> Callable[[], object]:
        return leases.acquire(KEY).release

    def filelock() -> Callable[[], object]:
        lock.acquire()
        return lock.release

    acquire = {"stagecache": stagecache, "filelock": filelock}[kind]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        for _ in range(rounds):
            holder.stdin.write("take\n")
            assert holder.stdout.readline() == "held\n"
            holder.stdin.write("release\n")
            release = acquire()
            woken = time.perf_counter()
            release()
            latencies.append((woken - float(holder.stdout.readline())) * 1e6)
        holder.stdin.close()
    return statistics.median(latencies)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        print("take and give back, us")
        for name, median in uncontended(folder, rounds).items():
            print(f"  {name:24}{median:10.1f}")
        print("waiter goes on after a release in another process, us")
        for kind in ("stagecache", "filelock"):
            print(f"  {kind:24}{wake_up(kind, folder, 5 * rounds):10.1f}")


if __name__ == "__main__":
    main()
