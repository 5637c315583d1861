"""A crowd of processes at work on one store; some are killed, or all work on for a time.

argv: a store's folder, then how many of each role, as in `writer=4 reader=8`, and perhaps the
store's bound in bytes, as in `max_size=9000000`, or `jumping=1` for clocks that jump. A line
`kill N` kills N of them, one after the other at moments of chance, each followed by another one;
the answer is how many were killed. A line `work S` lets all work for S seconds; the answer is how
much they did. Then all are gone and what is left is looked at; after a failure the answer begins
with `failed`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import random
import shutil
import signal
import sys
import time

import tracer

from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore, schema
from stagecache.testing.stores import load, make_entry, put


class JumpingClock:
    """The machine's clock, as somebody sets it a year ahead or back every now and then."""

    def __init__(self):
        self._ahead = 0

    def now(self):
        if random.random() < 0.02:
            self._ahead = random.choice([-YEAR, 0, YEAR])
        return time.time() + self._ahead

    def monotonic(self):
        return time.perf_counter()


KEYS = 200
PROMPT = 15
"""Seconds within which a process that comes after kills has looked at everything."""
DIE_WITH_PARENT = 1
OLDER = "CREATE TABLE older (x);\n"
LIMITS: dict[str, int] = {}
CLOCKS: list[JumpingClock] = []
YEAR = 365 * 86_400


def key_of(number):
    return b"%016d" % number


