"""The memory tier keeps results within a bound, and copies only as long as they are trusted."""

from __future__ import annotations

import pytest

from stagecache.stores.memory import MemoryStore
from stagecache.testing.stores import StoreContract, load, make_entry, put


class TestContract(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()


def test_the_bound_of_bytes_holds_and_the_least_recently_used_goes_first():
    store = MemoryStore(100_000)
    entries = [put(store, make_entry(), bytes(40_000)) for _ in range(2)]
    assert store.get(entries[0].key) == entries[0]
    put(store, make_entry(), bytes(40_000))
    assert store.get(entries[1].key) is None
    assert load(store, entries[1]) is None
    assert load(store, entries[0]) == [bytes(40_000)]
    assert store.size <= 100_000


def test_what_is_larger_than_the_bound_is_not_kept_and_says_so():
    store = MemoryStore(100_000)
    small = put(store, make_entry())
    entry = put(store, make_entry(), bytes(200_000))
    assert (entry.inline, entry.blob) == (None, None)
    assert store.get(entry.key) is None
    assert store.get(small.key) == small


def test_the_size_is_that_of_what_is_left():
    store = MemoryStore()
    empty = store.size
    key = make_entry().key
    put(store, make_entry(key), bytes(50_000))
    put(store, make_entry(key, generation=1), bytes(90_000))
    store.copy(make_entry(), None)
    store.trust(7)
    store.remove([key])
    assert store.size == empty == 0


def test_a_copy_is_forgotten_when_the_version_changes():
    store, entry, own = MemoryStore(), make_entry(), make_entry()
    store.trust(1)
    store.copy(entry, 1)
    kept = put(store, own)
    store.trust(1)
    assert store.get(entry.key) == entry
    store.trust(2)
    assert store.get(entry.key) is None
    assert store.get(own.key) == kept


def test_a_copy_read_under_an_older_version_is_not_kept():
    store, entry = MemoryStore(), make_entry()
    store.trust(2)
    store.copy(entry, 1)
    assert store.get(entry.key) is None


def test_a_damaged_inline_value_is_a_miss():
    store = MemoryStore()
    entry = put(store, make_entry(), b"value")
    for position in range(len(entry.inline)):
        damaged = bytearray(entry.inline)
        damaged[position] ^= 1
        assert store.load(entry._replace(inline=bytes(damaged))) is None
