"""The index's log is written back beside the writers and begins anew; who waits gets a turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import apsw
import pytest

from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore, checkpoint, databases
from stagecache.testing.stores import make_entry, put

LONG = 200


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def short_log(monkeypatch):
    monkeypatch.setattr(checkpoint, "LONG", LONG)
    monkeypatch.setattr(checkpoint, "_MORE", LONG // 2)
    monkeypatch.setattr(checkpoint, "_EVERY", 8)


def join_threads():
    for thread in threading.enumerate():
        if thread.name == "stagecache-log":
            thread.join()


def log_pages(root):
    return (root / "v1" / "index.db-wal").stat().st_size // 4096


def test_the_log_of_one_writer_stays_short(root, short_log):
    store = DiskStore(root)
    entries = []
    for number in range(3_000):
        entries.append(put(store, make_entry(), bytes(1_000)))
        if number % 100 == 0:
            join_threads()
    assert log_pages(root) < 4 * LONG
    assert store.get_many([entry.key for entry in entries]).keys() == {e.key for e in entries}
    store.close()


def test_large_transactions_do_not_let_the_log_grow(root, short_log):
    store = DiskStore(root)
    items = store.items.open("bench", "index")
    for start in range(0, 3_000, 100):
        with items.transaction():
            for number in range(start, start + 100):
                items.set(b"%d" % number, "b", bytes(1_000))
        join_threads()
    log = root / "v1" / "collections" / "items.db-wal"
    assert log.stat().st_size // 4096 < 4 * LONG
    assert items.count() == 3_000
    store.close()


def test_a_log_that_somebody_reads_is_left_and_begins_anew_afterwards(root, short_log):
    store, reader = DiskStore(root), DiskStore(root)
    first = put(store, make_entry(), bytes(1_000))
    with reader.reading():
        assert reader.get(first.key) == first
        for _ in range(1_000):
            later = put(store, make_entry(), bytes(1_000))
        join_threads()
        assert reader.get(later.key) is None
        long = log_pages(root)
        assert long > LONG
    assert reader.get(later.key) == later
    for _ in range(1_000):
        put(store, make_entry(), bytes(1_000))
        join_threads()
    assert log_pages(root) <= long + 2 * LONG
    reader.close()
    store.close()


def test_closing_waits_for_whoever_writes_the_log_back(root, short_log):
    store = DiskStore(root)
    for _ in range(300):
        put(store, make_entry(), bytes(1_000))
    store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "stagecache-log"]
    assert not (root / "v1" / "index.db-wal").exists()


FORKS = """
import os, sys
from stagecache.stores.disk import DiskStore, checkpoint
from stagecache.testing.stores import make_entry, put
checkpoint.LONG, checkpoint._MORE, checkpoint._EVERY = 100, 50, 8
store = DiskStore(sys.argv[1])
for number in range(20):
    entries = [put(store, make_entry(), bytes(1_000)) for _ in range(100)]
    child = os.fork()
    if not child:
        entries += [put(store, make_entry(), bytes(1_000)) for _ in range(100)]
        found = store.get_many([entry.key for entry in entries])
        store.close()
        os._exit(len(found) != 200)
    assert len(store.get_many([entry.key for entry in entries])) == 100
    assert os.waitpid(child, 0)[1] == 0
print(store.stats().entries)
store.close()
"""


def test_a_fork_in_the_middle_loses_nothing(root):
    quiet = ("-W", "ignore::DeprecationWarning")  # Python 3.12 warns of any fork beside threads
    done = subprocess.run(
        [sys.executable, *quiet, "-c", FORKS, str(root)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("4000\n", "")


def holder_of(root):
    """Return a connection that lets nobody else write."""
    connection = apsw.Connection(str(root / "v1" / "index.db"))
    connection.execute("BEGIN IMMEDIATE")
    return connection


WAITS = """
import sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry, put
store = DiskStore(sys.argv[1])
print(store.stats().entries, flush=True)
put(store, make_entry())
print("kept", flush=True)
store.close()
"""


def waiting(root):
    return subprocess.Popen(
        [sys.executable, "-c", WAITS, str(root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_writer_waits_until_another_has_committed(root):
    store = DiskStore(root)
    put(store, make_entry())
    holder = holder_of(root)
    with waiting(root) as process:
        assert process.stdout.readline() == "1\n"
        holder.execute("COMMIT")
        assert process.communicate(timeout=60) == ("kept\n", "")
    holder.close()
    assert store.stats().entries == 2
    store.close()


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_writer_that_waits_can_be_interrupted(root):
    store = DiskStore(root)
    put(store, make_entry())
    holder = holder_of(root)
    with waiting(root) as process:
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGINT)
        out, trace = process.communicate(timeout=databases.BUSY / 2)
    assert out == ""
    assert trace.rstrip().endswith("KeyboardInterrupt")
    holder.close()
    store.close()


def test_a_writer_gives_up_in_the_end(root, monkeypatch):
    monkeypatch.setattr(databases, "BUSY", 0.05)
    store = DiskStore(root)
    put(store, make_entry())
    holder = holder_of(root)
    with pytest.raises(StoreError, match="keep a result"):
        put(store, make_entry())
    holder.close()
    put(store, make_entry())
    assert store.stats().entries == 2
    store.close()


def test_a_log_that_cannot_be_looked_at_just_now_is_no_trouble_of_the_commit_before():
    class Busy:
        def wal_checkpoint(self, mode):
            raise apsw.BusyError("database is locked")

    checkpoints = checkpoint.Checkpoints(lambda work: pytest.fail("nobody knows that it is long"))
    checkpoints.look(Busy())
    assert checkpoints.left > 0
