"""A check finds every fault, in little memory, and changes nothing unless it is to repair."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import apsw
import pytest

from stagecache.errors import StagecacheWarning
from stagecache.stores.disk import DiskStore
from stagecache.stores.disk.abreast import abreast
from stagecache.stores.disk.examine import PIECE
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import load, make_entry, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


def blob_path(root, entry):
    return root / "v1" / "blobs" / entry.blob.hex()[:2] / entry.blob.hex()


def flip(path, position):
    with path.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 4]))


def tree(root):
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in root.rglob("*")
        if path.is_file() and path.name not in ("index.db-shm", "index.db-wal")
    }


def kinds(store, **how):
    return sorted((problem.kind, problem.repaired) for problem in store.verify(**how))


LARGE = 3 * PIECE + 1000


@pytest.mark.parametrize("position", [30, 200, PIECE + 7, 3 * PIECE + 500, LARGE + 200, -70, -1])
def test_a_flipped_bit_of_a_blob_of_many_pieces_is_found(store, root, position):
    entry = put(store, make_entry(), bytes(LARGE - 100), b"abc")
    path = blob_path(root, entry)
    flip(path, position % path.stat().st_size)
    assert kinds(store) == [("blob", False)]
    flip(path, position % path.stat().st_size)
    assert store.verify() == []


@pytest.mark.parametrize("size", [0, 10, PIECE, 2 * PIECE + 5, LARGE - 1])
def test_a_truncated_blob_of_many_pieces_is_found(store, root, size):
    entry = put(store, make_entry(), bytes(LARGE))
    os.truncate(blob_path(root, entry), size)
    assert kinds(store) == [("blob", False)]


def test_a_check_takes_little_memory_however_large_a_blob(store):
    put(store, make_entry(), bytes(64 << 20))
    tracemalloc.start()
    try:
        assert store.verify() == []
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_check_tells_how_far_it_is(store):
    for number in range(500):
        put(store, make_entry(), b"%d" % number * 10)
    for number in range(40):
        put(store, make_entry(), b"%d" % number * 20_000)
    told, threads = [], set()

    def note(now):
        told.append(now)
        threads.add(threading.current_thread())

    store.verify(progress=note)
    assert [now.share for now in told] == sorted(now.share for now in told)
    assert (told[-1].results, told[-1].blobs, told[-1].share) == (540, 40, 1.0)
    assert told[-1].bytes > 40 * 20_000
    assert threads == {threading.current_thread()}


def test_results_parts_and_items_are_counted_apart(store):
    parts = [put(store, make_entry(stage=""), b"%d" % number * 20_000) for number in range(3)]
    put(store, make_entry(parts=tuple(part.key for part in parts)), b"around them")
    put(store, make_entry(), b"small")
    for number in range(250):
        store.items.open("letters", "index").set(b"%d" % number, "bytes", b"A")
    told = []
    assert store.verify(progress=told.append) == []
    last = told[-1]
    assert (last.results, last.parts, last.items, last.blobs) == (2, 3, 250, 4)


def test_problems_are_told_in_one_order_whoever_finds_them_first(store, root):
    entries = [put(store, make_entry(stage=f"m:{n:02}"), b"%d" % n * 20_000) for n in range(60)]
    for entry in entries:
        blob_path(root, entry).unlink()
    assert [problem.stage for problem in store.verify()] == [entry.stage for entry in entries]


# --- items of collections


def test_a_damaged_item_is_found_and_only_by_a_repair_forgotten(store):
    letters = store.items.open("letters", "index")
    with letters.transaction():
        for number in range(250):
            letters.set(b"key %d" % number, "bytes", b"value")
    with store.items.access.transaction() as connection:
        connection.execute(
            f"UPDATE {letters.table} SET value = x'00' WHERE id = 240 OR key = ?", (b"key 7",)
        )
        connection.execute(f"UPDATE {letters.table} SET key = ? WHERE key = ?", (b"x", b"key 9"))
    found = store.verify()
    assert [problem.kind for problem in found] == ["item"] * 3
    assert "key 7' of 'letters'" in str(found)
    assert store.verify() == found
    assert kinds(store, repair=True) == [("item", True)] * 3
    assert store.verify() == []
    assert letters.get(b"key 7") is None
    assert letters.count() == 247


def test_a_damaged_large_item_is_found_and_only_by_a_repair_forgotten(store, root):
    letters = store.items.open("letters", "index")
    letters.set(b"a", "bytes", [b"a" * 50_000])
    letters.set(b"b", "bytes", [b"b" * 50_000])
    assert store.verify() == []
    for path in (root / "v1" / "collections" / "blobs").rglob("*"):
        if path.is_file() and b"a" * 1_000 in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(b"a" * 1_000, b"c" * 1_000))
    (problem,) = store.verify()
    assert "its large value: its contents are damaged" in problem.detail
    assert kinds(store, repair=True) == [("item", True)]
    assert [stored.key for stored in letters.scan()] == [b"b"]


def test_a_broken_file_of_collections_is_found_and_only_by_a_repair_mended(store, root):
    letters = store.items.open("letters", "index")
    with letters.transaction():
        for number in range(2_000):
            letters.set(b"%d" % number, "bytes", bytes(50))
    store.close()
    path = root / "v1" / "collections" / "items.db"
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        stream.write(b"noise" * 2_000)
    before = path.read_bytes()
    assert {problem.kind for problem in store.verify()} == {"collections"}
    assert path.read_bytes() == before
    with pytest.warns(StagecacheWarning, match="items may be lost"):
        assert all(problem.repaired for problem in store.verify(repair=True))
    assert store.verify() == []
    assert 1_000 < letters.count() < 2_000


def test_an_item_that_was_replaced_meanwhile_is_not_forgotten(store, root):
    letters = store.items.open("letters", "index")
    letters.set(b"a", "bytes", b"value")
    with store.items.access.transaction() as connection:
        connection.execute(f"UPDATE {letters.table} SET value = x'00'")
    other = DiskStore(root)
    begin = other.items.access.transaction

    def after_another():
        letters.set(b"a", "bytes", b"new")
        return begin()

    other.items.access.transaction = after_another
    assert kinds(other, repair=True) == [("item", True)]
    assert letters.get(b"a") == ("bytes", b"new", None)
    other.close()


# --- the account of files


def later(root):
    """Return a store for which all that is there is older than an hour."""
    return DiskStore(root, clock=FakeClock(time.time() + 4_000))


def unaccounted(store, root):
    put(store, make_entry(), bytes(50_000))
    with store._connections.writing() as connection:
        connection.execute("DELETE FROM files")


def accounted_wrongly(store, root):
    put(store, make_entry(), bytes(50_000))
    with store._connections.writing() as connection:
        connection.execute("UPDATE files SET bytes = 7")


def gone_from_the_trash(store, root):
    entry = put(store, make_entry(), bytes(50_000))
    put(store, make_entry(entry.key, generation=1), b"small")
    (file,) = (root / "v1" / "trash").iterdir()
    file.unlink()


def of_another_place(store, root):
    put(store, make_entry(), b"small")
    with store._connections.writing() as connection:
        connection.execute("INSERT INTO files VALUES ('attic', ?, 50128, 0)", ("ab" * 16,))


def of_a_name_that_is_no_text(store, root):
    put(store, make_entry(), b"small")
    with store._connections.writing() as connection:
        connection.execute("INSERT INTO files VALUES ('trash', CAST(x'ff' AS TEXT), 50128, 0)")


@pytest.mark.parametrize(
    "go_wrong",
    [
        unaccounted, accounted_wrongly, gone_from_the_trash, of_another_place,
        of_a_name_that_is_no_text,
    ],
)  # fmt: skip
def test_an_account_of_files_that_is_wrong_is_found_and_mended(store, root, go_wrong):
    go_wrong(store, root)
    store.close()
    before = tree(root)
    store = later(root)
    (problem,) = store.verify()
    assert (problem.kind, problem.repaired) == ("account", False)
    assert "wrong about 1 file: it says " in problem.detail
    store.close()
    assert tree(root) == before
    assert kinds(store, repair=True) == [("account", True)]
    assert store.verify() == []
    assert store._files.differing(store._index) == []
    store.close()


def test_what_somebody_may_be_about_to_account_for_is_no_problem(store, root):
    unaccounted(store, root)
    assert store.verify() == []


def test_what_is_accounted_for_while_it_is_compared_is_no_problem(store, root):
    unaccounted(store, root)
    other = later(root)
    write = other._index.write

    def mend_first(work):
        store.gc()
        return write(work)

    other._index.write = mend_first
    assert other.verify() == []
    other.close()


def test_what_is_no_file_is_not_accounted_for(store, root):
    put(store, make_entry(), b"small")
    (root / "v1" / "trash" / "folder").mkdir()
    (root / "v1" / "quarantine" / "link").symlink_to(root)
    store.close()
    store = later(root)
    assert store.verify() == []
    store.close()


# --- where nothing can be written

CHECK = """
import sys
from stagecache.stores.disk import DiskStore
from stagecache.errors import StoreError
root, *flags = sys.argv[1:]
store = DiskStore(root, read_only="read_only" in flags)
print(*sorted(problem.kind for problem in store.verify()))
try:
    store.verify(repair=True)
