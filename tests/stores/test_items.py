"""Items of collections: kept in order, never emptied, an error where they cannot be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from random import Random

import apsw
import pytest

from stagecache.errors import SettingsError, StagecacheWarning, StoreError
from stagecache.stores.disk import DiskStore, databases
from stagecache.stores.disk.fairness import Turns
from stagecache.stores.disk.items import file, schema
from stagecache.stores.disk.items.placed import FIRST


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


@pytest.fixture
def a(store):
    return store.items.open("a", "index")


def again(root):
    """The collection as another handle has it."""
    return DiskStore(root).items.open("a", "index")


def file_of(root):
    return root / "v1" / "collections" / "items.db"


def blobs_of(root):
    return [path for path in (root / "v1" / "collections" / "blobs").rglob("*") if path.is_file()]


def keys(collection, **how):
    return [stored.key for stored in collection.scan(**how)]


def test_what_is_set_is_found_by_every_handle_in_its_collection_only(a, store, root):
    b = store.items.open("b", "index")
    a.set(b"k", "bytes", b"one")
    b.set(b"k", "bytes", b"two")
    other = again(root)
    assert other.get(b"k") == ("bytes", b"one", None)
    assert other.get(b"l") is None
    assert store.items.open("c", "index").get(b"k") is None
    other.set(b"k", "text", b"three", expires=7.0)
    assert a.get(b"k") == ("text", b"three", 7.0)


def test_nothing_is_made_by_who_only_reads(a, store, root):
    assert a.get(b"k") is None
    assert (a.count(), a.delete([b"k"]), a.clear(), keys(a)) == (0, 0, 0, [])
    assert store.items.stats() == []
    assert not root.exists()


def test_items_are_in_the_order_of_their_coming(a):
    for key in (b"b", b"a", b"c"):
        a.set(key, "bytes", key)
    a.set(b"b", "bytes", b"new")
    assert keys(a) == [b"b", b"a", b"c"]
    a.delete([b"b"])
    a.set(b"b", "bytes", b"")
    assert keys(a, reverse=True) == [b"b", b"c", b"a"]


def test_more_than_a_page_is_scanned_once_each(a):
    with a.transaction():
        for number in range(450):
            a.set(b"%d" % number, "bytes", b"")
    assert keys(a) == [b"%d" % number for number in range(450)]
    assert keys(a, reverse=True) == [b"%d" % number for number in reversed(range(450))]
    found = a.get_many([b"%d" % number for number in range(-100, 1_000)])
    assert len(found) == 450


def test_only_the_first_of_two_is_added(a, root):
    other = again(root)
    assert a.add(b"k", "bytes", b"one", now=10.0, expires=20.0)
    assert not other.add(b"k", "bytes", b"two", now=19.0)
    assert other.get(b"k")[1] == b"one"
    assert other.add(b"k", "bytes", b"two", now=20.0)
    assert a.get(b"k") == ("bytes", b"two", None)


def test_items_without_keys_come_at_either_end(a):
    assert [a.push("bytes", b"1"), a.push("bytes", b"2"), a.push("bytes", b"0", place=FIRST)]
    assert [stored.value for stored in a.scan()] == [b"0", b"1", b"2"]
    first = a.items("ORDER BY id LIMIT 1")[0]
    assert a.pop(first.id)
    assert not a.pop(first.id)
    assert a.count() == 2


@pytest.mark.parametrize("size", [0, 1, 16_384, 3_000_000])
def test_values_of_every_size_come_back(a, size):
    value = Random(size).randbytes(size)
    a.set(b"", "bytes", value)
    assert a.get(b"")[1] == value
    a.set(b"", "pickle", [value, b"more"])
    assert [bytes(section) for section in a.get(b"")[1]] == [value, b"more"]


# --- large values


def test_a_large_value_goes_when_its_row_goes_and_not_before(a, root):
    large = [bytes(100_000)]
    a.set(b"k", "x", large)
    a.set(b"l", "x", large)
    assert len(blobs_of(root)) == 1
    a.delete([b"k"])
    assert [bytes(section) for section in a.get(b"l")[1]] == large
    a.set(b"l", "bytes", b"small")
    assert blobs_of(root) == []
    a.set(b"l", "x", large)
    a.push("x", [b"1" * 50_000])
    assert len(blobs_of(root)) == 2
    a.clear()
    assert blobs_of(root) == []


def test_a_large_value_in_a_transaction_that_is_undone_is_not_lost(a, root):
    a.set(b"k", "x", [bytes(100_000)])
    with pytest.raises(ZeroDivisionError), a.transaction():  # noqa: PT012
        a.delete([b"k"])
        raise ZeroDivisionError
    assert len(a.get(b"k")[1][0]) == 100_000


def test_a_damaged_large_value_is_an_error_and_stays_where_it_is(a, root):
    a.set(b"k", "x", [bytes(100_000)])
    (path,) = blobs_of(root)
    path.write_bytes(path.read_bytes().replace(bytes(1_000), b"1" * 1_000))
    with pytest.raises(StoreError, match="damaged"):
        a.get(b"k")
    path.unlink()
    with pytest.raises(StoreError, match="gone"):
        a.get(b"k")
    assert a.count() == 1


# --- transactions


def test_a_transaction_is_all_or_nothing_and_only_its_thread_sees_it_before(a, root):
    a.set(b"k", "bytes", b"0")
    other = again(root)
    with a.transaction():
        a.set(b"k", "bytes", b"1")
        a.set(b"l", "bytes", b"1")
        assert a.get(b"k")[1] == b"1"
        assert other.get(b"k")[1] == b"0"
    assert other.get(b"l")[1] == b"1"
    with pytest.raises(FileNotFoundError), a.transaction():  # the caller's own, as it is  # noqa: PT012
        a.delete([b"k", b"l"])
        raise FileNotFoundError
    assert a.count() == 2


def test_an_inner_transaction_is_undone_alone(a):
    with a.transaction():
        a.set(b"k", "bytes", b"1")
        with pytest.raises(KeyError), a.transaction():  # noqa: PT012
            a.set(b"l", "bytes", b"1")
            raise KeyError
        with a.transaction():
            a.set(b"m", "bytes", b"1")
    assert keys(a) == [b"k", b"m"]


def in_turn(turns, lock, work):
    ticket = turns.wait()
    with lock:
        turns.passed(ticket)
        work()


def test_threads_that_wait_write_in_the_order_in_which_they_came():
    lock, order, threads = threading.RLock(), [], []
    turns = Turns(lock)
    with lock:
        for number in range(5):
            thread = threading.Thread(
                target=in_turn, args=(turns, lock, lambda n=number: order.append(n))
            )
            thread.start()
            threads.append(thread)
            while len(turns._tickets) <= number:
                os.sched_yield()
    in_turn(turns, lock, lambda: order.append("who has just had it"))
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, "who has just had it"]
    assert not turns._tickets


def test_a_ticket_that_was_lost_keeps_nobody_waiting():
    lock, order = threading.RLock(), []
    turns = Turns(lock)
    with lock:
        thread = threading.Thread(target=turns.wait)  # goes to the lock, and never gets there
        thread.start()
        thread.join()
    in_turn(turns, lock, lambda: order.append(1))
    assert order == [1]


WRITES = """
import sys
from stagecache.stores.disk import DiskStore
a = DiskStore(sys.argv[1]).items.open("a", "index")
for number in range(200):
    a.set(b"%d %s" % (number, sys.argv[2].encode()), "bytes", b"x" * number)
    a.set(b"shared", "bytes", sys.argv[2].encode() * 1000)
    with a.transaction():
        found = a.get(b"count")
        a.set(b"count", "bytes", b"%d" % (int(found[1]) + 1 if found else 1))
