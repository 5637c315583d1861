"""Who commits again and again keeps a view of the log in between: only the time tells."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from stagecache.stores.disk import DiskStore, bursts, checkpoint, connections, session, turns
from stagecache.stores.disk.checkpoint import write_back
from stagecache.stores.disk.items import collection
from stagecache.testing.stores import make_entry, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def in_bursts(monkeypatch):
    """All commits follow each other at once; who looks for the end of a burst sees none."""
    monkeypatch.setattr(session, "_QUICK", 3600.0)
    monkeypatch.setattr(session, "_FEW", 0)
    monkeypatch.setattr(session, "_PAUSE", 0.0)

    def watch(_, session):
        session.is_watched = True
        return True

    monkeypatch.setattr(bursts.Bursts, "watch", watch)


@pytest.fixture
def waiting(monkeypatch):
    """Set as soon as somebody finds that another one is writing, and waits."""
    found = threading.Event()

    def sleep(seconds):
        found.set()
        time.sleep(seconds)

    monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    return found


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


@pytest.fixture
def a(store):
    items = store.items.open("a", "index")
    items.set(b"first", "bytes", b"0")
    return items


def session_of(items):
    return items.access._connections.session()


def connection_of(items):
    return session_of(items).connection


def burst(items, count=5, start=0):
    for number in range(start, start + count):
        items.set(b"%d" % number, "bytes", b"%d" % number)


def again(root):
    return DiskStore(root).items.open("a", "index")


def test_a_burst_keeps_its_view_from_one_commit_to_the_next(a, in_bursts):
    burst(a)
    assert session_of(a).by_view is not None


def test_commits_that_are_far_from_each_other_keep_no_view(a, monkeypatch):
    moments = iter(range(1_000))
    monkeypatch.setattr(connections, "monotonic", lambda: float(next(moments)))
    burst(a, 50)
    assert session_of(a).by_view is None


def test_what_others_commit_amid_a_burst_is_read_at_once(a, root, in_bursts):
    other = again(root)
    for number in range(20):
        burst(a, 3, 3 * number)
        assert session_of(a).by_view is not None
        other.set(b"k", "bytes", b"%d" % number)
        assert a.get(b"k") == ("bytes", b"%d" % number, None)


def test_what_others_commit_amid_a_burst_is_replaced_in_its_place(a, root, in_bursts):
    other = again(root)
    burst(a, 3)
    other.set(b"k", "bytes", b"theirs")
    a.set(b"k", "bytes", b"ours")
    a.set(b"l", "bytes", b"last")
    assert [stored.key for stored in other.scan()] == [b"first", b"0", b"1", b"2", b"k", b"l"]
    assert other.get(b"k") == ("bytes", b"ours", None)


def test_who_is_in_a_burst_waits_for_the_transaction_of_another_process(
    a, root, in_bursts, waiting
):
    burst(a)
    other = DiskStore(root)
    items = other.items.open("a", "index")
    inside, written = threading.Event(), []

    def work():
        with items.transaction():
            inside.set()
            items.set(b"k", "bytes", b"theirs")
            assert waiting.wait(30)
            written.append(a.get(b"k"))

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    assert session_of(a).by_view is not None
    a.set(b"k", "bytes", b"ours")
    thread.join()
    assert written == [None]
    assert a.get(b"k") == ("bytes", b"ours", None)
    other.close()


def test_a_transaction_and_a_list_amid_a_burst_see_all(a, root, in_bursts):
    other = again(root)
    burst(a)
    other.set(b"k", "bytes", b"theirs")
    with a.transaction():
        assert a.get(b"k") == ("bytes", b"theirs", None)
    burst(a)
    other.delete([b"k"])
    assert b"k" not in [stored.key for stored in a.scan()]


def test_transactions_are_of_a_burst_as_well(a, root, in_bursts):
    other = again(root)
    for number in range(10):
        with a.transaction():
            a.set(b"%d" % number, "bytes", b"0")
            assert a.get(b"%d" % number) == ("bytes", b"0", None)
        assert session_of(a).by_view is not None
        other.set(b"k", "bytes", b"%d" % number)
        assert a.get(b"k") == ("bytes", b"%d" % number, None)
    assert a.count() == 12


def test_a_transaction_that_is_undone_amid_a_burst_leaves_nothing(a, in_bursts):
    burst(a)
    with suppress(KeyError), a.transaction():
        a.set(b"x", "bytes", b"x")
        raise KeyError
    assert a.get(b"x") is None
    burst(a)
    assert a.count() == 6


def test_a_transaction_amid_a_burst_waits_for_that_of_another_process(a, root, in_bursts, waiting):
    other = again(root)
    inside, order = threading.Event(), []

    def work():
        with other.transaction():
            inside.set()
            other.set(b"k", "bytes", b"theirs")
            assert waiting.wait(30)
            order.append("theirs")

    burst(a)
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    with a.transaction():
        order.append("ours")
        assert a.get(b"k") == ("bytes", b"theirs", None)
    thread.join()
    assert order == ["theirs", "ours"]


def test_a_collection_is_made_amid_a_burst(a, store, in_bursts):
    burst(a)
    b = store.items.open("b", "index", counted=True)
    b.set(b"k", "bytes", b"b")
    burst(a)
    assert (a.count(), b.count(), b.get(b"k")) == (6, 1, ("bytes", b"b", None))


def test_a_statement_that_fails_amid_a_burst_leaves_nothing(a, in_bursts):
    burst(a)
    with pytest.raises(Exception, match="constraint"):
        a.run(f"INSERT INTO {a.table} (key, codec, size, seal) VALUES (?, NULL, 1, 1)", (b"x",))
    burst(a)
    assert a.count() == 6


def test_the_view_ends_soon_after_the_burst(a, monkeypatch):
    monkeypatch.setattr(session, "_QUICK", 3600.0)
    burst(a, 20)
    kept = session_of(a)
    until = time.monotonic() + 30
    while kept.by_view is not None and time.monotonic() < until:
        time.sleep(0.001)
    assert kept.by_view is None
    assert connection_of(a).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE) == (0, 0)


def test_the_log_is_written_back_by_others_amid_a_burst(a, root, in_bursts):
    other = again(root)
    burst(a)
    other.count()
    with pytest.raises(apsw.BusyError):
        write_back(connection_of(other))
    session_of(a).let_go()  # as who looks for the end of bursts does
    write_back(connection_of(other))
    burst(a, 20)
    assert a.count() == 21


def test_the_log_of_a_long_burst_begins_anew(root, monkeypatch):
    monkeypatch.setattr(session, "_QUICK", 3600.0)
    monkeypatch.setattr(checkpoint, "LONG", 200)
    monkeypatch.setattr(checkpoint, "_MORE", 100)
    monkeypatch.setattr(checkpoint, "_EVERY", 8)
    items = again(root)
    for number in range(3_000):
        items.set(b"%d" % number, "bytes", bytes(1_000))
        if number % 100 == 0:
            items.access._connections._checkpoints.finish()
    log = root / "v1" / "collections" / "items.db-wal"
    assert log.stat().st_size < 4 * 200 * 4096


def test_who_writes_the_log_back_in_this_process_ends_no_burst(a, in_bursts, monkeypatch, waiting):
    monkeypatch.setattr(session, "_PAUSE", 3600.0)
    holding = threading.Event()

    def hold_up(connection):
        connection.execute("BEGIN IMMEDIATE")
        holding.set()
        assert waiting.wait(30)
        connection.execute("ROLLBACK")

    monkeypatch.setattr(checkpoint, "begin_anew", hold_up)
    burst(a)
    checkpoints = a.access._connections._checkpoints
    checkpoints._start()
    assert holding.wait(30)
    burst(a, 1, 5)
    checkpoints.finish()
    assert session_of(a).by_view is None
    burst(a, 1, 6)
    assert session_of(a).by_view is not None
    assert a.count() == 8


def test_another_process_that_writes_ends_a_burst(a, root, in_bursts, monkeypatch):
    monkeypatch.setattr(session, "_PAUSE", 3600.0)
    burst(a)
    again(root).set(b"k", "bytes", b"theirs")
    burst(a)
    assert session_of(a).by_view is None


def test_a_burst_that_goes_on_after_a_moment_keeps_a_view_at_once(a, monkeypatch):
    moments = [0.0]
    monkeypatch.setattr(connections, "monotonic", lambda: moments[0])
    monkeypatch.setattr(bursts, "_OVER", math.inf)
    monkeypatch.setattr(bursts, "_GONE", math.inf)
    burst(a, 20)
    assert session_of(a).by_view is not None
    moments[0] = 0.5
    session_of(a).let_go()
    burst(a, 1)
    assert session_of(a).by_view is None
    burst(a, 1)
    assert session_of(a).by_view is not None


def counted(items, times=1):
    """Add to a number as an index does."""
    for _ in range(times):
        while True:
            codec, value, *sealed = items.get_sealed(b"n")
            if items.exchange(b"n", codec, b"%d" % (int(value) + 1), *sealed):
                break


def test_a_number_that_is_added_to_amid_a_burst_is_not_read_each_time(a, in_bursts, monkeypatch):
    a.set(b"n", "bytes", b"0")
    counted(a, 2)
    with monkeypatch.context() as patch:
        patch.setattr(a.access, "glance", lambda *_: pytest.fail("it was read"))
        counted(a, 5)
    assert a.get(b"n") == ("bytes", b"7", None)


def test_what_others_do_to_a_number_amid_a_burst_is_never_lost(a, root, in_bursts):
    other = again(root)
    a.set(b"n", "bytes", b"0")
    for _ in range(20):
        counted(a, 3)
        counted(other, 2)
    assert a.get(b"n") == ("bytes", b"100", None)
    counted(a, 2)
    other.touch(b"n", 5.0, 0.0)
    counted(a, 2)
    assert other.get(b"n") == ("bytes", b"104", 5.0)
    counted(a, 2)
    other.delete([b"n"])
    with pytest.raises(TypeError):
        counted(a)
    assert a.get(b"n") is None


def test_what_a_transaction_that_was_undone_added_is_not_added_to(a, in_bursts):
    a.set(b"n", "bytes", b"0")
    counted(a, 3)
    with suppress(KeyError), a.transaction():
        counted(a, 3)
        raise KeyError
    counted(a, 1)
    assert a.get(b"n") == ("bytes", b"4", None)


def test_many_numbers_are_added_to_amid_a_burst(a, in_bursts, monkeypatch):
    monkeypatch.setattr(collection, "_COUNTERS", 3)
    for key in range(10):
        a.set(b"%d" % key, "bytes", b"0")
    for number in range(1, 4):
        for key in range(10):
            codec, _, *sealed = a.get_sealed(b"%d" % key)
            assert a.exchange(b"%d" % key, codec, b"%d" % number, *sealed)
        assert len(a._exchanged) <= 3
    assert {stored.value for stored in a.scan()} == {b"0", b"3"}


def test_results_are_put_and_found_amid_a_burst(root, in_bursts):
    store, other = DiskStore(root), DiskStore(root)
    entries = []
    for _ in range(10):
        entries.append(put(store, make_entry(), b"ours"))
        entries.append(put(other, make_entry(), b"theirs"))
    for each in (store, other):
        assert each.get_many([entry.key for entry in entries]).keys() == {e.key for e in entries}
        assert each.get(entries[0].key) is not None
        with each.reading():
            assert each.get(entries[-1].key) is not None
    before = store.version()
    other.remove([entries[0].key])
    burst_of = [put(store, make_entry(), b"ours") for _ in range(3)]
    assert len(burst_of) == 3
    assert store.version() != before
    assert store.get(entries[0].key) is None
    store.close()
    other.close()


def test_a_fork_amid_a_burst_lets_both_write(a, root, in_bursts):
    burst(a)
    child = os.fork()
    if not child:
        code = 1
        try:
            burst(a, 5, 100)
            code = 0
        finally:
            os._exit(code)
    burst(a, 5, 200)
    assert os.waitpid(child, 0)[1] == 0
    assert a.count() == 16
    assert again(root).count() == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_forks_amid_a_burst_has_no_thread_of_it_then(root):
    program = f"""if True:
        import os, threading
        names = []
        os.register_at_fork(before=lambda: names.extend(t.name for t in threading.enumerate()))
        from stagecache import Cache
        with Cache({str(root)!r}) as cache:
            index = cache.index("a")
            while not any(t.name == "stagecache-bursts" for t in threading.enumerate()):
                for number in range(100):
                    index[number] = number
            if not os.fork():
                os._exit(0)
            os.wait()
            index["last"] = 1
        print(*names)
    """
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["MainThread"]


def test_who_is_killed_amid_a_burst_keeps_nobody_from_anything(root):
    code = """
