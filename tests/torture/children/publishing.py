"""Kills a change of a store at each of its system calls, in any order; asked line by line.

argv: a folder, the name of a scenario. For each line that is read it kills once more. It answers
`ok`, `failed ...`, `refused ...`, or `complete` after the last call and a run to the end.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time

import tracer

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put, put_part

MORE = 5
"""Kills that come too late to find anybody: the change is done to its end."""
PROMPT = 10
"""Seconds within which the next process has looked at everything: nothing stays locked."""
SMALL, LARGE = b"v" * 100, b"w" * 40_000
KEY, NEW = b"k" * 16, b"n" * 16
OTHERS = [(b"a" * 16, b"small" * 9), (b"b" * 16, b"large" * 9_000), (b"c" * 16, b"other" * 9_000)]


class Scenario:
    """What stands before, what is done, what may stand under KEY afterwards."""

    before: bytes | None = None
    allowed: tuple[bytes | None, ...] = (None,)
    keeps_small = True
    """Whether small results that stood before have to be there afterwards."""
    may_lose_blob = False
    """Whether the row may be left without its blob: what is being forgotten is a miss already."""

    evicts = False
    """Whether any value may give way."""

    def prepare(self, root):
        store = DiskStore(root)
        for key, value in OTHERS:
            put(store, make_entry(key), value)
        if self.before is not None:
            put(store, make_entry(KEY), self.before)
        store.close()

    def act(self, root):
        raise NotImplementedError


class FirstPublish(Scenario):
    allowed = (None, SMALL)

    def prepare(self, root):
        pass

    def act(self, root):
        put(DiskStore(root), make_entry(KEY), SMALL)


class Inline(Scenario):
    allowed = (None, SMALL)

    def act(self, root):
        put(DiskStore(root), make_entry(KEY), SMALL)


class Blob(Scenario):
    allowed = (None, LARGE)

    def act(self, root):
        put(DiskStore(root), make_entry(KEY), LARGE)


class Replacement(Scenario):
    before = b"old" * 20_000
    allowed = (before, LARGE)

    def act(self, root):
        put(DiskStore(root), make_entry(KEY, generation=1), LARGE)


class ReplacementBySmall(Replacement):
    allowed = (Replacement.before, SMALL)

    def act(self, root):
        put(DiskStore(root), make_entry(KEY, generation=1), SMALL)


class Removal(Scenario):
    may_lose_blob = True
    before = LARGE
    allowed = (None, LARGE)

    def act(self, root):
        DiskStore(root).remove([KEY])


class Collection(Scenario):
    before = LARGE
    allowed = (LARGE,)

    def prepare(self, root):
        super().prepare(root)
        store = DiskStore(root)
        orphans = [put(store, make_entry(), b"%d" % number * 20_000) for number in range(3)]
        with store._connections.writing() as connection:
            for orphan in orphans:
                connection.execute("DELETE FROM entries WHERE key = ?", (orphan.key,))
        store._blobs.set_aside(orphans[0].blob)
        left = os.path.join(root, "v1", "tmp", "left")
        shutil.copy(store._directory.blob(orphans[1].blob.hex()), left)
        os.utime(left, (0, 0))
        store.close()

    def act(self, root):
        DiskStore(root).gc(grace=-1.0)


class Repair(Scenario):
    before = LARGE
    allowed = (LARGE,)
    keeps_small = False

    def prepare(self, root):
        super().prepare(root)
        with open(os.path.join(root, "v1", "index.db"), "r+b") as stream:
            stream.write(b"garbage!" * 2_000)

    def act(self, root):
        DiskStore(root).get(KEY)


class Eviction(Scenario):
    """Room is made for one result more."""

    allowed = (None, LARGE)
    may_lose_blob = True
    evicts = True

    def prepare(self, root):
        super().prepare(root)
        store = DiskStore(root, limits={"max_size": 1_000_000})
        number = 0
        while store.stats().bytes < 780_000:
            put(store, make_entry(), b"%04d" % number * 10_000)
            number += 1
        store.close()

    def act(self, root):
        store = DiskStore(root)
        for number in range(5):
            put(store, make_entry(), b"%05d" % number * 9_000)
        put(store, make_entry(KEY), LARGE)


class Close(Scenario):
    """A last connection that closes moves the log into the index."""

    before = LARGE
    allowed = (LARGE, SMALL)

    def act(self, root):
        store = DiskStore(root)
        put(store, make_entry(KEY, generation=1), SMALL)
        store.close()


def part(number):
    """Return the key of a part; what it holds follows from it."""
    return b"part %011d" % number


def put_with_parts(store, numbers, **fields):
    """Keep a result in parts as the engine does: the parts, what holds them, and let them go."""
    writer = os.urandom(16)
    for key in map(part, numbers):
        entry = make_entry(key, stage="", codec="plain", created=time.time())
        put_part(store, entry, writer, key * 3_000)
    parts = tuple(map(part, numbers))
    put(store, make_entry(KEY, parts=parts, **fields), b"".join(parts))
    store.remove([writer])


class Parts(Scenario):
    allowed = (None, part(1) + part(2))

    def act(self, root):
        put_with_parts(DiskStore(root), (1, 2))


class PartsReplaced(Scenario):
    """One part is the same as before."""

    allowed = (part(1) + part(2), part(2) + part(3))

    def prepare(self, root):
        super().prepare(root)
        store = DiskStore(root)
        put_with_parts(store, (1, 2))
        store.close()

    def act(self, root):
        put_with_parts(DiskStore(root), (2, 3), generation=1)


SCENARIOS = {
    "first publish": FirstPublish, "inline": Inline, "blob": Blob, "replacement": Replacement,
    "replacement by a small one": ReplacementBySmall, "removal": Removal, "collection": Collection,
    "repair": Repair, "eviction": Eviction, "close": Close,
    "parts": Parts, "parts replaced": PartsReplaced,
}  # fmt: skip


def check(scenario, root):
    """Look at what is left, as a process that comes after; raise if a promise is broken."""
    store = DiskStore(root)
    found = store.get(KEY)
    value = None if found is None else load(store, found)
    assert (None if value is None else b"".join(value)) in scenario.allowed, value
    assert found is None or value is not None or scenario.may_lose_blob
    for key in found.parts if found is not None else ():
        assert load(store, store.get(key)) == [key * 3_000], key
    for key, wanted in OTHERS if not isinstance(scenario, FirstPublish) else ():
        entry = store.get(key)
        if entry is None:
            assert len(wanted) < 1_000, key
            assert not scenario.keeps_small, key
        elif entry.has_value or not scenario.evicts:
            assert load(store, entry) == [wanted], key
    for content in (b"fresh", b"fresh" * 9_000):
        kept = put(store, make_entry(), content)
        assert load(store, store.get(kept.key)) == [content]
    again = put(store, make_entry(KEY, generation=9, created=5e9), b"again" * 9_000)
    assert load(store, again) == [b"again" * 9_000]
    assert store.verify() == [], store.verify()
    temporary = os.path.join(root, "v1", "tmp")
    for name in os.listdir(temporary):
        os.utime(os.path.join(temporary, name), (0, 0))
    store.gc(grace=-1.0)
    assert os.listdir(temporary) == []
    assert os.listdir(os.path.join(root, "v1", "trash")) == []
    assert store.stats().blobs == len({e.blob for e, _ in store.entries() if e.blob}), "orphans"
    assert store.verify() == []
    store.close()


def main(folder, name):
    scenario = SCENARIOS[name]()
    before, root = os.path.join(folder, "before"), os.path.join(folder, "cache")
    os.makedirs(folder, exist_ok=True)
    # What is imported late is imported now: a kill inside the import system tells nothing.
    warm = os.path.join(folder, "warm")
    assert tracer.status_of(lambda: scenario.prepare(before)) == 0
    for work in (scenario.prepare, scenario.act):
        work(warm)
    try:
        lay_out(before, root)
        calls = tracer.calls_of(lambda: scenario.act(root))
    except tracer.Refused as refused:
        print("refused", refused, flush=True)
        return
    order = list(range(calls + MORE))
    random.shuffle(order)
    for count, _ in zip(order, sys.stdin, strict=False):
        lay_out(before, root)
        tracer.killed_at(lambda: scenario.act(root), count)
        started = time.monotonic()
        code = tracer.status_of(lambda: check(scenario, root))
        took = time.monotonic() - started
        if code or took > PROMPT:
            print(
                f"failed: killed at call {count} of {calls}, the next process ended with {code} "
                f"after {took:.1f} s",
                flush=True,
            )
        else:
            print("ok", flush=True)
    print("complete", flush=True)


def lay_out(before, root):
    shutil.rmtree(root, ignore_errors=True)
    if os.path.exists(before):
        shutil.copytree(before, root)
        DiskStore(root)._trust.vouch()


if __name__ == "__main__":
    main(*sys.argv[1:])
