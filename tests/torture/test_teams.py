"""A team in trouble: servers that come and go under calls, and holders that are killed far away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers.redis_outages import out_of_reach

from stagecache import Cache, stage
from stagecache.leases.redis import RedisLeases

TTL = 0.5
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def test_a_thousand_calls_of_a_stage_go_on_through_an_outage(rounds, own_redis_server, tmp_path):
    server = own_redis_server()

    @stage(reads="ignore")
    def double(n: int, turn: int) -> int:
        return 2 * n

    slowest = 0.0
    for number in rounds(30, "outages of 1,000 calls"):
        how = ("killed", "paused", "dropping")[number % 3]
        with Cache(tmp_path / str(number), redis=server.url) as cache:
            for n in range(100):
                double(n, number)
            shared = cache._store._lower[1]
            with out_of_reach(server, how), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                started = time.monotonic()
                # A hundred are here, two of them new ones: those are computed and kept here.
                wrong = [n for n in range(1_000) if double(n % 102, number) != 2 * (n % 102)]
                seconds = time.monotonic() - started
            told = [str(each.message) for each in caught]
            if wrong or seconds > 1 or len(told) != 1 or not shared.is_out:
                rounds.failed(f"{how}: {seconds:.2f} s, {len(wrong)} wrong, {told}")
            slowest = max(slowest, seconds)
    rounds.note(f"{slowest:.2f} s at most")


HOLDERS = f"""
import os, signal, sys
from stagecache.leases.redis import RedisLeases

# One thread only, so that forking it is sound; its children are not waited for.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gate, opener = os.pipe()
for line in sys.stdin:
    if not os.fork():
        os.close(opener)
        leases = RedisLeases(sys.argv[1], ttl={TTL})
        lease = leases.acquire(bytes.fromhex(line.strip()))
        os.write(1, f"{{line.strip()}} {{os.getpid()}}\\n".encode())
        os.read(gate, 1)  # until it is killed, or the one that forks
        os._exit(0)
"""


@needs_fork
def test_the_key_of_a_holder_killed_far_away_is_free_when_its_lease_ends(rounds, redis_server):
    dice, slowest, done, at_once = random.Random(), 0.0, 0, 10
    process = start(HOLDERS, redis_server.url)
    leases = RedisLeases(redis_server.url, ttl=TTL)
    keys = [bytes([place]) * 16 for place in range(at_once)]

    def take(key, holder, wait):
        waits, killed = threading.Event(), []

        def kill():
            waits.wait(TTL)
            time.sleep(wait)
            os.kill(holder, signal.SIGKILL)
            killed.append(time.monotonic())

        killer = threading.Thread(target=kill)
        killer.start()
        with leases.acquire(key, lambda *_: waits.set()) as lease:
            taken, is_lost = time.monotonic(), lease.is_lost()
        killer.join()
        return taken - killed[0], is_lost

    try:
        with ThreadPoolExecutor(at_once) as pool:
            for _ in rounds(1_000 // at_once):
                tell(process, "\n".join(key.hex() for key in keys))
                held = dict(said(process).split() for _ in keys)
                tries = [
                    pool.submit(take, key, int(held[key.hex()]), dice.random() / 5) for key in keys
                ]
                for waited, is_lost in (each.result() for each in tries):
                    if waited > TTL + 1 or is_lost:
                        rounds.failed(f"{waited:.2f} s, lost: {is_lost}")
                    slowest = max(slowest, waited)
                done += at_once
        rounds.count(done, f"kills, {at_once} at once")
        rounds.note(f"the slowest after {slowest:.2f} s, of leases of {TTL} s")
    finally:
        leases.close()
        end(process)


PAUSED = f"""
import os, signal, sys
import stagecache.leases.redis as leases
leases.RedisLeases.__init__.__kwdefaults__["ttl"] = {TTL}
from stagecache import Cache, stage

folder, url = sys.argv[1:]
# One thread only, so that forking it is sound; its children are not waited for.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)

@stage(ttl="1h", reads="ignore", ignore=("made", "go"))
def rates(turn: int, made: str, go: int) -> str:
    if go:
        os.write(1, f"{{turn}} {{os.getpid()}}\\n".encode())
        os.read(go, 1)
    return made

for line in sys.stdin:
    name, *turns = line.split()
    if name != "late":
        with Cache(os.path.join(folder, name), redis=url, coherence=0):
            print(*[rates(int(turn), name, 0) for turn in turns], flush=True)
        continue
    gate, opener = os.pipe()
    for turn in turns:
        if not os.fork():
            os.close(opener)
            with Cache(os.path.join(folder, name + turn), redis=url, coherence=0):
                os.write(1, f"{{turn}} {{rates(int(turn), name, gate)}}\\n".encode())
            os._exit(0)
    os.close(gate)
    sys.stdin.readline()
    os.close(opener)
"""


@needs_fork
def test_a_holder_that_was_paused_longer_than_its_lease_overwrites_nothing(
    rounds, redis_server, tmp_path
):
    at_once, done = 10, 0
    late, timely = (start(PAUSED, tmp_path, redis_server.url) for _ in range(2))
    paused = []
    try:
        for number in rounds(300 // at_once, least=2):
            turns = [str(number * at_once + place) for place in range(at_once)]
            tell(late, " ".join(["late", *turns]))
            held = dict(said(late).split() for _ in turns)
            paused = [int(pid) for pid in held.values()]
            for pid in paused:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(3 * TTL)
            tell(timely, " ".join(["new", *turns]))
            new = said(timely).split()
            tell(late, "go on")
            for pid in paused:
                os.kill(pid, signal.SIGCONT)
            answers = dict(said(late).split() for _ in turns)
            paused = []
            tell(timely, " ".join(["third", *turns]))
            found = said(timely).split()
            done += at_once
            if sorted(answers) != sorted(turns):
                rounds.failed(f"answers to {answers}, not {turns}")
            for place, turn in enumerate(turns):
                if (new[place], answers.get(turn), found[place]) != ("new", "late", "new"):
                    rounds.failed(f"{new[place]}, {answers.get(turn)}, {found[place]}")
        rounds.count(done, f"holders paused for three times their lease, {at_once} at once")
    finally:
        for pid in paused:
            os.kill(pid, signal.SIGKILL)
        end(late)
        end(timely)


def start(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def tell(process, lines):
    process.stdin.write(lines + "\n")
    process.stdin.flush()


def said(process):
    return process.stdout.readline().strip()


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    monkeypatch.delenv("STAGECACHE_DIRECTORY", raising=False)
