"""Who has a lock has it alone, and what a killed process had is soon somebody else's."""

from __future__ import annotations

import os
import random
import select
import signal
import time

import pytest

from stagecache import Cache

BOUND = 1.0
"""Seconds within which what a killed process had is somebody else's."""
WORKERS = 5
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@needs_fork
@pytest.mark.parametrize("permits", [1, 3])
def test_killed_processes_leave_neither_two_holders_nor_none(rounds, child, tmp_path, permits):
    (tmp_path / "witnesses").mkdir()
    template = child("locking.py", tmp_path / "cache", tmp_path / "witnesses", permits)
    workers = [int(template.ask()) for _ in range(WORKERS)]
    slowest = 0.0
    try:
        with Cache(tmp_path / "cache") as cache:
            lock = cache.lock("a") if permits == 1 else cache.semaphore("a", permits)
            for _ in rounds(500, "kills"):
                time.sleep(random.random() / 100)
                # As many as there are permits, so that whoever had one may be among them.
                for victim in random.sample(workers, permits):
                    os.kill(victim, signal.SIGKILL)
                    workers.remove(victim)
                killed = time.monotonic()
                if not lock.acquire(timeout=10 * BOUND):
                    rounds.failed("it is not free")
                    continue
                waited = time.monotonic() - killed
                slowest = max(slowest, waited)
                if waited > BOUND or lock.is_lost():
                    rounds.failed(f"{waited:.3f} s, lost: {lock.is_lost()}")
                lock.release()
                while len(workers) < WORKERS:
                    answer = template.ask()
                    if not answer.isdigit():
                        rounds.failed(answer)
                        break
                    workers.append(int(answer))
            rounds.note(f"the slowest after {slowest * 1000:.0f} ms")
            if select.select([template.process.stdout], [], [], 0)[0]:
                rounds.failed(template.answer())
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


@needs_fork
def test_a_throttle_is_never_passed_more_often_than_it_says(rounds, child, tmp_path):
    count, seconds = 20, 0.1
    for number in rounds(100, "runs of three processes", least=1):
        callers = [child("throttled.py", tmp_path / "cache", count, seconds) for _ in range(3)]
        for caller in callers:
            caller.answer()
        for caller in callers:
            caller.tell(f"{number}")
        told = [list(map(float, caller.answer().split())) for caller in callers]
        for caller in callers:
            caller.end()
        # Each is let in between two readings of the clock that it tells.
        before = sorted(each for times in told for each in times[0::2])
        after = sorted(each for times in told for each in times[1::2])
        if len(before) != 90:
            errors = "\n".join(caller.errors() for caller in callers)
            rounds.failed(f"{len(before)} calls were told of\n{errors}")
        windows = (len(before) - 1) // count
        if after[-1] - before[0] < windows * seconds:
            rounds.failed(f"{len(before)} calls in {after[-1] - before[0]:.4f} s")
        for index in range(len(after) - count):
            # At least count + 1 were let in from the earliest reading to the latest.
            if after[index + count] - before[index] < seconds:
                rounds.failed(f"{count + 1} calls in {after[index + count] - before[index]:.4f} s")
