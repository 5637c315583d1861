"""Whenever a writer is killed, what it leaves is a valid hit or a miss, and can be collected."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from stagecache.stores.disk import DiskStore

# Forks a child for every so many lines that a publish executes; the child kills itself there. A
# child of a process without threads costs a few milliseconds, a fresh interpreter would cost
# eighty. Each system call of a publish has its kill in tests/torture.
PROGRAM = """
import json, os, signal, sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, make_provenance
root, first, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
size = int(sys.argv[4])
warm = DiskStore(root)
warm.put(make_entry(), [b"w" * size], make_provenance(make_entry()), None)
hits = misses = 0
line = first
while True:
    entry = make_entry(generation=line % 2, key=None if line % 3 else bytes(16))
    value = b"%08d" % line * (size // 8)
    child = os.fork()
    if not child:
        left = line
        def trace(frame, event, argument):
            global left
            if "stagecache" not in frame.f_code.co_filename:
                return None
            left -= event == "line"
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace
        store = DiskStore(root)
        sys.settrace(trace)
        store.put(entry, [value], make_provenance(entry), None)
        sys.settrace(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    reader = DiskStore(root)
    found = reader.get(entry.key)
    if found is None:
        misses += 1
    else:
        hits += 1
        loaded = load(reader, found)
        assert loaded is not None and len(loaded[0]) == size, line
        assert entry.key == bytes(16) or loaded == [value], line
    reader.close()
    if status == 0:
        break
    line += step
print(json.dumps([hits, misses, line]))
"""


def run(root, size, step):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(root), "0", str(step), str(size)],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_writer_killed_at_some_line_leaves_a_hit_or_a_miss(tmp_path):
    hits, misses, lines = run(tmp_path / "cache", 80_000, 9)
    assert hits
    assert misses
    assert lines > 100
    store = DiskStore(tmp_path / "cache")
    assert store.verify() == []
    leftovers = list((tmp_path / "cache" / "v1" / "tmp").iterdir())
    assert leftovers
    for path in leftovers:
        os.utime(path, (0, 0))
    assert store.gc(grace=-1.0).temporary == len(leftovers)
    assert list((tmp_path / "cache" / "v1" / "tmp").iterdir()) == []
    assert store.stats().blobs == len({entry.blob for entry, _ in store.entries()})
    assert store.verify() == []
    store.close()


def test_a_writer_of_small_values_killed_at_some_line_leaves_a_hit_or_a_miss(tmp_path):
    hits, misses, _ = run(tmp_path / "cache", 80, 10)
    assert hits
    assert misses
    store = DiskStore(tmp_path / "cache")
    assert store.verify() == []
    store.close()
