"""The index is disposable: lost, corrupt or of another version, it is made from blobs anew."""

from __future__ import annotations

import os
import subprocess
import sys

import apsw
import pytest

from stagecache.model import Digest, Read
from stagecache.stores.disk import DiskStore, rows
from stagecache.testing.stores import load, make_entry, make_provenance, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def fill(root, count=20):
    """Keep some results and leave; return their entries."""
    store = DiskStore(root)
    entries = [
        put(
            store,
            make_entry(
                reads=(Read("file", "a.csv", Digest(bytes(16))),), refs=("m:C",), items=bytes(32)
            ),
            b"%d" % number * 20_000,
        )
        for number in range(count)
    ]
    for number in range(500):
        put(store, make_entry(), b"%d" % number * 50)
    store.close()
    return entries


def remove(path):
    path.unlink()


def trash(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def trash_header(path):
    with path.open("r+b") as stream:
        stream.write(os.urandom(100))


def trash_middle(path):
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(size - 4096))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2 + 100)


def truncate_last_page(path):
    os.truncate(path, path.stat().st_size - 4_000)


def truncate_to_nothing(path):
    os.truncate(path, 0)


def change_version(path):
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version=99")
    connection.close()


def be_of_another_application(path):
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE entries (id)")
    connection.close()


DAMAGES = [
    remove, trash, trash_header, trash_middle, truncate, truncate_last_page, truncate_to_nothing,
    change_version, be_of_another_application,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_valid_blob_is_found_again(root, damage):
    entries = fill(root)
    damage(root / "v1" / "index.db")
    store = DiskStore(root)
    for _ in range(2):  # the damage may show only at the second page
        found = [store.get(entry.key) for entry in entries]
    assert found == entries
    assert load(store, found[7]) == [b"7" * 20_000]
    assert {entry.key: p for entry, p in store.entries()}[entries[3].key] == make_provenance(
        entries[3]
    )
    assert store.verify() == []
    put(store, make_entry())
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_write_to_a_broken_index_repairs_it(root, damage):
    entries = fill(root, 3)
    damage(root / "v1" / "index.db")
    store = DiskStore(root)
    added = put(store, make_entry())
    assert store.get(added.key) == added
    assert [store.get(entry.key) for entry in entries] == entries
    store.close()


def test_an_index_that_breaks_under_an_open_store_is_repaired(root):
    entries = fill(root)
    store = DiskStore(root)
    assert store.get(entries[0].key) == entries[0]
    trash_middle(root / "v1" / "index.db")
    assert [store.get(entry.key) for entry in entries if store.get(entry.key)] == entries
    store.close()


def break_a_table(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"UNIQUE INDEX entries_key", b"UNIQUE INDEX entries kex"))


def rename_a_table(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"TABLE meta", b"TABLE mets").replace(b"metameta", b"metsmets"))


@pytest.mark.parametrize("column", ["inline", "blob"])
def test_a_row_whose_value_is_of_another_type_is_a_miss(root, column):
    store = DiskStore(root)
    entry = put(store, make_entry())
    fields = rows.row_of(entry)[1:]
    at = rows.COLUMNS.split(", ").index(column)
    with pytest.raises(TypeError):
        rows.entry_of(entry.key, [*fields[:at], 7, *fields[at + 1 :]])
    store.close()


def make_a_table_no_text(path):
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"UPDATE meta", b"UPDATE met\xf2"))


@pytest.mark.parametrize("damage", [break_a_table, rename_a_table, make_a_table_no_text])
def test_an_index_with_other_tables_is_repaired_however_often_it_breaks(root, damage):
    (entry,) = fill(root, 1)
    for _ in range(3):
        damage(root / "v1" / "index.db")
        store = DiskStore(root)
        kept = put(store, make_entry())
        assert store.get(entry.key) == entry
        store.remove([kept.key])
        store.close()


def swap_keys(path, one, other):
    """Let the list of keys lead from each of two keys to the row of the other."""
    unlisted = "DELETE FROM sqlite_schema WHERE name = 'entries_key' RETURNING *"
    for step in range(3):
        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA writable_schema=ON")
        if step == 0:
            listed = connection.execute(unlisted).fetchall()[0]
        elif step == 1:
            connection.execute(
                "UPDATE entries SET key = iif(key = :a, :b, :a) WHERE key IN (:a, :b)",
                {"a": one, "b": other},
            )
        else:
            connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", listed)
        connection.close()


