"""Once per key, and nobody waits in vain: killed holders, stampedes, cancelled callers."""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import stagecache
from stagecache.errors import LeaseError
from stagecache.leases.local import LocalLeases

BOUND = 1.0
"""Seconds within which a killed holder's key is somebody else's."""
PATIENCE = 10.0
KEY = bytes(range(16))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

HOLDERS = """
import os, random, signal, sys, time
from stagecache.leases.local import LocalLeases

# One thread only, so that forking it is sound; its children are not waited for.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
path, key = sys.argv[1], bytes(range(16))

def hold(with_orphan):
    leases, orphan, said = LocalLeases(path), 0, False
    while True:
        with leases.acquire(key):
            if with_orphan and not orphan:
                orphan = os.fork()
                if not orphan:
                    signal.pause()
                    os._exit(0)
            if not said:
                print(os.getpid(), orphan, flush=True)
                said = True
            time.sleep(random.random() / 500)

for line in sys.stdin:
    if not os.fork():
        hold(line.strip() == "orphan")
"""


@needs_fork
def test_a_killed_holder_keeps_nobody_waiting(rounds, tmp_path):
    path, dice = tmp_path / "locks", random.Random()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDERS, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    leases, slowest, orphans = LocalLeases(path), 0.0, 0
    try:
        for number in rounds(1_000, "kills"):
            process.stdin.write("orphan\n" if number % 2 else "alone\n")
            process.stdin.flush()
            holder, orphan = map(int, process.stdout.readline().split())
            killed, moment = [], dice.random() / 100

            def kill(holder=holder, killed=killed, after=moment):
                time.sleep(after)
                os.kill(holder, signal.SIGKILL)
                killed.append(time.monotonic())

            killer = threading.Thread(target=kill)
            killer.start()
            while not killed:  # until then the holder and we take turns
                with leases.acquire(KEY):
                    pass
            with leases.acquire(KEY) as lease:
                waited = time.monotonic() - killed[0]
                if waited > BOUND or lease.is_lost():
                    rounds.failed(f"{waited:.3f} s, lost: {lease.is_lost()}")
            slowest = max(slowest, waited)
            killer.join()
            if orphan:
                orphans += 1
                os.kill(orphan, signal.SIGKILL)
        rounds.note(f"{orphans} with a live child, the slowest after {slowest * 1000:.0f} ms")
    finally:
        leases.close()
        end(process)


STAMPEDE = """
import os, random, signal, sys, threading
import stagecache

processes, threads, keys, hosts = map(int, sys.argv[1:])

@stagecache.stage(ignore=("log",), reads="ignore")
def square(number: int, turn: int, log: int) -> int:
    os.write(log, f"{number}\\n".encode())
    return number * number

def child(directory, turn, log, gate):
    wrong = []
    cache = stagecache.Cache(directory)
    stagecache.configure(directory=directory)
    def work(seed):
        numbers = list(range(keys))
        random.Random(seed).shuffle(numbers)
        wrong.extend(n for n in numbers if square(n, turn, log) != n * n)
    started = [threading.Thread(target=work, args=(os.getpid() + n // 2,)) for n in range(threads)]
    os.read(gate, 1)  # until the parent closes the other end
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    stagecache.current().close()
    os._exit(bool(wrong))

for line in sys.stdin:
    directory, turn, path = line.split("\\t")
    log = os.open(path.strip(), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    gate, opener = os.pipe()
    children = []
    for place in range(processes):
        pid = os.fork()
        if not pid:
            os.close(opener)
            try:
                child(f"{directory}-{place % hosts}", int(turn), log, gate)
            finally:
                os._exit(2)
        children.append(pid)
    os.close(gate)
    os.close(opener)
    codes = [os.waitpid(pid, 0)[1] for pid in children]
    os.close(log)
    print(sum(code != 0 for code in codes), flush=True)
"""


