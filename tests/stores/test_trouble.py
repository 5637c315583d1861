"""A store that cannot write says what to do, leaves nothing behind, and goes on when it can."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import subprocess
import sys

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


def temporary_files(root):
    return list((root / "v1" / "tmp").iterdir())


@pytest.mark.parametrize("size", [10, 50_000])
@pytest.mark.parametrize("name", ["", "v1", "v1/blobs", "v1/tmp"])
def test_a_file_in_the_way_is_trouble_at_put_and_a_miss_at_get(root, name, size):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    store = DiskStore(root)
    with pytest.raises(StoreError, match="A file is where a directory should be") as caught:
        put(store, make_entry(), bytes(size))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert store.get(make_entry().key) is None
    assert store.get_many([make_entry().key]) == {}
    with store.reading():
        assert store.get(make_entry().key) is None
    store.close()


def test_a_directory_in_place_of_the_index_is_trouble_at_put_and_a_miss_at_get(root):
    (root / "v1" / "index.db").mkdir(parents=True)
    store = DiskStore(root)
    with pytest.raises(StoreError, match="Cannot keep a result"):
        put(store, make_entry())
    assert store.get(make_entry().key) is None
    with store.reading():
        assert store.get(make_entry().key) is None
    store.close()


def test_a_blob_folder_in_the_way_leaves_no_temporary_file(store, root):
    entry = put(store, make_entry(), b"1" * 50_000)
    store.remove([entry.key])
    folder = root / "v1" / "blobs" / entry.blob.hex()[:2]
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(StoreError):
        put(store, make_entry(), b"1" * 50_000)
    assert temporary_files(root) == []
    assert put(store, make_entry(), b"2" * 50_000).blob is not None


def test_a_full_disk_in_the_middle_of_a_blob_leaves_no_file(store, root, monkeypatch):
    put(store, make_entry())
    really = os.writev
    calls = []

    def writev(descriptor, buffers):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(descriptor, [memoryview(buffers[0])[:100]])

    monkeypatch.setattr(os, "writev", writev)
    with pytest.raises(StoreError, match="The disk is full"):
        put(store, make_entry(), bytes(50_000))
    assert temporary_files(root) == []
    assert store.stats().blobs == 0


def test_a_write_in_many_small_pieces_is_whole(store, monkeypatch):
    really = os.writev

    def writev(descriptor, buffers):
        return really(descriptor, [memoryview(buffers[0])[:4_099]])

    monkeypatch.setattr(os, "writev", writev)
    value = [os.urandom(30_000) for _ in range(3)]
    entry = put(store, make_entry(), *value)
    assert load(store, entry) == value


def test_an_interrupt_in_the_middle_of_a_blob_leaves_no_file(store, root, monkeypatch):
    put(store, make_entry())

    def writev(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", writev)
        with pytest.raises(KeyboardInterrupt):
            put(store, make_entry(), bytes(50_000))
    assert temporary_files(root) == []
    put(store, make_entry(), bytes(50_000))


def test_a_name_that_is_no_text_is_trouble_and_not_an_error_of_its_own(store):
    with pytest.raises(StoreError, match="Cannot keep a result"):
        put(store, make_entry(stage="m\udcff:f"))
    assert store.find("\udcff") == []
    with pytest.raises(StoreError, match="Cannot list results"):
        list(store.entries("m\udcff:f"))
    put(store, make_entry())


LIMITED = """
import resource, signal, sys
from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = DiskStore(sys.argv[1])
kept = put(store, make_entry(), b"k" * 50_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    put(store, make_entry(), bytes(500_000))
except StoreError as error:
    assert "ulimit -f" in str(error), error
else:
    raise SystemExit("it was kept")
failed = 0
for number in range(200):  # until the index's log is too large as well
    try:
        put(store, make_entry(), b"s" * 5_000)
    except StoreError:
        failed += 1
assert 0 < failed < 200, failed
assert load(store, store.get(kept.key)) == [b"k" * 50_000]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = put(store, make_entry(), bytes(500_000))
assert load(store, again) == [bytes(500_000)]
assert store.verify() == []
store.close()
"""


def test_a_store_at_the_limit_of_file_sizes_reads_on_and_recovers(tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIMITED, str(tmp_path / "cache")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert temporary_files(tmp_path / "cache") == []


def test_a_writer_that_waits_too_long_says_that_the_index_is_held(store, root, monkeypatch):
    import stagecache.stores.disk.databases as databases

    put(store, make_entry())
    store.close()
    monkeypatch.setattr(databases, "BUSY", 0.01)
    holder = DiskStore(root)
    with holder._connections.writing():
        with pytest.raises(StoreError, match="held the index"):
            put(store, make_entry())
        assert store.get(make_entry().key) is None
    put(store, make_entry())
    holder.close()