"""


def test_no_process_loses_what_it_set(a, root):
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITES, str(root), name]) for name in "abcd"
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert a.count() == 802
    shared = a.get(b"shared")[1]
    assert shared[:1] * 1_000 == shared
    assert a.get(b"count")[1] == b"800"


def test_no_thread_loses_what_it_set(a):
    def work(name):
        for number in range(100):
            a.set(b"%d %s" % (number, name), "bytes", name)

    threads = [threading.Thread(target=work, args=(b"%d" % n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert a.count() == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_parent_and_child_of_a_fork_go_on(a, root):
    a.set(b"k", "bytes", b"1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        a.set(b"l", "bytes", b"2")
        os._exit(0)
    a.set(b"m", "bytes", b"3")
    assert os.waitpid(pid, 0)[1] == 0
    assert sorted(keys(a)) == [b"k", b"l", b"m"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_within_a_transaction_undoes_it_loudly(a):
    a.set(b"k", "bytes", b"1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(StoreError), a.transaction():  # noqa: PT012
            a.set(b"k", "bytes", b"2")
            pid = os.fork()
            if not pid:
                os._exit(0)
    os.waitpid(pid, 0)
    assert a.get(b"k")[1] == b"1"
    a.set(b"k", "bytes", b"3")


# --- what a collection was made with


def test_a_collection_keeps_its_settings_and_refuses_others(store, root):
    made = store.items.open("a", "index", {"max_items": 3}, {"max_items": None, "when_full": "x"})
    made.set(b"k", "bytes", b"")
    assert DiskStore(root).items.open("a", "index").settings == {"max_items": 3, "when_full": "x"}
    with pytest.raises(SettingsError, match=r"max_items=3.*max_items=4"):
        DiskStore(root).items.open("a", "index", {"max_items": 4})
    with pytest.raises(SettingsError, match="no deque"):
        DiskStore(root).items.open("a", "deque")


def test_a_counted_collection_always_knows_its_number_and_bytes(store):
    a = store.items.open("a", "index", counted=True)
    a.set(b"k", "bytes", b"12345")
    a.set(b"k", "bytes", b"123")
    a.set(b"l", "x", [bytes(70_000)])
    assert (a.count(), a.size()) == (2, 70_003)
    a.delete([b"l"])
    assert (a.count(), a.size()) == (1, 3)
    assert store.items.stats() == [("a", "index", 1, 3)]
    a.clear()
    assert (a.count(), a.size()) == (0, 0)


def test_a_collection_in_a_directory_that_was_removed_is_made_anew(a, root):
    import shutil

    a.set(b"k", "bytes", b"1")
    shutil.rmtree(root)
    a.set(b"l", "bytes", b"2")
    assert keys(a) == [b"l"]


# --- trouble


def test_a_damaged_item_is_never_given(a, store, root):
    a.set(b"k", "bytes", b"value")
    a.set(b"l", "bytes", b"other")
    store.close()
    connection = apsw.Connection(str(file_of(root)))
    connection.execute(f"UPDATE {a.table} SET value = x'00' WHERE key = x'6b'")
    connection.close()
    assert a.get(b"l")[1] == b"other"
    with pytest.raises(StoreError, match="damaged"):
        a.get(b"k")
    with pytest.raises(StoreError, match="damaged"):
        keys(a)


def trash_header(path):
    with path.open("r+b") as stream:
        stream.write(os.urandom(100))


def trash_middle(path):
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        stream.write(os.urandom(8 * 4096))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2 + 100)


def trash_keys(path):
    """Break the list of keys: the rows themselves are whole."""
    connection = apsw.Connection(str(path))
    page = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name LIKE 'items_%_key'"
    ).get
    connection.close()
    with path.open("r+b") as stream:
        stream.seek((page - 1) * 4096)
        stream.write(os.urandom(4096))


def fill(root, count=2_000):
    store = DiskStore(root)
    a = store.items.open("a", "index")
    with a.transaction():
        for number in range(count):
            a.set(b"%d" % number, "bytes", b"%d" % number * 50)
        a.set(b"large", "x", [b"large" * 20_000])
    store.close()


@pytest.mark.parametrize(
    ("damage", "least"),
    [(trash_header, 2_001), (trash_middle, 1_700), (truncate, 500), (trash_keys, 2_001)],
)
def test_what_can_be_read_of_a_damaged_file_is_saved_and_the_loss_is_told(root, damage, least):
    fill(root)
    damage(file_of(root))
    store = DiskStore(root)
    with pytest.warns(StagecacheWarning, match=r"items may be lost.*'a': \d+ items saved"):  # noqa: PT031
        a = store.items.open("a", "index")
        list(a.scan())
        a.set(b"new", "bytes", b"new")
    assert a.count() > least
    assert keys(a)[:100] == [b"%d" % number for number in range(100)]
    assert all(
        found is None or found == ("bytes", b"%d" % number * 50, None)
        for number in range(2_000)
        for found in [a.get(b"%d" % number)]
    )
    store.close()
    aside = list((root / "v1" / "quarantine").glob("collections-*.db"))
    assert len(aside) == 1
    again = DiskStore(root)
    assert again.items.open("a", "index").get(b"new")[1] == b"new"
    assert again.verify() == []
    again.close()


@pytest.mark.parametrize(
    "more",
    [
        {"expires": 5.0}, {"tag": "t"}, {"due": 5.0}, {"note": 1.5}, {"note": "n"},
        {"shown": b"x|y"}, {}, {"value": [b"large" * 20_000]},
    ],
)  # fmt: skip
def test_a_plain_set_leaves_nothing_of_what_was_there_but_its_place_and_how_its_key_is_shown(
    a, root, more
):
    a.set(b"k", "first", **{"value": b"1", **more})
    a.set(b"l", "bytes", b"after")
    a.set(b"k", "bytes", b"2")
    first, second = again(root).items()
    assert (first.key, first.codec, first.value) == (b"k", "bytes", b"2")
    assert (first.expires, first.tag, first.due, first.note) == (None, None, None, None)
    assert first.shown == more.get("shown")
    assert second.key == b"l"
    assert a.select("SELECT * FROM blobs") == []
    a.set(b"k", "bytes", b"3")
    assert again(root).get(b"k") == ("bytes", b"3", None)


@pytest.mark.parametrize("damage", [trash_header, trash_middle, truncate, trash_keys])
def test_a_damaged_file_with_maps_of_its_pages_is_saved_as_one_without(root, monkeypatch, damage):
    """As files were made once: who reads them does not know which kind they are."""
    with monkeypatch.context() as patch:
        patch.setattr(file.ItemsFile, "gives_back", True)
        fill(root)
    connection = apsw.Connection(str(file_of(root)))
    assert connection.execute("PRAGMA auto_vacuum").get == 2
    connection.close()
    damage(file_of(root))
    store = DiskStore(root)
    with pytest.warns(StagecacheWarning, match=r"items may be lost"):  # noqa: PT031
        a = store.items.open("a", "index")
        list(a.scan())
        a.set(b"new", "bytes", b"new")
    assert a.count() > 500
    store.close()
    again = DiskStore(root)
    assert again.items.open("a", "index").get(b"new")[1] == b"new"
    assert again.verify() == []
    again.close()


def test_a_new_page_of_items_writes_no_map_of_pages(a, root):
    a.set(b"k", "bytes", b"value")
    connection = a.access._connections.session().connection
    assert connection.execute("PRAGMA auto_vacuum").get == 0


def test_a_file_of_nothing_but_noise_is_told_of_and_kept(root):
    fill(root)
    path = file_of(root)
    noise = os.urandom(path.stat().st_size)
    path.write_bytes(noise)
    with pytest.warns(StagecacheWarning, match="no collection could be read"):  # noqa: PT031
        a = again(root)
        a.set(b"new", "bytes", b"new")
    (aside,) = (root / "v1" / "quarantine").glob("collections-*.db")
    assert aside.read_bytes() == noise


def test_damage_under_an_open_collection_is_mended(root):
    fill(root)
    store, other = DiskStore(root), DiskStore(root)
    a, b = store.items.open("a", "index"), other.items.open("a", "index")
    assert a.get(b"7") == b.get(b"7")
    trash_middle(file_of(root))
    with pytest.warns(StagecacheWarning, match="items may be lost"):  # noqa: PT031
        store.items._connections.close()
        list(a.scan())
    a.set(b"x", "bytes", b"x")
    assert b.get(b"x")[1] == b"x"
    store.close()
    other.close()


def zero_header(path):
    with path.open("r+b") as stream:
        stream.write(bytes(100))


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def empty(path):
    os.truncate(path, 0)


def trash_header_with_another_encoding(path):
    with path.open("r+b") as stream:
        stream.write(os.urandom(44) + (4).to_bytes(4) + bytes(8) + (2).to_bytes(4) + bytes(40))


def cut_header(path):
    os.truncate(path, 50)


HOLDER = """
import sys
from stagecache.stores.disk import DiskStore
a = DiskStore(sys.argv[1]).items.open("a", "index")
print(a.get(b"7")[2], flush=True)
input()
a.set(b"theirs", "bytes", b"x")
print(a.get(b"ours")[1].decode(), flush=True)
"""


@pytest.mark.parametrize(
    ("damage", "least"),
    [
        (trash_header, 2_001), (trash_header_with_another_encoding, 2_001),
        (zero_header, 2_001), (zero, 0), (trash_middle, 1_700),
        (empty, 0), (cut_header, 0),
    ],
)  # fmt: skip
def test_a_broken_file_is_mended_while_an_idle_process_has_it_open(
    root, monkeypatch, damage, least
):
    monkeypatch.setattr(databases, "BUSY", 0.5)  # who would wait for the other one fails
    monkeypatch.setattr(file, "BUSY", 0.5)
    fill(root)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        try:
            assert holder.stdout.readline() == "None\n"
            damage(file_of(root))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are looked at above
                a = again(root)
                list(a.scan())
                a.set(b"ours", "bytes", b"y")
            assert a.count() > least
            assert holder.communicate("\n", timeout=30)[0] == "y\n"
            assert a.get(b"theirs")[1] == b"x"
        finally:
            holder.kill()


def test_a_transaction_that_meets_damage_is_undone_and_the_next_one_goes_on(root):
    fill(root)
    trash_keys(file_of(root))
    store = DiskStore(root)
    a = store.items.open("a", "index")
    with pytest.warns(StagecacheWarning, match="items may be lost"):  # noqa: SIM117
        with pytest.raises(StoreError), a.transaction():
            a.set(b"7", "bytes", b"new")
    with a.transaction():
        assert a.get(b"7")[1] == b"7" * 50
        a.set(b"7", "bytes", b"new")
    assert a.get(b"7")[1] == b"new"
    store.close()


def test_a_write_that_never_gets_its_turn_is_an_error(a, root, monkeypatch):
    monkeypatch.setattr(databases, "BUSY", 0.01)
    a.set(b"k", "bytes", b"1")
    other = again(root)
    other.set(b"l", "bytes", b"1")
    with a.transaction():
        for write in (lambda: other.set(b"k", "bytes", b"2"), other.clear):
            with pytest.raises(StoreError, match="stuck"):
                write()
    assert keys(a) == [b"k", b"l"]


def test_items_of_a_newer_version_are_refused_and_left_alone(root):
    fill(root)
    connection = apsw.Connection(str(file_of(root)))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = file_of(root).read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"version 99, newer than \d"):
            again(root).set(b"k", "bytes", b"")
        with pytest.raises(StoreError, match="version 99"):
            again(root).get(b"k")
    assert file_of(root).read_bytes() == before


def test_items_of_a_version_that_never_was_are_saved(root):
    fill(root)
    connection = apsw.Connection(str(file_of(root)))
    connection.execute("PRAGMA user_version=0")
    connection.close()
    with pytest.warns(StagecacheWarning, match="2001 items saved"):  # noqa: PT031
        a = again(root)
        a.set(b"k", "bytes", b"")
    assert a.count() == 2_002


def test_items_of_an_older_version_are_taken_along(root, monkeypatch):
    fill(root)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    step = "CREATE TABLE more (x); INSERT INTO more VALUES (7);"
    monkeypatch.setitem(schema.STEPS, schema.VERSION - 1, step)
    a = again(root)
    assert a.count() == 2_001
    assert a.access.select("SELECT x FROM more") == [(7,)]


def test_a_lost_write_is_an_error_where_the_file_cannot_be_written(root, monkeypatch):
    a = again(root)
    (root / "v1").mkdir(parents=True)
    (root / "v1" / "collections").write_text("in the way")
    with pytest.raises(StoreError):
        a.set(b"k", "bytes", b"")


def test_a_read_only_directory_is_read_and_refuses_writes(root):
    fill(root)
    store = DiskStore(root, read_only=True)
    a = store.items.open("a", "index")
    assert a.get(b"7")[1] == b"7" * 50
    for write in (lambda: a.set(b"k", "bytes", b""), lambda: a.delete([b"7"]), a.clear):
        with pytest.raises(StoreError, match="read_only"):
            write()
    with pytest.raises(StoreError, match="read_only"), a.transaction():
        pass
    store.close()


# --- the others


def test_the_index_of_results_is_made_anew_without_touching_items(root):
    fill(root, 10)
    (root / "v1" / "index.db").write_bytes(os.urandom(10_000))
    store = DiskStore(root)
    assert store.get(bytes(16)) is None
    assert store.items.open("a", "index").count() == 11
    store.close()


def test_words_change_with_every_commit_and_not_before(a, store, root):
    a.set(b"k", "bytes", b"1")
    versions = store.items.versions
    versions.look()
    words = versions.words
    other = again(root)
    at = versions.position(a.number, b"k")
    for write in (
        lambda: other.set(b"k", "bytes", b"2"),
        lambda: a.set(b"k", "bytes", b"3"),
        lambda: other.delete([b"k"]),
        lambda: other.add(b"k", "bytes", b"4", now=0.0),
    ):
        before = words[at]
        write()
        assert words[at] != before
    before = words[at], words[0]
    other.set(b"another", "bytes", b"")
    assert (words[at], words[0]) == before
    with other.transaction():
        other.set(b"k", "bytes", b"")
        assert words[at] == before[0]
    assert words[at] != before[0]
    other.clear()
    assert words[0] != before[1]
