"""What disappears, is emptied or replaced under a store at work costs a miss, and is made again."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import time

import apsw
import pytest

from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


def test_files_that_go_while_they_are_counted_are_not_counted(store, monkeypatch):
    for number in range(3):
        put(store, make_entry(), b"%d" % number * 20_000)
    paths = store._blobs.paths

    def one_goes():
        for number, file in enumerate(paths()):
            if number == 1:
                os.unlink(file.path)
            yield file

    monkeypatch.setattr(store._blobs, "paths", one_goes)
    assert store.stats().blobs == 2


def test_files_that_cannot_be_counted_are_trouble_and_no_error_of_its_own(tmp_path):
    store = DiskStore(tmp_path / ("x" * 300))
    with pytest.raises(StoreError, match="Cannot count"):
        store.stats()
    store.close()


def test_a_directory_removed_in_the_middle_of_a_publish_is_made_again_and_private(
    store, root, monkeypatch
):
    put(store, make_entry(), b"1" * 20_000)
    replace = os.replace

    def gone(source, target):
        monkeypatch.setattr(os, "replace", replace)
        shutil.rmtree(root)
        replace(source, target)

    monkeypatch.setattr(os, "replace", gone)
    kept = put(store, make_entry(), b"2" * 20_000)
    assert load(store, kept) == [b"2" * 20_000]
    for folder in (root, root / "v1", root / "v1" / "blobs"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    other = DiskStore(root)
    assert other.get(kept.key) == kept
    assert other.private
    other.close()


def test_what_fails_on_an_index_that_was_removed_is_done_with_the_one_that_takes_its_place(
    store, root
):
    first = put(store, make_entry(), b"1" * 20_000)
    added = make_entry()
    attempts = []

    def work():
        attempts.append(1)
        if len(attempts) == 1:
            (root / "v1" / "index.db").unlink()
            raise apsw.ReadOnlyError("attempt to write a readonly database")
        return put(store, added)

    kept = store._guard.repeat(work)
    assert store.get(kept.key) == kept
    assert store.get(first.key) == first


def test_an_index_without_its_numbers_is_repaired(root):
    store = DiskStore(root)
    kept = put(store, make_entry(), b"1" * 20_000)
    with store._connections.writing() as connection:
        connection.execute("DELETE FROM meta")
    store.close()
    store = DiskStore(root)
    assert store.version() > 0
    assert put(store, make_entry(), b"2" * 20_000).has_value
    assert store.get(kept.key) == kept
    assert store.bound().used > 40_000
    assert store.verify() == []
    store.close()


def test_a_damaged_count_of_uses_does_not_keep_anything_from_being_kept(root):
    path = root / "v1" / "index.db"
    store = DiskStore(root)
    kept = put(store, make_entry(), b"1" * 20_000)
    store.count_use(kept.key, 123456.75)
    store.close()
    whole = path.read_bytes()
    assert whole.count(struct.pack(">d", 123456.75)) >= 1
    path.write_bytes(whole.replace(struct.pack(">d", 123456.75), struct.pack(">d", float("nan"))))
    store = DiskStore(root)
    store.count_use(kept.key, 1.0)
    added = put(store, make_entry(), b"2" * 20_000)
    assert store.get(added.key) == added
    assert store.get(kept.key) == kept
    store.close()


HOLDS = """
import sys
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import make_entry, put
store = DiskStore(sys.argv[1])
keys = [put(store, make_entry(), b"%d" % n * 20_000).key for n in range(3)]
if sys.argv[2] == "reader":  # its log is there, with nothing in it
    store.close()
    assert store.get(keys[0]) is not None
print(*(key.hex() for key in keys), flush=True)
sys.stdin.readline()
print(sum(store.get(key) is not None for key in keys), flush=True)
print(put(store, make_entry(), b"more" * 9_000).key.hex(), flush=True)
store.close()
"""


def zero(path):
    with path.open("r+b") as stream:
        stream.write(bytes(path.stat().st_size))


def zero_the_head(path):
    with path.open("r+b") as stream:
        stream.write(bytes(100))


def empty(path):
    os.truncate(path, 0)


def noise(path):
    with path.open("r+b") as stream:
        stream.write(os.urandom(path.stat().st_size))


def remove(path):
    path.unlink()


def put_a_text(path):
    with path.open("r+b") as stream:
        stream.truncate()
        stream.write(b"SELECT 1;\n" * 1_000)


def put_another_database(path):
    other = path.with_name("other.db")
    connection = apsw.Connection(str(other))
    connection.execute("CREATE TABLE entries (id); INSERT INTO entries VALUES (1)")
    connection.close()
    with path.open("r+b") as stream:
        stream.truncate()
        stream.write(other.read_bytes())
    other.unlink()


@pytest.mark.parametrize("kind", ["reader", "writer"])
@pytest.mark.parametrize(
    "damage", [zero, zero_the_head, empty, noise, remove, put_a_text, put_another_database]
)
def test_an_index_destroyed_while_an_idle_process_has_it_open_keeps_nobody_waiting(
    root, damage, kind
):
    idle = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", HOLDS, str(root), kind],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        keys = [bytes.fromhex(key) for key in idle.stdout.readline().split()]
        damage(root / "v1" / "index.db")
        began = time.monotonic()
        store = DiskStore(root)
        assert [store.get(key) is not None for key in keys] == [True] * 3
        kept = [put(store, make_entry(), b"small"), put(store, make_entry(), b"2" * 20_000)]
        assert [store.get(entry.key) for entry in kept] == kept
        assert time.monotonic() - began < 10  # nobody's patience ran out: that takes 30 s
        idle.stdin.write("\n")
        idle.stdin.flush()
        found = idle.stdout.readline()  # of an index that is removed it may read on for a while
        assert found == "3\n" or (damage is remove and found in ("0\n", "1\n", "2\n"))
        added = bytes.fromhex(idle.stdout.readline())
        assert idle.wait() == 0
        assert store.get(added) is not None
        assert [store.get(entry.key) for entry in kept] == kept
        assert store.verify() == []
        store.close()
    finally:
        idle.kill()
        idle.communicate()
