"""A shelf that is out of reach, or refuses, is in nobody's way and is told of once."""

from __future__ import annotations

import logging
import time
import warnings

import pytest
from servers.shelves import Counting

from stagecache.errors import ShelfError, StagecacheWarning
from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import INLINE_LIMIT, SharedStore
from stagecache.testing.clock import FakeClock
from stagecache.testing.stores import load, make_entry, put

TEAM = {"namespace": "team", "keyring": Keyring([b"k" * 32]), "allow_pickle": True}
OUTAGE = ShelfError("memory", "no answer within 0.25 s", is_outage=True)
FULL = ShelfError("memory", "command not allowed when used memory > 'maxmemory'", is_outage=False)
FULL.__cause__ = MemoryError()
LARGE = bytes(INLINE_LIMIT + 1)
OUT_OF_REACH = pytest.warns(StagecacheWarning, match="memory is out of reach")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def shelf():
    return Counting()


@pytest.fixture
def store(shelf, clock):
    return SharedStore(shelf, **TEAM, clock=clock)


def everything(store, entry):
    """Do all that can be done; return what came of it."""
    return (
        store.get(entry.key),
        store.get_many([entry.key]),
        store.load(entry._replace(inline=None, blob=b"b" * 16)),
        put(store, make_entry()).has_value,
        put(store, make_entry(), LARGE).has_value,
    )


NOTHING = (None, {}, None, False, False)


def test_in_an_outage_everything_is_a_miss_at_once(store, shelf):
    entry = put(store, make_entry())
    shelf.trouble = OUTAGE
    with OUT_OF_REACH:
        assert store.get(entry.key) is None
    shelf.take()
    for _ in range(100):
        assert everything(store, entry) == NOTHING
    assert shelf.take() == []


def test_the_one_warning_says_what_why_and_what_to_do(store, shelf):
    shelf.trouble = OUTAGE
    with pytest.warns(StagecacheWarning) as caught:
        assert everything(store, make_entry()) == NOTHING
    assert len(caught) == 1
    text = str(caught[0].message)
    for part in ("memory", "0.25 s", "server is down", "computed here", "doctor"):
        assert part in text
    assert caught[0].filename == __file__


def test_it_is_asked_now_and_then_and_each_outage_is_told_of(store, shelf, clock, caplog):
    caplog.set_level(logging.INFO, "stagecache")
    entry = put(store, make_entry())
    for _ in range(2):
        shelf.trouble = OUTAGE
        with OUT_OF_REACH:
            assert store.get(entry.key) is None
        clock.advance(6)
        shelf.take()
        assert store.get(entry.key) is None
        assert store.get(entry.key) is None
        assert [verb for verb, _ in shelf.take()] == ["get"]
        shelf.trouble = None
        assert store.get(entry.key) is None
        assert caplog.messages == []
        clock.advance(60)
        assert store.get(entry.key) == entry
        assert caplog.messages == ["memory answers again: results are shared again"]
        caplog.clear()


def test_a_warning_that_is_an_error_leaves_the_store_as_it_should_be(store, shelf):
    shelf.trouble = OUTAGE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(StagecacheWarning):
            store.get(make_entry().key)
    assert everything(store, make_entry()) == NOTHING


def test_each_shelf_has_outages_of_its_own(clock):
    entries, blobs = Counting(), Counting()
    store = SharedStore(entries, blobs, **TEAM, clock=clock)
    large = put(store, make_entry(), LARGE)
    blobs.trouble = OUTAGE
    with OUT_OF_REACH:
        assert store.load(large) is None
    small = put(store, make_entry(), b"small")
    assert load(store, store.get(small.key)) == [b"small"]
    assert not put(store, make_entry(), LARGE).has_value
    assert store.refused == 0


def test_what_could_not_be_asked_for_is_not_taken_for_lost(store, shelf, clock):
    entry = put(store, make_entry(), LARGE)
    shelf.trouble = OUTAGE
    with OUT_OF_REACH:
        assert store.load(entry) is None
    shelf.trouble = None
    clock.advance(60)
    assert put(store, make_entry(entry.key), b"other") == entry


def test_a_full_shelf_is_still_read_and_told_of_once(store, shelf):
    entry = put(store, make_entry())
    real_put = shelf.put

    def refuse(*args, **kwargs):
        raise FULL

    shelf.put = refuse
    with pytest.warns(StagecacheWarning, match=r"refused: .*maxmemory.*still read"):
        assert not put(store, make_entry()).has_value
    assert not put(store, make_entry()).has_value
    assert store.get(entry.key) == entry
    shelf.put = real_put
    assert put(store, make_entry()).has_value


def test_what_cannot_be_forgotten_for_others_is_an_error(store, shelf):
    entry = put(store, make_entry())
    shelf.trouble = OUTAGE
    with OUT_OF_REACH, pytest.raises(ShelfError):
        store.remove([entry.key])
    with pytest.raises(ShelfError):
        store.remove([entry.key])


def test_an_entry_that_cannot_be_read_is_not_written_over(store, shelf):
    entry = put(store, make_entry())
    shelf.get = lambda names: (_ for _ in ()).throw(FULL)
    with pytest.warns(StagecacheWarning, match="may not read"):
        assert not put(store, make_entry(entry.key, generation=1)).has_value
    del shelf.get
    assert store.get(entry.key) == entry


# A real server


@pytest.mark.parametrize("trouble", ["stop", "pause"])
def test_of_a_thousand_lookups_in_an_outage_one_waits_and_none_fails(own_redis_server, trouble):
    server = own_redis_server()
    store = SharedStore(open_shelf(server.url), **TEAM)
    entry = put(store, make_entry())
    getattr(server, trouble)()
    with pytest.warns(StagecacheWarning, match="out of reach") as caught:
        found = [store.get(entry.key) for _ in range(1000)]
    assert found == [None] * 1000
    assert len(caught) == 1
    store.close()


def test_a_replica_is_read_and_takes_nothing(own_redis_server):
    master = own_redis_server()
    writer = SharedStore(open_shelf(master.url), **TEAM)
    entry = put(writer, make_entry())
    replica = own_redis_server("--replicaof", "127.0.0.1", str(master.port))
    deadline = time.monotonic() + 60
    while b"master_link_status:up" not in replica.ask("INFO replication"):
        assert time.monotonic() < deadline
    store = SharedStore(open_shelf(replica.url), **TEAM)
    assert store.get(entry.key) == entry
    with pytest.warns(StagecacheWarning, match="only reads"):
        assert not put(store, make_entry()).has_value
    assert store.get(entry.key) == entry
    for each in (writer, store):
        each.close()