except StoreError:
    print("no repair")
store.close()
"""
ON_A_READ_ONLY_MOUNT = (
    """
import subprocess, sys
for command in (["mount", "--bind"], ["mount", "-o", "remount,ro,bind"]):
    if subprocess.run([*command, sys.argv[1], sys.argv[1]], capture_output=True).returncode:
        raise SystemExit(77)
"""
    + CHECK
)


@pytest.mark.parametrize("flags", [["read_only"], []], ids=["read only", "unsaid"])
@pytest.mark.parametrize("is_in_use", [True, False], ids=["in use", "closed"])
def test_a_read_only_mount_is_checked(store, root, flags, is_in_use):
    make_damages(store, root)
    if not is_in_use:
        store.close()
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-W", "error", "-c", ON_A_READ_ONLY_MOUNT, root, *flags],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("this user may not mount")
    assert done.stdout.splitlines() == [" ".join(FAULTS), "no repair"], done.stderr


def test_what_the_progress_raises_ends_the_check(store):
    for number in range(40):
        put(store, make_entry(), b"%d" % number * 20_000)

    def stop(now):
        if now.blobs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.verify(progress=stop)
    for thread in threading.enumerate():
        if thread.name == "stagecache-check":
            thread.join(10)
            assert not thread.is_alive()
    assert store.verify() == []


def make_damages(store, root):
    """Make one fault of each kind that leaves the index readable; return what is whole."""
    whole = put(store, make_entry(), b"whole" * 10_000)
    flipped, gone, inline, row = (
        put(store, make_entry(), b"%d" % number * size)
        for number, size in enumerate([50_000, 50_000, 50, 50])
    )
    twin = put(store, make_entry(), b"0" * 50_000)
    assert twin.blob == flipped.blob
    flip(blob_path(root, flipped), 30_000)
    blob_path(root, gone).unlink()
    stray = root / "v1" / "blobs" / "00" / ("0" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"rubbish")
    damaged = bytearray(inline.inline)
    damaged[15] ^= 1
    with store._connections.writing() as connection:
        connection.execute(
            "UPDATE entries SET inline = ? WHERE key = ?", (bytes(damaged), inline.key)
        )
        connection.execute(
            "UPDATE entries SET stage = CAST(x'ff' AS TEXT) WHERE key = ?", (row.key,)
        )
    return whole


FAULTS = ["blob", "blob", "missing", "row", "stray", "value"]


def test_a_check_finds_every_kind_of_fault_and_changes_nothing(store, root):
    make_damages(store, root)
    store.close()
    before = tree(root)
    other = DiskStore(root)
    assert kinds(other) == [(kind, False) for kind in FAULTS]
    other.close()
    assert tree(root) == before


def test_a_repair_leaves_what_is_whole_and_nothing_else(store, root):
    whole = make_damages(store, root)
    before = store.version()
    assert kinds(store, repair=True) == [(kind, True) for kind in FAULTS]
    assert store.version() != before
    assert store.verify() == []
    assert [entry for entry, _ in store.entries()] == [whole]
    assert load(store, whole) == [b"whole" * 10_000]
    assert len(list((root / "v1" / "quarantine").iterdir())) == 2


def test_a_broken_index_is_told_of_and_by_a_repair_made_from_blobs_anew(store, root):
    large = [put(store, make_entry(), b"%d" % number * 20_000) for number in range(10)]
    for number in range(500):
        put(store, make_entry(), b"%d" % number * 50)
    store.close()
    path = root / "v1" / "index.db"
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(size - 4096))
    broken = path.read_bytes()
    store = DiskStore(root)
    assert {problem.kind for problem in store.verify()} == {"index"}
    assert path.read_bytes() == broken
    assert {problem.kind for problem in store.verify(repair=True) if problem.repaired} == {"index"}
    assert store.verify() == []
    assert [store.get(entry.key) for entry in large] == large
    store.close()


def rename_a_table(connection):
    connection.execute("ALTER TABLE entries RENAME TO others")


def mix_up_the_keys(connection):
    """Let the list of keys be that of another table, as it was at some other time."""
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    connection.execute("CREATE TABLE copy AS SELECT * FROM entries")
    connection.execute("UPDATE copy SET key = randomblob(16)")
    connection.execute("CREATE UNIQUE INDEX copy_key ON copy (key)")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET rootpage = "
        "(SELECT rootpage FROM sqlite_schema WHERE name = 'copy_key') WHERE name = 'entries_key'"
    )
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'copy_key'")
    connection.execute("PRAGMA writable_schema = OFF")


@pytest.mark.parametrize("damage", [rename_a_table, mix_up_the_keys])
def test_an_index_whose_pages_are_in_order_but_not_its_tables_is_found(store, root, damage):
    large = put(store, make_entry(), bytes(20_000))
    put(store, make_entry(), b"small")
    store.close()
    connection = apsw.Connection(str(root / "v1" / "index.db"))
    damage(connection)
    connection.close()
    store = DiskStore(root)
    assert "index" in {problem.kind for problem in store.verify()}
    assert any(p.kind == "index" and p.repaired for p in store.verify(repair=True))
    assert store.verify() == []
    assert store.get(large.key) == large
    store.close()


def test_a_file_that_is_no_blob_by_its_name_is_left_alone(store, root):
    put(store, make_entry(), bytes(50_000))
    (root / "v1" / "blobs" / "00").mkdir(exist_ok=True)
    (root / "v1" / "blobs" / "00" / ("x" * 32)).write_bytes(b"mine")
    assert store.verify(repair=True) == []
    assert store.gc(grace=0).blobs == 0


@pytest.mark.parametrize("lay", [os.mkfifo, os.mkdir, lambda path: os.symlink("elsewhere", path)])
def test_what_is_no_file_is_found_and_set_aside(store, root, lay):
    entry = put(store, make_entry(), bytes(50_000))
    blob_path(root, entry).unlink()
    lay(blob_path(root, entry))
    assert kinds(store) == [("blob", False)]
    assert kinds(store, repair=True) == [("blob", True)]
    assert store.get(entry.key) is None


def test_a_result_that_is_forgotten_while_it_is_checked_is_no_problem(store, root):
    entries = [put(store, make_entry(), b"%d" % number * 20_000) for number in range(40)]

    def forget(now):
        if now.results == 40:
            store.remove([entry.key for entry in entries])

    assert store.verify(progress=forget) == []


def test_work_that_fails_is_raised_where_it_was_asked_for():
    with pytest.raises(ZeroDivisionError):
        list(abreast(lambda piece: 1 // piece, [1, 0, 1], lambda: None))


def test_a_result_that_is_being_forgotten_is_no_problem(store, root):
    entry = put(store, make_entry(), bytes(50_000))
    other = DiskStore(root)
    asks_writers = threading.Event()
    write = other._index.write

    def note(work):
        asks_writers.set()
        return write(work)

    other._index.write = note
    with ThreadPoolExecutor(1) as pool:
        with store._connections.writing() as connection:
            connection.execute("DELETE FROM entries WHERE key = ?", (entry.key,))
            blob_path(root, entry).unlink()
            found = pool.submit(other.verify)
            while not found.done() and not asks_writers.wait(0.01):
                pass
        assert found.result() == []
    other.close()


def test_nothing_is_wrong_while_others_put_replace_forget_and_collect(root):
    stop = threading.Event()

    def work(seed):
        dice, store, kept = random.Random(seed), DiskStore(root), []
        while not stop.is_set():
            entry = make_entry()
            if kept and dice.random() < 0.3:
                old = kept[0]
                entry = make_entry(old.key, generation=old.generation + 1)
            kept.insert(0, put(store, entry, b"%d" % dice.randrange(20) * 20_000))
            if len(kept) > 10:
                store.remove([entry.key for entry in kept[5:]])
                del kept[5:]
                store.gc(grace=0)
        store.close()

    store = DiskStore(root)
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, seed) for seed in range(3)]
        try:
            found = [problem for _ in range(40) for problem in store.verify()]
        finally:
            stop.set()
        for worker in workers:
            worker.result()
    assert found == []
    assert store.verify(repair=True) == []
    store.close()


@pytest.mark.parametrize("damage", ["missing", "flipped", "inline"])
def test_a_repair_forgets_what_a_directory_that_is_not_private_hands_to_nobody(store, root, damage):
    value = b"small" if damage == "inline" else b"1" * 20_000
    entry = put(store, make_entry(codec="pickle"), value)
    if damage == "missing":
        blob_path(root, entry).unlink()
    elif damage == "flipped":
        flip(blob_path(root, entry), 9_000)
    else:
        with store._connections.writing() as connection:
            connection.execute("UPDATE entries SET inline = ?", (b"damaged",))
    store.close()
    (root / "v1" / "token").unlink()
    store = DiskStore(root)
    assert store.get(entry.key) is None
    assert [repaired for _, repaired in kinds(store, repair=True)] == [True]
    assert store.verify() == []
    store.close()