import os, sys
from stagecache.stores.disk import DiskStore
items = DiskStore(sys.argv[1]).items.open("a", "index")
for number in range(500):
    items.set(b"%d" % number, "bytes", bytes(100))
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code, str(root)], check=False)
    assert done.returncode == -9
    items = again(root)
    burst(items, 1)
    assert items.count() == 500
    assert connection_of(items).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE) == (0, 0)


def test_threads_in_bursts_lose_nothing(a, in_bursts):
    def work(number):
        burst(a, 100, 1_000 * number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert a.count() == 401


KEYS = st.sampled_from([b"a", b"b", b"c"])
WHO = st.integers(0, 2)


class Together(RuleBasedStateMachine):
    """Three handles in bursts, as three processes have them, beside one dict."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.stores = [DiskStore(self.folder.name + "/cache") for _ in range(3)]
        self.handles = [store.items.open("a", "index") for store in self.stores]
        self.handles[0].set(b"a", "bytes", b"0")
        self.model = {b"a": b"0"}
        self.number = 0

    @rule(who=WHO, key=KEYS, times=st.integers(1, 3))
    def set(self, who, key, times):
        for _ in range(times):
            self.number += 1
            self.model[key] = b"%d" % self.number
            self.handles[who].set(key, "bytes", self.model[key])

    @rule(who=WHO, key=KEYS)
    def add(self, who, key):
        self.number += 1
        value = b"%d" % self.number
        assert self.handles[who].add(key, "bytes", value, now=0.0) == (key not in self.model)
        self.model.setdefault(key, value)

    @rule(who=WHO, key=KEYS)
    def delete(self, who, key):
        assert self.handles[who].delete([key]) == (key in self.model)
        self.model.pop(key, None)

    @rule(who=WHO, key=KEYS)
    def exchange(self, who, key):
        items = self.handles[who]
        for _ in range(2):  # what it gives may be old, and is not exchanged then
            found = items.get_sealed(key)
            if found is not None:
                self.number += 1
                new = b"%d" % self.number
                if items.exchange(key, "bytes", new, *found[2:]):
                    assert found[1] == self.model[key]
                    self.model[key] = new
                    return
            elif items.get(key) is None:
                assert key not in self.model
                return
        raise AssertionError("what was looked for anew is old")

    @rule(who=WHO, key=KEYS)
    def replace_in_a_transaction(self, who, key):
        with self.handles[who].transaction():
            found = self.handles[who].get(key)
            assert (found and found[1]) == self.model.get(key)
            self.number += 1
            self.handles[who].set(key, "bytes", b"%d" % self.number)
        self.model[key] = b"%d" % self.number

    @rule(who=WHO, key=KEYS)
    def get(self, who, key):
        found = self.handles[who].get(key)
        assert (found and found[1]) == self.model.get(key)

    @rule(who=WHO)
    def write_back(self, who):
        for items in self.handles:
            session_of(items).let_go()
        if connection_of(self.handles[who]) is not None:
            write_back(connection_of(self.handles[who]))

    @rule(who=WHO)
    def close(self, who):
        self.stores[who].close()

    @rule(who=WHO)
    def list(self, who):
        found = {stored.key: stored.value for stored in self.handles[who].scan()}
        assert list(found.items()) == list(self.model.items())

    def teardown(self):
        if hasattr(self, "stores"):
            for store in self.stores:
                store.close()
            self.folder.cleanup()


def test_handles_in_bursts_are_as_one_dict(in_bursts):
    run_state_machine_as_test(
        Together, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
    )
