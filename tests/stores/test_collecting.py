"""A collection takes what is left and nothing that is in use, whatever clocks say."""

from __future__ import annotations

import os

import pytest

from stagecache.stores.disk import DiskStore
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import load, make_entry, put

YEAR = 365 * 86_400.0


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def lay_leftovers(root, store, time):
    """Leave an orphan, a temporary file and trash, all of one time; return their paths."""
    orphan = put(store, make_entry(), os.urandom(20_000))
    with store._connections.writing() as connection:
        connection.execute("DELETE FROM entries WHERE key = ?", (orphan.key,))
    name = orphan.blob.hex()
    left = [root / "v1" / "blobs" / name[:2] / name]
    left += [root / "v1" / "tmp" / "1-left", root / "v1" / "trash" / ("f" * 32)]
    for path in left:
        if not path.exists():
            path.write_bytes(b"left")
        os.utime(path, (time, time))
    return left


def test_leftovers_of_a_clock_that_was_ahead_go_when_their_grace_is_over(root):
    clock = FakeClock()
    store = DiskStore(root, clock=clock)
    kept = put(store, make_entry(), b"k" * 20_000)
    left = lay_leftovers(root, store, clock.now() + YEAR)
    store.gc()
    assert all(path.exists() for path in left)
    clock.advance(3_601)
    store.gc()
    assert not any(path.exists() for path in left)
    assert load(store, kept) == [b"k" * 20_000]
    store.close()


def test_a_dry_run_leaves_the_times_of_files(root):
    clock = FakeClock()
    store = DiskStore(root, clock=clock)
    left = lay_leftovers(root, store, clock.now() + YEAR)
    store.gc(dry_run=True)
    assert [path.stat().st_mtime for path in left] == [clock.now() + YEAR] * 3
    store.close()


def test_a_writer_whose_temporary_file_was_taken_writes_it_again(root, monkeypatch):
    store, ahead = DiskStore(root), DiskStore(root, clock=FakeClock(9e9))
    put(store, make_entry())
    really, collections = os.replace, []

    def replace(source, target):
        if not collections:
            collections.append(ahead.gc())
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    kept = put(store, make_entry(), b"k" * 20_000)
    assert collections[0].temporary == 1
    assert load(store, store.get(kept.key)) == [b"k" * 20_000]
    store.close()
    ahead.close()


def test_what_a_killed_replacement_moved_to_the_trash_is_brought_back(root):
    store = DiskStore(root)
    kept = put(store, make_entry(), b"k" * 20_000)
    store._blobs.set_aside(kept.blob)  # and no row is changed
    assert store.verify() == []
    assert load(store, kept) == [b"k" * 20_000]
    assert store.gc(grace=-1.0).trash == 0
    assert load(store, store.get(kept.key)) == [b"k" * 20_000]
    assert list((root / "v1" / "trash").iterdir()) == []
    assert store.verify() == []
    store.close()


def test_folders_that_somebody_removed_are_made_again(root):
    store = DiskStore(root)
    put(store, make_entry())
    (root / "v1" / "tmp").rmdir()
    kept = put(store, make_entry(), b"k" * 20_000)
    assert load(store, kept) == [b"k" * 20_000]
    store.close()


@pytest.mark.parametrize("name", ["../../kept", "a\0b", "..", "f" * 32, "f" * 300])
@pytest.mark.parametrize("place", ["blobs", "trash", "quarantine", "elsewhere"])
def test_an_account_of_files_that_cannot_be_is_set_right(root, place, name):
    store = DiskStore(root)
    kept = put(store, make_entry(), b"k" * 20_000)
    outside = root.parent / "kept"
    outside.write_bytes(b"mine")
    with store._connections.writing() as connection:
        connection.execute("INSERT INTO files VALUES (?, ?, 1000, 0)", (place, name))
    store.gc(grace=-1.0)
    accounted = store._index.select("SELECT place, name FROM files")
    assert accounted == [("blobs", kept.blob.hex())]
    assert outside.exists()
    store.close()
