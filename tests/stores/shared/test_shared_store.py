"""What a team shares: where it lies, and what a put does to what is there."""

from __future__ import annotations

import os
import re

import pytest
from servers.shelves import Counting, flip

from stagecache.errors import SettingsError, StagecacheWarning
from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import INLINE_LIMIT, SharedStore
from stagecache.testing.clock import FakeClock
from stagecache.testing.shelves import MemoryShelf
from stagecache.testing.stores import StoreContract, load, make_entry, put, put_part

KEYS = Keyring([b"k" * 32])
TEAM = {"namespace": "team", "keyring": KEYS, "allow_pickle": True}


class TestContractInMemory(StoreContract):
    @pytest.fixture
    def store(self):
        return SharedStore(MemoryShelf(), **TEAM)


class TestContractOnRedis(StoreContract):
    @pytest.fixture
    def store(self, redis_server):
        store = SharedStore(open_shelf(redis_server.url), **TEAM)
        yield store
        store.close()


class TestContractOnS3(StoreContract):
    @pytest.fixture
    def store(self, s3_server):
        return SharedStore(open_shelf(f"s3://{s3_server.bucket()}/prefix"), **TEAM)


class TestContractOnRedisAndS3(StoreContract):
    @pytest.fixture
    def store(self, redis_server, s3_server):
        blobs = open_shelf(f"s3://{s3_server.bucket()}")
        store = SharedStore(open_shelf(redis_server.url), blobs, **TEAM)
        yield store
        store.close()


class TestContractOnACluster(StoreContract):
    @pytest.fixture
    def store(self, redis_cluster):
        store = SharedStore(open_shelf(redis_cluster.url), **TEAM)
        yield store
        store.close()


class TestContractOnMemcached(StoreContract):
    @pytest.fixture
    def store(self, memcached):
        store = SharedStore(open_shelf(memcached.url), **TEAM)
        yield store
        store.close()


class TestContractOnAFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return SharedStore(open_shelf(f"file://{tmp_path}/shelf"), **TEAM)


def safe(**fields):
    return make_entry(codec="plain", **fields)


SMALL, LARGE = b"v" * 100, b"v" * (INLINE_LIMIT + 1)
SIZES = pytest.mark.parametrize("value", [SMALL, LARGE], ids=["small", "large"])
TRUST = pytest.mark.parametrize("keyring", [None, KEYS], ids=["unsigned", "signed"])
REFUSED = pytest.warns(StagecacheWarning, match="not to be believed")


# Where things lie


def test_a_small_value_comes_with_its_entry_in_one_round_trip():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    entry = put(store, safe(), b"v" * INLINE_LIMIT)
    shelf.take()
    assert load(store, store.get(entry.key)) == [b"v" * INLINE_LIMIT]
    assert [verb for verb, _ in shelf.take()] == ["get"]


def test_a_large_value_lies_on_the_shelf_for_large_ones_and_is_put_before_its_entry():
    entries, blobs = Counting(), Counting()
    both = []
    entries.asked = blobs.asked = both
    store = SharedStore(entries, blobs, **TEAM)
    entry = put(store, safe(), LARGE)
    puts = [name for verb, name in both if verb == "put"]
    assert puts == [f"team/b1/{{{entry.blob.hex()}}}", f"team/e1/{{{entry.key.hex()}}}"]
    assert len(entries.names) == len(blobs.names) == 1


def test_a_large_value_is_not_sent_when_its_entry_would_not_stand():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    entry = put(store, safe(), LARGE)
    shelf.take()
    assert put(store, safe(key=entry.key), LARGE + b"more") == entry
    assert [verb for verb, _ in shelf.take()] == ["get"]


def test_of_two_at_once_the_first_one_stands():
    first, second = Counting(), Counting()
    second._values = first._values
    one, other = SharedStore(first, **TEAM), SharedStore(second, **TEAM)
    key = make_entry().key
    kept = []
    real_put = second.put

    def put_late(name, pieces, **how):
        if not kept and "/e1/" in name:
            kept.append(put(one, safe(key=key), LARGE))
        return real_put(name, pieces, **how)

    second.put = put_late
    assert [put(other, safe(key=key), LARGE + b"more")] == kept == [one.get(key)]


def test_equal_large_values_are_there_once():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    one, other = put(store, safe(), LARGE), put(store, safe(), LARGE)
    assert one.blob == other.blob
    assert len(shelf.names) == 3


