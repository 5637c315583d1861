"""A mapping of the user's says what stays in memory; what it lets go is a miss, never a fault."""

from __future__ import annotations

import threading

import cachetools
import pandas as pd
import pytest

import stagecache
from stagecache import Cache, memory, stage
from stagecache.errors import SettingsError, StagecacheWarning
from stagecache.stores.mapped import MappedStore, Token
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import (
    StoreContract,
    load,
    make_entry,
    make_provenance,
    put,
    put_part,
)


class TestOnADict(StoreContract):
    @pytest.fixture
    def store(self):
        return MappedStore({})


class TestByFrequency(StoreContract):
    @pytest.fixture
    def store(self):
        return MappedStore(cachetools.LFUCache(1 << 28, getsizeof=len))


class TestByTime(StoreContract):
    @pytest.fixture
    def store(self):
        return MappedStore(memory.TTL(1000, "1h"), ttl=1000.0)


class TestOnCachebox(StoreContract):
    @pytest.fixture
    def store(self):
        return MappedStore(pytest.importorskip("cachebox").LRUCache(1000))


def test_what_the_mapping_lets_go_is_gone_with_its_value():
    mapping = cachetools.LFUCache(100_000, getsizeof=len)
    store = MappedStore(mapping)
    often, seldom = (put(store, make_entry(), bytes(40_000)) for _ in range(2))
    for _ in range(3):
        assert store.get(often.key) == often
    third = put(store, make_entry(), bytes(40_000))
    assert store.get(seldom.key) is None
    assert load(store, seldom) is None
    assert load(store, often) == load(store, third) == [bytes(40_000)]
    assert store.size == mapping.currsize <= 100_000
    assert store.stats()[:3] == (2, store.size, None)
    assert store.stats().policy == "LFUCache"
    assert store.evictions == 1


def test_a_mapping_that_counts_items_bounds_the_number_of_results():
    store = MappedStore(cachetools.FIFOCache(2))
    entries = [put(store, make_entry()) for _ in range(3)]
    assert [store.get(entry.key) is not None for entry in entries] == [False, True, True]
    assert len(store.refuges()) == 2


def test_a_result_weighs_with_its_parts_and_takes_them_along():
    mapping = cachetools.LRUCache(100_000, getsizeof=len)
    store = MappedStore(mapping)
    part = put_part(store, make_entry(stage=""), b"w" * 16, bytes(60_000))
    whole = put(store, make_entry(parts=(part.key,)))
    store.remove([b"w" * 16])
    assert mapping.currsize > 60_000
    assert store.get(part.key) == part
    put(store, make_entry(), bytes(50_000))
    assert store.get(whole.key) is store.get(part.key) is None
    assert store.size == mapping.currsize


@pytest.mark.parametrize("limit", [10, 1000])
def test_what_is_larger_than_the_mapping_is_not_kept_and_says_so(limit):
    store = MappedStore(cachetools.LRUCache(limit, getsizeof=len))
    entry = put(store, make_entry(), bytes(200_000))
    assert (entry.inline, entry.blob) == (None, None)
    assert store.get(entry.key) is None
    assert store.size == 0


def test_what_was_taken_out_of_the_mapping_by_hand_is_a_miss():
    mapping = {}
    store = MappedStore(mapping)
    entry = put(store, make_entry())
    (token,) = mapping.values()
    assert isinstance(token, Token)
    assert len(token) == store.size
    mapping.clear()
    assert store.get(entry.key) is None  # although somebody still holds the token
    assert store.size == 0
    del token


def test_a_mapping_that_raises_costs_one_warning():
    class Broken(dict):
        def __setitem__(self, key, value):
            raise RuntimeError("no")

        get = pop = __setitem__

    store = MappedStore(Broken())
    with pytest.warns(StagecacheWarning, match=r"memory.*Broken.*RuntimeError: no"):
        assert not put(store, make_entry()).has_value
    assert not put(store, make_entry()).has_value  # and no second one
    store.close()