def value_of(number, generation):
    """Return the only right value: some are inline, some are read, some are mapped."""
    size = (60, 3_000, 20_000, 90_000, 300_000)[number % 5]
    return (b"%06d:%02d" % (number, generation)) * (size // 9)


def keep(store, number):
    standing = store.get(key_of(number))
    generation = 0 if standing is None else min(99, standing.generation + random.randrange(2))
    entry = make_entry(key_of(number), generation=generation, created=time.time())
    stands = put(store, entry, value_of(number, generation))
    right(store, number, stands)


def right(store, number, entry):
    if entry is not None:
        loaded = load(store, entry)
        # None: removed, replaced or collected since.
        assert loaded in (None, [value_of(number, entry.generation)]), f"a wrong value of {number}"


def writer(store):
    keep(store, random.randrange(KEYS))


def remover(store):
    keep(store, random.randrange(KEYS))
    if random.random() < 0.3:
        store.remove([key_of(random.randrange(KEYS))])


def reader(store):
    number = random.randrange(KEYS)
    if random.random() < 0.5:
        right(store, number, store.get(key_of(number)))
        return
    with store.reading():
        numbers = random.sample(range(KEYS), 10)
        found = store.get_many([key_of(number) for number in numbers])
        for number in numbers:
            right(store, number, found.get(key_of(number)))
    store.count_use(key_of(number), 1.0)


def collector(store):
    store.gc(grace=random.choice([-1.0, 3_600.0]))
    store.count_use(key_of(1), 1.0)


def forker(store):
    """Work beside a child that goes on for a while, also when its parent is no more."""
    child = os.fork()
    if not child:
        try:
            for _ in range(10):
                remover(store)
                reader(store)
        except BaseException as error:
            complain(error)
            os._exit(1)
        os._exit(0)
    for _ in range(5):
        remover(store)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a forked child failed"


def newer(store):
    """Find an index that another version made."""
    with contextlib.suppress(StoreError):  # it is made anew under one's hands again and again
        remover(store)
    reader(store)


def older(store):
    schema.VERSION = 1
    if "older" not in schema.TABLES:
        schema.TABLES += OLDER
    newer(store)


def spoiler(store):
    """Do to the index what should never happen to it."""
    path = store._directory.index
    with contextlib.suppress(OSError):
        size = os.path.getsize(path)
        what = random.choice(["zero", "noise", "empty", "cut", "remove", "replace", "log"])
        if what == "remove":
            os.unlink(path)
        elif what == "replace":
            shutil.copy(path, f"{path}.copy")
            os.replace(f"{path}.copy", path)
        elif what == "log":
            os.unlink(f"{path}-{random.choice(['wal', 'shm'])}")
        elif what in ("empty", "cut"):
            os.truncate(path, 0 if what == "empty" else random.randrange(size + 1))
        else:
            start = random.choice([0, random.randrange(size + 1)])
            with open(path, "r+b") as stream:
                stream.seek(start)
                stream.write(bytes(size - start) if what == "zero" else os.urandom(4_096))
    time.sleep(random.uniform(0, 0.2))


def spoiled(store):
    """Work on all the same, and wait for nobody for long."""
    started = time.monotonic()
    newer(store)
    assert time.monotonic() - started < PROMPT, "it waited for long"


def closer(store):
    remover(store)
    store.close()


ROLES = {
    role.__name__: role
    for role in (writer, remover, reader, collector, forker, closer, newer, older, spoiler, spoiled)
}


def complain(error):
    import traceback

    os.write(2, "".join(traceback.format_exception(error)).encode())


class Worker:
    """A process of a role, until it is killed or its time is up."""

    def __init__(self, root, role, until=float("inf")):
        self.role = role
        count, pipe = os.pipe()
        self.count = count

        def work():
            ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
            random.seed()
            store = DiskStore(root, limits=LIMITS, clock=CLOCKS[0] if CLOCKS else None)
            done = 0
            while time.monotonic() < until:
                ROLES[role](store)
                done += 1
            store.close()
            os.write(pipe, b"%d" % done)

        self.pid = tracer.forked(work)
        os.close(pipe)

    def end(self, *, kill=False):
        """Wait for the end; return the exit code and how often it worked."""
        if kill:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        done = int(os.read(self.count, 100) or 0) if not kill else 0
        os.close(self.count)
        return code, done


def check(root, *, damaged):
    """Look at what is left, as somebody who comes after."""
    store = DiskStore(root, limits=LIMITS)
    for number in range(KEYS):
        right(store, number, store.get(key_of(number)))
    if damaged:  # a page that no look-up came by is damaged until somebody has it repaired
        store.verify(repair=True)
    assert store.verify() == [], [str(problem) for problem in store.verify()]
    for number in range(0, KEYS, 10):
        keep(store, number)
    for folder in ("tmp", "trash"):
        for file in os.scandir(os.path.join(root, "v1", folder)):
            os.utime(file.path, (0, 0))
    store.gc(grace=-1.0)
    assert not os.listdir(os.path.join(root, "v1", "tmp"))
    if LIMITS:
        taken = sum(file.stat().st_size for file in pathlib.Path(root).rglob("*") if file.is_file())
        assert taken <= LIMITS["max_size"], f"{taken} bytes are on disk"
    named = {entry.blob for entry, _ in store.entries() if entry.blob}
    assert store.stats().blobs == len(named), "orphans are left"
    assert store.verify() == []
    store.close()


def look_after(root, roles):
    """Return what is wrong, or an empty string."""
    started = time.monotonic()
    code = tracer.status_of(lambda: check(root, damaged="spoiler" in roles), 120)
    took = time.monotonic() - started
    if code:
        return f"failed: who came after ended with {code}"
    return f"failed: who came after took {took:.1f} s" if took > PROMPT else ""


def kill(root, roles, most):
    workers = [Worker(root, role) for role in roles]
    problem = ""
    for _ in range(most):
        time.sleep(random.expovariate(100))
        position = random.randrange(len(workers))
        role = workers[position].role
        code, _ = workers[position].end(kill=True)
        if code != -signal.SIGKILL:
            problem = f"failed: a {role} ended with {code}"
        workers[position] = Worker(root, role)
    for worker in workers:
        code, _ = worker.end(kill=True)
        if code != -signal.SIGKILL:
            problem = f"failed: a {worker.role} ended with {code}"
    return problem or look_after(root, roles) or str(most + len(workers))


def work(root, roles, seconds):
    until = time.monotonic() + seconds
    workers = [Worker(root, role, until) for role in roles]
    ends = [(worker.role, *worker.end()) for worker in workers]
    failed = [f"a {role} ended with {code}" for role, code, _ in ends if code]
    if failed:
        return f"failed: {'; '.join(failed)}"
    return look_after(root, roles) or str(sum(done for _, _, done in ends))


def main(root, *crowd):
    roles = []
    for part in crowd:
        role, _, count = part.partition("=")
        if role == "max_size":
            LIMITS[role] = int(count)
        elif role == "jumping":
            CLOCKS.append(JumpingClock())
        else:
            roles += [role] * int(count)
    for line in sys.stdin:
        what, number = line.split()
        answer = (
            kill(root, roles, int(number)) if what == "kill" else work(root, roles, float(number))
        )
        print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
