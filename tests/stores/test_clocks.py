"""A store outlives a clock that stood wrong: nothing is kept for ever by a time yet to come."""

from __future__ import annotations

import contextlib
import os

import pytest

from stagecache.stores.disk import DiskStore
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import load, make_entry, put

YEAR = 365 * 86_400
BOUND = 1_500_000


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["lru", "lrs", "cost"])
def store(request, tmp_path, clock):
    limits = {"max_size": BOUND, "eviction": request.param}
    with contextlib.closing(DiskStore(tmp_path / "cache", clock=clock, limits=limits)) as store:
        yield store


def fill(store, clock):
    """Put more than there is room for."""
    for _ in range(40):
        clock.advance(1)
        put(store, make_entry(created=clock.now()), os.urandom(60_000))


def test_what_was_made_by_a_clock_ahead_gives_way(store, clock):
    clock.set(clock.now() + YEAR)
    early = [
        put(store, make_entry(created=clock.now(), seconds=1e-3), os.urandom(60_000))
        for _ in range(5)
    ]
    for entry in early:
        store.count_use(entry.key, 1.0)
    clock.set(clock.now() - YEAR)
    fill(store, clock)
    assert not any(store.get(entry.key).has_value for entry in early)
    assert store.verify() == []


def test_a_use_by_a_right_clock_counts_after_one_by_a_clock_ahead(tmp_path, clock):
    limits = {"max_size": BOUND, "eviction": "lru"}
    with contextlib.closing(DiskStore(tmp_path / "cache", clock=clock, limits=limits)) as store:
        entry = put(store, make_entry(created=clock.now()), os.urandom(60_000))
        clock.set(clock.now() + YEAR)
        store.count_use(entry.key, 1.0)
        put(store, make_entry(created=clock.now()))  # writes the use, too
        clock.set(clock.now() - YEAR)
        for _ in range(40):
            clock.advance(1)
            store.count_use(entry.key, 1.0)
            put(store, make_entry(created=clock.now()), os.urandom(60_000))
        assert load(store, store.get(entry.key)) is not None


def test_collecting_goes_on_wherever_the_clock_jumps(store, clock):
    kept = put(store, make_entry(created=clock.now()), os.urandom(60_000))
    for jump in (YEAR, -2 * YEAR, YEAR):
        clock.set(clock.now() + jump)
        store.gc()
        assert load(store, store.get(kept.key)) is not None
        assert store.remove([put(store, make_entry(created=clock.now())).key]) == 1
    assert store.verify() == []
