"""Many processes and their forked children share one directory: nothing is lost, none complains."""

from __future__ import annotations

import json
import subprocess
import sys

from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.stores import make_entry, put

WORKER = """
import json, os, sys, threading
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, make_provenance
root, number, shared = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
store = DiskStore(root)
print("ready", flush=True)
sys.stdin.readline()

def key(*parts):
    return b"%016d" % (parts[0] * 1_000_000 + parts[1])

def work(first, count):
    for i in range(first, first + count):
        value = b"%d" % (number * i) * (10_000 if i % 4 == 0 else 10)
        entry = make_entry(key(number, i))
        kept = store.put(entry, [value], make_provenance(entry), None)
        assert load(store, kept) == [value], (number, i)
        with store.reading():
            assert store.get(entry.key) == kept
        store.get(key((number + 1) % 8, i))

stood = store.put(make_entry(shared), [b"%d" % number], make_provenance(make_entry()), None)
work(0, 15)
children = []
for first in (100, 200):
    side = threading.Thread(target=work, args=(first + 50, 5))
    side.start()
    child = os.fork()
    if not child:
        try:
            work(first, 10)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(child)
    work(first + 20, 5)
    side.join()
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
store.close()
print(json.dumps({"stood": stood.inline.hex(), "codes": codes}))
"""


def start(program, *arguments):
    return subprocess.Popen(
        # Later Pythons warn of forks beside threads, which is what is tried here.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def start_together(workers):
    for worker in workers:
        assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()


def test_eight_processes_with_threads_and_forks_lose_nothing(tmp_path):
    root, shared = tmp_path / "cache", bytes(16)
    workers = [start(WORKER, root, number, shared.hex()) for number in range(8)]
    start_together(workers)
    ends = [worker.communicate(timeout=100) for worker in workers]
    assert [error for _, error in ends] == [""] * 8
    results = [json.loads(out) for out, _ in ends]
    assert [result["codes"] for result in results] == [[0, 0]] * 8
    assert len({result["stood"] for result in results}) == 1
    store = DiskStore(root)
    expected = [*range(15), *(f + i for f in (100, 200) for i in (*range(10), *range(20, 25)))]
    expected += [f + i for f in (150, 250) for i in range(5)]
    keys = [b"%016d" % (number * 1_000_000 + i) for number in range(8) for i in expected]
    assert len(store.get_many(keys)) == len(keys)
    assert store.get(shared).inline.hex() == results[0]["stood"]
    assert store.verify() == []
    store.close()


FORK = """
import os, sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry, make_provenance
store = DiskStore(sys.argv[1])
def keep(number):
    entry = make_entry(b"%016d" % number)
    store.put(entry, [b"v"], make_provenance(entry), None)
keep(0)
there, here = os.pipe(), os.pipe()
child = os.fork()
if not child:
    keep(1)
    os.write(there[1], b"x")
    os.read(here[0], 1)  # until the parent has closed its connection
    for number in range(2, 7):
        keep(number)
    os._exit(0)
os.read(there[0], 1)
store.get(bytes(16))
store.close()
os.write(here[1], b"x")
os.waitpid(child, 0)
print(store.stats().entries)
"""


def test_what_a_forked_child_keeps_survives_the_parent_that_closes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path / "cache")], capture_output=True, text=True
    )
    assert done.stdout == "7\n", done.stderr


REMOVER = """
import sys
from stagecache.stores.disk import DiskStore
store = DiskStore(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    print(store.remove([bytes.fromhex(line)]), flush=True)
"""


def test_the_memory_tier_sees_the_removal_by_another_process_at_once(tmp_path):
    store = Tiered(MemoryStore(), [DiskStore(tmp_path / "cache")])
    entries = [put(store, make_entry()) for _ in range(20)]
    remover = start(REMOVER, tmp_path / "cache")
    assert remover.stdout.readline() == "ready\n"
    for position, entry in enumerate(entries):
        assert store.get(entry.key) == entry
        remover.stdin.write(entry.key.hex() + "\n")
        remover.stdin.flush()
        assert remover.stdout.readline() == "1\n"
        assert store.get(entry.key) is None
        with store.reading():
            assert [store.get(other.key) for other in entries[position:]] == [
                None, *entries[position + 1 :]
            ]  # fmt: skip
    remover.communicate()
    store.close()


COLLECTOR = """
import sys
from stagecache.stores.disk import DiskStore
store = DiskStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    store.gc(grace=-1.0)
store.close()
"""

WRITER = """
import sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, make_provenance
store = DiskStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    value = b"%d" % (number % 7) * 30_000
    entry = make_entry()
    kept = store.put(entry, [value], make_provenance(entry), None)
    assert load(store, kept) == [value], number
    if number % 3 == 0:
        store.remove([kept.key])
store.close()
"""


def test_collecting_all_the_time_breaks_no_writer_and_no_reader(tmp_path):
    root = tmp_path / "cache"
    workers = [start(COLLECTOR, root, 40), *(start(WRITER, root, 60) for _ in range(3))]
    start_together(workers)
    assert [worker.communicate(timeout=100)[1] for worker in workers] == [""] * 4
    store = DiskStore(root)
    assert store.verify() == []
    store.close()