def test_many_entries_are_one_round_trip():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    keys = [put(store, safe()).key for _ in range(100)]
    shelf.take()
    assert len(store.get_many(keys)) == 100
    assert [verb for verb, _ in shelf.take()] == ["get"]


def test_every_name_is_one_that_all_shelves_keep_and_has_a_tag_of_its_own():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM | {"namespace": "my/Team_2-b"})
    for _ in range(20):
        put(store, safe(), os.urandom(len(LARGE)))
    assert all(re.fullmatch(r"my/Team_2-b/[eb]1/\{[0-9a-f]{32}\}", name) for name in shelf.names)
    assert len({name.partition("{")[2] for name in shelf.names}) == 40


@pytest.mark.parametrize("namespace", ["", "/", "a/", "a b", "a{b}", "a:b", "..", "ä", "a" * 121])
def test_a_namespace_that_no_shelf_could_keep_is_an_error(namespace):
    with pytest.raises(SettingsError, match="namespace"):
        SharedStore(MemoryShelf(), namespace=namespace)


def test_teams_with_two_namespaces_share_nothing():
    shelf = MemoryShelf()
    entry = put(SharedStore(shelf, namespace="one"), safe())
    assert SharedStore(shelf, namespace="one").get(entry.key) == entry
    assert SharedStore(shelf, namespace="other").get(entry.key) is None


def test_what_is_put_is_kept_as_long_as_was_said():
    clock = FakeClock()
    shelf = MemoryShelf(now=clock.monotonic)
    store = SharedStore(shelf, namespace="team", seconds=60)
    entries = [put(store, safe(), value) for value in (SMALL, LARGE)]
    clock.advance(59)
    assert all(map(store.get, [entry.key for entry in entries]))
    clock.advance(2)
    assert not shelf.get([store._name(entries[0].key), store._large.name(entries[1].blob)])


# Roles and limits


@SIZES
def test_a_reader_sends_nothing_that_changes_anything(value):
    shelf = Counting()
    writer = SharedStore(shelf, **TEAM)
    reader = SharedStore(shelf, **TEAM, role="reader")
    entry = put(writer, safe(), value)
    shelf.change(writer._name(entry.key), flip(shelf.bytes(writer._name(entry.key))))
    shelf.take()
    with REFUSED:
        assert reader.get(entry.key) is None
    assert not put(reader, safe(key=entry.key), value).has_value
    assert not put(reader, safe(), value).has_value
    assert reader.remove([entry.key]) == 0
    assert {verb for verb, _ in shelf.take()} == {"get"}
    assert not reader.writable


def test_a_reader_leaves_a_damaged_value_where_it_is():
    shelf = Counting()
    writer = SharedStore(shelf, **TEAM)
    entry = put(writer, safe(), LARGE)
    shelf.change(writer._large.name(entry.blob), flip(shelf.bytes(writer._large.name(entry.blob))))
    reader = SharedStore(shelf, **TEAM, role="reader")
    shelf.take()
    with REFUSED:
        assert reader.load(entry) is None
    assert [verb for verb, _ in shelf.take()] == ["get"]


def test_a_role_that_is_none_is_an_error():
    with pytest.raises(SettingsError, match="role"):
        SharedStore(MemoryShelf(), namespace="team", role="owner")


def test_a_value_above_the_limit_is_told_of_once_and_keeps_nobody_else_away():
    shelf = Counting(limit=200_000)
    store = SharedStore(shelf, **TEAM)
    with pytest.warns(StagecacheWarning, match=r"200,000.*kept on this machine only"):
        assert not put(store, safe(), bytes(200_001)).has_value
    assert not put(store, safe(), bytes(200_002)).has_value
    assert shelf.names == []
    assert put(store, safe(), SMALL).has_value


def test_the_key_of_a_writer_at_work_costs_no_round_trip_to_let_go_of():
    shelf = Counting()
    store = SharedStore(shelf, **TEAM)
    put_part(store, safe(stage=""), b"w" * 16, SMALL)
    shelf.take()
    assert store.remove([b"w" * 16]) == 0
    assert shelf.take() == []


def test_what_is_loaded_is_read_only_or_the_callers_alone():
    store = SharedStore(MemoryShelf(), **TEAM)
    small, large = put(store, safe(), SMALL), put(store, safe(), LARGE, b"more")
    assert all(section.readonly for section in store.load(small))
    mine = store.load(large)
    assert not any(section.readonly for section in mine)
    mine[0][0] = 0
    assert load(store, large) == [LARGE, b"more"]
