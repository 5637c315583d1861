"""A large result is mapped, not read: what becomes of it while somebody holds it."""

from __future__ import annotations

import os

import numpy as np
import pytest

from stagecache import Cache, stage
from stagecache.stores.disk import DiskStore

COUNT = 1_000_000


@stage
def numbers(n: int) -> np.ndarray:
    calls.append(n)
    return np.arange(n)


calls: list[int] = []


def blob_of(folder) -> str:
    [path] = [os.path.join(here, name) for here, _, names in os.walk(folder) for name in names
              if len(name) == 32]  # fmt: skip
    return path


@pytest.fixture
def held(cache):
    """A result that is mapped and of which nothing was read yet."""
    calls.clear()
    numbers(COUNT)
    return numbers(COUNT)


def test_a_held_result_stays_when_it_is_forgotten_and_collected(cache, held):
    numbers.forget(COUNT)
    cache.gc()
    assert not [name for _, _, names in os.walk(cache.directory) for name in names
                if len(name) == 32]  # fmt: skip
    assert held.sum() == COUNT * (COUNT - 1) // 2
    held[:] = 0


def test_a_held_result_stays_when_a_foreign_hand_removes_the_file(cache, held):
    os.unlink(blob_of(cache.directory))
    assert held.sum() == COUNT * (COUNT - 1) // 2
    assert numbers(COUNT).sum() == held.sum()
    assert calls == [COUNT] * 2


def test_a_held_result_stays_when_another_is_put_in_the_files_place(cache, held):
    path = blob_of(cache.directory)
    with open(path + ".new", "wb") as stream:
        stream.write(bytes(os.path.getsize(path)))
    os.replace(path + ".new", path)
    assert held.sum() == COUNT * (COUNT - 1) // 2
    assert numbers(COUNT).sum() == held.sum()


def test_a_file_cut_short_after_it_was_verified_is_a_miss_for_who_comes_next(cache):
    calls.clear()
    numbers(COUNT)
    assert numbers(COUNT)[-1] == COUNT - 1
    os.truncate(blob_of(cache.directory), 4096)
    assert numbers(COUNT)[-1] == COUNT - 1
    assert calls == [COUNT] * 2


def test_changing_a_held_result_never_reaches_the_file(cache, held):
    held[:] = 7
    store = DiskStore(cache.directory)
    assert store.verify() == []
    store.close()
    with Cache(cache.directory):
        assert numbers(COUNT)[0] == 0
    assert calls == [COUNT]
