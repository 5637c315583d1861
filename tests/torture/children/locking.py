"""Forks processes that acquire and release something again and again; tells if too many have it."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sys
import time

from stagecache import Cache

# Only the main thread so far, so that forking is sound; children are not waited for.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
directory, witnesses, permits = sys.argv[1], sys.argv[2], int(sys.argv[3])


def witness() -> int | None:
    """Take one of as many files as may be had at once; the system frees what a killed one has."""
    for number in range(permits):
        descriptor = os.open(f"{witnesses}/{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return descriptor
    return None


def work() -> None:
    cache = Cache(directory)
    lock = cache.lock("a") if permits == 1 else cache.semaphore("a", permits)
    while True:
        with lock:
            seen = witness()
            if seen is None:
                print("too many", flush=True)
                os._exit(1)
            time.sleep(random.random() / 2_000)
            if lock.is_lost():
                print("lost", flush=True)
            os.close(seen)


for _line in sys.stdin:
    child = os.fork()
    if not child:
        work()
    print(child, flush=True)