def test_a_row_that_lies_under_the_key_of_another_is_never_given(root):
    one, other = fill(root, 2)
    swap_keys(root / "v1" / "index.db", one.key, other.key)
    store = DiskStore(root)
    assert store.get(one.key) == one
    assert store.get_many([one.key, other.key]) == {one.key: one, other.key: other}
    assert load(store, store.get(other.key)) == [b"1" * 20_000]
    store.close()


def test_a_failed_read_of_a_sound_index_loses_nothing(root):
    store = DiskStore(root)
    small = put(store, make_entry())
    failures = [apsw.CorruptError("database disk image is malformed")]

    def read():
        if failures:
            raise failures.pop()
        return store.get(small.key)

    assert store._guard.read(read, None) == small
    store.close()


def test_a_damaged_blob_is_left_out(root):
    entries = fill(root, 3)
    path = root / "v1" / "blobs" / entries[0].blob.hex()[:2] / entries[0].blob.hex()
    os.truncate(path, 5_000)
    (path.parent / ("f" * 32)).write_bytes(b"")
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert store.get(entries[0].key) is None
    assert store.get(entries[1].key) == entries[1]
    store.close()


def test_of_two_generations_the_newer_comes_back(root):
    store = DiskStore(root)
    put(store, old := make_entry(), b"1" * 20_000)
    keep = root / "keep"
    (blob,) = (root / "v1" / "blobs").rglob("?" * 32)
    os.link(blob, keep)
    new = put(store, make_entry(old.key, generation=1, created=old.created + 1), b"2" * 20_000)
    blob.parent.mkdir(exist_ok=True)
    keep.rename(blob)
    store.close()
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert store.get(old.key) == new
    store.close()


def test_a_forgotten_result_does_not_rise_from_a_blob_that_another_entry_shares(root):
    store = DiskStore(root)
    put(store, gone := make_entry(), b"1" * 20_000)
    kept = put(store, make_entry(), b"1" * 20_000)
    store.remove([gone.key])
    assert load(store, kept) == [b"1" * 20_000]
    store.close()
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert store.get(gone.key) is None
    store.close()


def test_a_replaced_result_does_not_rise_in_place_of_a_small_newer_one(root):
    store = DiskStore(root)
    put(store, old := make_entry(), b"1" * 20_000)
    put(store, make_entry(), b"1" * 20_000)
    put(store, make_entry(old.key, generation=1, created=old.created + 1), b"small")
    store.close()
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert store.get(old.key) is None
    store.close()


def test_a_result_that_was_forgotten_and_computed_again_comes_back(root):
    store = DiskStore(root)
    put(store, old := make_entry(), b"1" * 20_000)
    store.remove([old.key])
    new = put(store, make_entry(old.key, created=4e9), b"1" * 20_000)
    store.close()
    (root / "v1" / "index.db").unlink()
    store = DiskStore(root)
    assert store.get(old.key) == new
    store.close()


def test_processes_that_meet_a_broken_index_together_repair_it_once(root):
    entries = fill(root)
    trash(root / "v1" / "index.db")
    program = (
        "import sys; from stagecache.stores.disk import DiskStore\n"
        "store = DiskStore(sys.argv[1]); sys.stdout.write('ready\\n'); sys.stdout.flush()\n"
        "sys.stdin.readline()\n"
        "print(sum(store.get(bytes.fromhex(key)) is not None for key in sys.argv[2:]))\n"
        "store.close()"
    )
    arguments = [str(root), *(entry.key.hex() for entry in entries)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    assert [worker.communicate()[0] for worker in workers] == ["20\n"] * 4


def test_versions_before_and_after_a_repair_differ(root):
    entries = fill(root, 1)
    store = DiskStore(root)
    before = store.version()
    store.close()
    trash(root / "v1" / "index.db")
    store = DiskStore(root)
    assert store.version() not in (before, 0)
    assert store.get(entries[0].key) == entries[0]
    store.close()