def test_a_result_stays_for_its_time():
    clock = FakeClock()
    store = MappedStore({}, ttl=60.0, timer=clock.monotonic)
    entry = put(store, make_entry())
    clock.advance(59)
    assert store.get(entry.key) == entry
    clock.advance(1)
    assert store.get(entry.key) is None
    assert store.size == 0


def test_closing_leaves_nothing_of_ours_in_the_mapping():
    mapping = {"mine": 1}
    store = MappedStore(mapping)
    put(store, make_entry())
    store.close()
    assert mapping == {"mine": 1}


def test_threads_may_use_a_mapping_that_is_not_made_for_them():
    store = MappedStore(cachetools.TTLCache(8, ttl=1e-4))
    entries, errors, start = [make_entry() for _ in range(16)], [], threading.Barrier(6)

    def work(seed):
        start.wait()
        try:
            for turn in range(200):
                entry = entries[(seed * 5 + turn) % 16]
                store.put(entry, [b"value"], make_provenance(entry), None)
                kept = store.get(entries[turn % 16].key)
                assert kept is None or load(store, kept) in ([b"value"], None)
                store.remove([entries[(turn + 3) % 16].key])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# --- of a cache


@stage
def numbers(count: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(count)})


@stage
def pairs(count: int) -> dict[str, list[int]]:
    return {"pairs": [*range(count)]}


@pytest.mark.parametrize("directory", [":memory:", "disk"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: cachetools.LFUCache(1000),
        lambda: memory.LRU(1 << 20, getsizeof=len),
        lambda: memory.TTL(1000, "1h"),
        dict,
        lambda: pytest.importorskip("cachebox").LFUCache(1000),
        lambda: pytest.importorskip("cachebox").RRCache(1000),
        lambda: pytest.importorskip("cachebox").TTLCache(1000, 3600),
        lambda: pytest.importorskip("cachebox").VTTLCache(1000),
    ],
)
def test_a_cache_takes_any_mapping_and_hands_out_what_is_safe_to_change(directory, make, tmp_path):
    place = directory if directory == ":memory:" else tmp_path / "cache"
    mapping = make()
    with Cache(place, memory=mapping) as cache:
        for _ in range(3):
            frame, plain = numbers(5), pairs(3)
            assert list(frame["n"]) == [0, 1, 2, 3, 4]
            assert plain == {"pairs": [0, 1, 2]}
            frame.loc[0, "n"] = 99
            frame["n"].array[1] = 99
            plain["pairs"].append(99)
        assert len(mapping) == 2
        assert all(type(mapping[key]) is Token for key in mapping)
        assert cache.memory_stats().hits >= 4


def test_what_memory_let_go_comes_from_the_disk(tmp_path):
    with Cache(tmp_path / "cache", memory=cachetools.LRUCache(1)) as cache:
        pairs(1), pairs(2)
        assert pairs.is_cached(1)
        assert pairs.is_cached(2)
        assert cache.memory_stats().evictions >= 2


def test_results_leave_memory_after_memory_ttl(tmp_path):
    with Cache(":memory:", memory_ttl=0) as cache:
        pairs(1)
        assert not pairs.is_cached(1)
        assert cache.memory_stats().limit is None
    with Cache(tmp_path / "cache", memory_ttl="0s") as cache:
        pairs(1)
        assert pairs.is_cached(1)
        assert cache.memory_stats().hits == 0


def test_memory_ttl_and_the_default_tier(monkeypatch):
    monkeypatch.setenv("STAGECACHE_MEMORY_TTL", "1h")
    with Cache(":memory:") as cache:
        pairs(1)
        assert pairs.is_cached(1)
        assert cache.settings.memory_ttl == 3600.0
    with Cache(":memory:", memory_ttl="none") as cache:
        assert cache.memory_stats().policy == "lru"


def test_what_is_neither_a_size_nor_a_mapping_is_refused():
    with pytest.raises(SettingsError, match="memory"):
        Cache(":memory:", memory=object())
    with pytest.raises(SettingsError, match="memory_ttl"):
        Cache(":memory:", memory_ttl="soon")


def test_a_mapping_can_be_configured_for_the_process():
    mapping = {}
    stagecache.configure(directory=":memory:", memory=mapping)
    pairs(1)
    assert len(mapping) == 1