@needs_fork
@pytest.mark.parametrize("hosts", [1, 2])
def test_a_stampede_on_five_hundred_keys_makes_five_hundred_computations(
    rounds, tmp_path, hosts, request
):
    redis = "none" if hosts == 1 else request.getfixturevalue("redis_server").url
    process = subprocess.Popen(
        [sys.executable, "-c", STAMPEDE, "16", "4", "500", str(hosts)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path,
        env={
            **os.environ,
            "STAGECACHE_DIRECTORY": str(tmp_path / "unused"), "STAGECACHE_REDIS": redis,
        },
    )  # fmt: skip
    try:
        for number in rounds(20, "stampedes of 64 threads in 16 processes", least=1):
            # Every other one on a directory that is not there yet.
            directory = tmp_path / f"cache-{number // 2}"
            log = tmp_path / f"log-{number}"
            process.stdin.write(f"{directory}\t{number}\t{log}\n")
            process.stdin.flush()
            failed = int(process.stdout.readline())
            computed = log.read_text().split()
            if failed or sorted(map(int, computed)) != list(range(500)):
                rounds.failed(f"{len(computed)} computations, {failed} processes with trouble")
    finally:
        end(process)


def test_cancelled_and_failing_callers_take_nobody_with_them(rounds, tmp_path):
    dice, waiters, cancelled = random.Random(), 50, 0

    class Trouble(Exception):
        pass

    with stagecache.Cache(tmp_path / "cache") as cache:
        ran, steps = [], {}

        @stagecache.stage(ignore=("log",), reads="ignore")
        async def slow(number: int, log: object = None) -> int:
            ran.append(number)
            entered, go = steps[number]
            entered.set()
            await go.wait()
            if number % 3 == 0:
                raise Trouble(number)
            return number

        async def one(number):
            ran.clear()
            steps[number] = entered, go = asyncio.Event(), asyncio.Event()
            tasks = [asyncio.create_task(slow(number)) for _ in range(waiters)]
            if dice.random() < 0.5:
                await asyncio.wait_for(entered.wait(), PATIENCE)
            victims = dice.sample(tasks, dice.randrange(1, waiters))
            for victim in victims:
                victim.cancel()
                if dice.random() < 0.1:
                    await asyncio.sleep(0)
            await asyncio.wait_for(entered.wait(), PATIENCE)
            go.set()
            done, stuck = await asyncio.wait(tasks, timeout=PATIENCE)
            if stuck:
                rounds.failed(f"{number}: {len(stuck)} of {waiters} stuck")
            for task in set(done) - set(victims):
                error = task.exception()
                if number % 3 == 0:
                    is_right = isinstance(error, Trouble)
                else:
                    is_right = error is None and task.result() == number
                if not is_right:
                    rounds.failed(f"{number}: lost, {error!r}")
            if ran != [number]:
                rounds.failed(f"{number}: computed {len(ran)} times")
            key = slow_key(number)
            lease = cache.engine.context.leases.acquire_nowait(key)
            if lease is None or cache.engine.context.flight._calls:
                rounds.failed(f"{number}: not given back")
            del steps[number], lease
            return len(victims)

        def slow_key(number):
            return cache.engine._request(slow, (number,), {}).key

        async def main():
            total = 0
            for number in rounds(1_000, f"times {waiters} callers"):
                total += await one(number)
            return total

        cancelled = asyncio.run(main())
    rounds.note(f"{cancelled} cancelled")


def test_nested_stages_in_a_pool_of_two_end_or_raise(rounds, tmp_path):
    dice = random.Random()
    with stagecache.Cache(tmp_path / "cache"):

        @stagecache.stage
        def leaf(number: int, turn: int) -> int:
            return number

        @stagecache.stage
        def middle(number: int, turn: int) -> int:
            return leaf(number % 3, turn) + leaf(number % 2, turn)

        @stagecache.stage
        def top(number: int, turn: int) -> int:
            return middle(number % 5, turn) + middle(number % 4, turn)

        @stagecache.stage
        def counted(number: int, turn: int) -> int:
            return 0 if number == 0 else 1 + counted(number - 1, turn)

        @stagecache.stage
        def ring(number: int, size: int, turn: int) -> int:
            return ring((number + 1) % size, size, turn)

        @stagecache.pipeline(executor="threads", jobs=2)
        def job(numbers: list[int], turn: int):
            return [top(number, turn) for number in numbers] + [
                counted(number % 4, turn) for number in numbers
            ]

        @stagecache.pipeline(executor="threads", jobs=2)
        def circle(size: int, turn: int):
            return [ring(number, size, turn) for number in range(size)]

        def run(turn, outcome):
            numbers = [dice.randrange(20) for _ in range(8)]
            try:
                value = job(numbers, turn)
                wanted = [sum(m % 3 + m % 2 for m in (n % 5, n % 4)) for n in numbers]
                outcome.append(value == wanted + [n % 4 for n in numbers])
                circle(3, turn)
                outcome.append("a ring has an end")
            except LeaseError:
                pass
            except BaseException as error:
                outcome.append(error)

        for turn in rounds(1_000, "runs"):
            outcome = []
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(run, turn, outcome), daemon=True)
            thread.start()
            thread.join(PATIENCE)
            if thread.is_alive():
                raise AssertionError(f"run {turn} hangs")
            if outcome != [True]:
                rounds.failed(f"run {turn}: {outcome}")


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
