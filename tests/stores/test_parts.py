"""Parts go with the last entry that holds them, whatever becomes of their writers."""

from __future__ import annotations

import os
import threading
import time

import pytest

from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.stores import load, make_entry, put, put_part

LARGE = 50_000
WRITER = b"a writer at work"


@pytest.fixture
def store(tmp_path):
    store = DiskStore(tmp_path / "cache")
    yield store
    store.close()


@pytest.fixture(params=["disk", "memory"])
def either(request, store):
    return store if request.param == "disk" else MemoryStore()


def part_of(store, value=None, writer=WRITER, **fields):
    entry = make_entry(stage="", **{"created": time.time(), **fields})
    return put_part(store, entry, writer, value or os.urandom(LARGE))


def held(store, *parts, **fields):
    """Return an entry that holds `parts`, kept as the engine does it."""
    holder = put(store, make_entry(parts=tuple(part.key for part in parts), **fields), b"skeleton")
    store.remove([WRITER])
    return holder


def test_a_part_goes_with_the_last_that_holds_it(either):
    one, both = part_of(either), part_of(either)
    first = held(either, one, both)
    again = part_of(either, load(either, both)[0], key=both.key)
    assert again.blob == both.blob
    second = held(either, again)
    assert either.remove([first.key]) == 1
    assert either.get(one.key) is None
    assert load(either, both) is not None
    assert either.remove([second.key]) == 1
    assert either.get(both.key) is None
    assert load(either, both) is None


def test_what_a_writer_gave_up_goes_at_once(either):
    part = part_of(either)
    assert either.get(part.key) == part
    either.remove([WRITER])
    assert either.get(part.key) is None


def test_the_parts_of_a_part_go_with_it(either):
    inner = part_of(either)
    outer = put_part(
        either, make_entry(stage="", parts=(inner.key,)), WRITER, b"skeleton", os.urandom(LARGE)
    )
    holder = held(either, outer)
    assert load(either, inner) is not None
    either.remove([holder.key])
    assert either.get(outer.key) is None
    assert either.get(inner.key) is None


def test_a_replaced_entry_lets_go_of_what_the_new_one_does_not_hold(either):
    old, common, new = part_of(either), part_of(either), part_of(either)
    first = held(either, old, common, generation=0)
    again = [part_of(either, key=part.key) for part in (common, new)]
    held(either, *again, key=first.key, generation=1)
    assert either.get(old.key) is None
    assert either.get_many([common.key, new.key]).keys() == {common.key, new.key}


def test_who_holds_a_replaced_entry_can_still_read_its_parts(store):
    part = part_of(store)
    value = load(store, part)
    first = held(store, part)
    put(store, make_entry(first.key, generation=1), b"small")
    assert store.get(part.key) is None
    assert load(store, part) == value


def test_an_entry_is_not_kept_without_its_parts(store):
    with pytest.raises(StoreError, match="part"):
        put(store, make_entry(parts=(make_entry().key,)), b"skeleton")


def test_nobody_is_told_of_parts_who_asks_what_is_kept(either):
    tiers = Tiered(either) if isinstance(either, MemoryStore) else Tiered(MemoryStore(), [either])
    part = part_of(tiers)
    holder = held(tiers, part)
    assert [entry.key for entry, _ in tiers.entries()] == [holder.key]
    assert tiers.find("") == [holder.key]
    assert tiers.find(part.key.hex()) == []
    assert [stats.entries for stats in tiers.stages()] == [1]
    assert tiers.stats().entries == 1
    assert holder.size > LARGE


def test_a_holder_keeps_its_parts_whatever_others_forget_meanwhile(store):
    values = [os.urandom(LARGE) for _ in range(3)]
    barrier = threading.Barrier(4)
    lost = []

    def work(number):
        barrier.wait()
        for turn in range(15):
            writer = b"writer %2d %2d    " % (number, turn)
            parts = [part_of(store, value, writer, key=value[:16]) for value in values]
            keys = tuple(part.key for part in parts)
            holder = put(store, make_entry(parts=keys), b"skeleton")
            store.remove([writer])
            if [load(store, store.get(key) or parts[0]) for key in keys] != [[v] for v in values]:
                lost.append((number, turn))
            store.remove([holder.key])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not lost
    assert store.stats().blobs == 0
    assert store.verify() == []


def test_gc_collects_what_killed_writers_left(store):
    lost, kept = part_of(store, created=1.0), part_of(store)
    assert store.gc(grace=-1, dry_run=True).blobs == 2
    assert load(store, lost) is not None
    store.gc()  # its writer was at work just now, on the other part
    holder = held(store, kept)
    part_of(store, writer=b"killed long ago.", created=1.0)
    part_of(store, writer=b"just now at work", key=b"k" * 16, created=9e9)
    assert store.gc(grace=-1).blobs == 1
    assert store.get(b"k" * 16) is not None
    assert load(store, store.get(holder.parts[0])) is not None


def test_verify_checks_parts_and_misses_those_that_are_gone(store):
    one, other = part_of(store), part_of(store)
    holder = held(store, one, other)
    assert store.verify() == []
    blob = store._directory.blob(one.blob.hex())
    with open(blob, "r+b") as stream:
        stream.seek(-100, 2)
        stream.write(b"damaged")
    (problem,) = store.verify()
    assert (problem.kind, problem.key) == ("blob", one.key)
    assert load(store, one) is None
    (problem,) = store.verify()
    assert (problem.kind, problem.key) == ("part", holder.key)


def test_a_repair_forgets_what_lacks_a_part(store):
    one, other = part_of(store), part_of(store)
    holder = held(store, one, other)
    os.unlink(store._directory.blob(one.blob.hex()))
    assert [problem.repaired for problem in store.verify(repair=True)] == [True, True]
    assert store.get(holder.key) is None
    assert store.get(other.key) is None
    assert store.verify() == []


def test_an_index_made_anew_knows_who_holds_what(store, tmp_path):
    part = part_of(store)
    holder = held(store, part)
    unheld = part_of(store)
    store.close()
    for file in (tmp_path / "cache" / "v1").glob("index.db*"):
        file.unlink()
    assert store.get(holder.key) == holder
    assert store.get(unheld.key) is not None
    store.gc(grace=-1)
    assert store.get(unheld.key) is None
    assert load(store, part) is not None
    store.remove([holder.key])
    assert store.get(part.key) is None


def test_memory_keeps_parts_as_long_as_somebody_holds_them():
    store = MemoryStore(limit=300_000)
    part = part_of(store, bytes(100_000))
    for _ in range(10):
        put(store, make_entry(), os.urandom(60_000))
    assert load(store, part) is not None
    refused = part_of(store, bytes(250_000))
    assert not refused.has_value
    held(store, part)
    for _ in range(10):
        put(store, make_entry(), os.urandom(60_000))
    assert store.get(part.key) is None
    assert store.size <= 300_000


def test_parts_below_stay_when_what_holds_them_has_to_stay_in_memory(store, monkeypatch):
    tiers = Tiered(MemoryStore(), [store])
    part = part_of(tiers)

    def full(*_):
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(DiskStore, "put", full)
        with pytest.warns(UserWarning, match="full"):
            holder = put(tiers, make_entry(parts=(part.key,)), b"skeleton")
    tiers.adopt(WRITER, holder.key)
    assert tiers.get(holder.key) == holder
    assert load(tiers, part) is not None


def test_memory_vouches_for_the_parts_that_this_process_put():
    memory = MemoryStore()
    part = part_of(memory)
    assert memory.keeps(part)
    assert not memory.keeps(part._replace(codec="plain"))
