"""Values give way when a directory is full: the bound holds, rows stay, nobody gets an error."""

from __future__ import annotations

import os

import pytest

from stagecache.stores.disk import DiskStore
from stagecache.testing.stores import load, make_entry, put

BOUND = 1_500_000


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def bounded(root):
    opened = []

    def open_bounded(max_size=BOUND, **limits):
        store = DiskStore(root, limits={"max_size": max_size, **limits})
        opened.append(store)
        return store

    yield open_bounded
    for store in opened:
        store.close()


def taken(root):
    """Bytes on disk of all files."""
    total, folders = 0, [root / "v1"]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    total += entry.stat().st_size
    return total


def key_of(number):
    return b"%016d" % number


SIZES = {
    "in rows of 4 kB": lambda number: 4_000,
    "in rows of 300 bytes": lambda number: 300,
    "in files": lambda number: 60_000,
    "in both": lambda number: 200_000 if number % 20 == 0 else 700 if number % 3 else 15_000,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_bound_holds_after_every_put_of_ten_times_as_much(bounded, root, size):
    store, written, number = bounded(), 0, 0
    most = 0
    while written < 5 * BOUND:
        entry = put(
            store, make_entry(key_of(number), created=1e9 + number), os.urandom(size(number))
        )
        assert load(store, entry) is not None
        most = max(most, taken(root))
        assert most <= BOUND, number
        written += size(number) + 1_000
        number += 1
    valued = [entry for entry, _ in store.entries() if entry.has_value]
    print(
        len(valued),
        sum(entry.size for entry in valued) / BOUND,
        most / BOUND,
        store._evictor.space(),
    )
    assert sum(entry.size for entry in valued) > BOUND / 4
    assert store.verify() == []
