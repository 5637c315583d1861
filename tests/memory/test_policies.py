"""Mappings that let things go: by their policy, whole under threads, counted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import cachetools
import pytest
from memory.conformance import SINCE_8, BoundedMappingContract

from stagecache import memory
from stagecache.testing.clock import FakeClock


class TestLRU(BoundedMappingContract):
    kind = memory.LRU


class TestLFU(BoundedMappingContract):
    kind = memory.LFU


class TestFIFO(BoundedMappingContract):
    kind = memory.FIFO


class TestRandom(BoundedMappingContract):
    kind = memory.Random


class HourLong(memory.TTL):
    def __init__(self, maxsize, getsizeof=None):
        super().__init__(maxsize, "1h", getsizeof=getsizeof)


class TestTTL(BoundedMappingContract):
    kind = HourLong


class TestPerItemTTL(BoundedMappingContract):
    kind = memory.PerItemTTL


MAKERS = {
    "lru": memory.LRU,
    "lfu": memory.LFU,
    "fifo": memory.FIFO,
    "random": memory.Random,
    "ttl": lambda maxsize: memory.TTL(maxsize, 1e-5),
    "per item": lambda maxsize: memory.PerItemTTL(maxsize, 1e-5),
}


def test_they_are_what_cachetools_offers():
    assert isinstance(memory.LRU(1), cachetools.LRUCache)
    assert isinstance(memory.TTL(1, 1), cachetools.TTLCache)


@pytest.mark.parametrize(
    ("kind", "left"),
    [(memory.LRU, {"c", "d"}), (memory.LFU, {"a", "d"}), (memory.FIFO, {"c", "d"})],
)
def test_the_policy_says_what_goes(kind, left):
    mapping = kind(2)
    mapping.update(a=1, b=2)
    for _ in range(3):
        mapping["a"]
    mapping["c"] = 3
    mapping["d"] = 4
    assert set(mapping) == left


def test_putting_an_item_draws_nothing_from_the_generator_that_the_user_has_seeded():
    import random

    random.seed(7)
    expected = random.random()
    random.seed(7)
    mapping = memory.Random(1)
    mapping.update(a=1, b=2, c=3)
    assert random.random() == expected


def test_hits_misses_and_what_gave_way_are_counted():
    mapping = memory.LRU(2)
    mapping.update(a=1, b=2, c=3)
    mapping["b"], mapping.get("c"), mapping.get("a"), mapping.get("a", 1)
    with pytest.raises(KeyError):
        mapping["a"]
    mapping.popitem()
    assert mapping.statistics() == (2, 3, 1, 0, 2, 1)


def test_to_look_through_everything_is_no_use_of_it():
    mapping = memory.LRU(2)
    mapping.update(a=1, b=2)
    assert list(mapping.items()) == [("a", 1), ("b", 2)]
    assert list(mapping.values()) == [1, 2]
    assert 2 in mapping.values()
    mapping["c"] = 3
    assert set(mapping) == {"b", "c"}
    assert mapping.statistics().hits == 0


@pytest.mark.parametrize("kind", [memory.LRU, memory.LFU, memory.FIFO, memory.Random, HourLong])
def test_what_is_gone_before_its_turn_is_not_met(kind):
    mapping = kind(9)
    mapping.update({1: 1, 2: 2, 3: 3})
    met = []
    for key in mapping:
        met.append(key)
        mapping.clear()
        mapping[9] = 9
    assert met == [1]


def test_what_gives_way_and_what_expires_can_be_seen_going():
    gone, expired, clock = [], [], FakeClock()

    class Told(memory.TTL):
        def popitem(self):
            gone.append(super().popitem())
            return gone[-1]

        def expire(self, time=None):
            found = super().expire(time)
            expired.extend(found)
            return found

    mapping = Told(2, 10, timer=clock.monotonic)
    mapping.update(a=1, b=2, c=3)
    clock.advance(10)
    mapping["d"] = 4
    assert gone == [("a", 1)]
    assert expired == [("b", 2), ("c", 3)]
    assert mapping.statistics()[2:4] == (1, 2)


def test_each_item_may_live_another_time():
    clock = FakeClock()
    mapping = memory.PerItemTTL(10, ttl=60, timer=clock.monotonic)
    mapping.set("short", 1, ttl="10s")
    mapping.set("long", 2, ttl="1h")
    mapping["usual"] = 3
    clock.advance(10)
    assert set(mapping) == {"long", "usual"}
    assert "short" not in mapping
    clock.advance(50)
    assert dict(mapping) == {"long": 2}
    mapping.set("long", 2, ttl=0)
    assert len(mapping) == 0


@SINCE_8
def test_copies_of_a_mapping_keep_the_time_of_each_item_apart():
    import copy

    clock = FakeClock()
    mapping = memory.PerItemTTL(10, ttl=60, timer=clock.monotonic)
    mapping.set("a", 1, ttl=5)
    other = copy.copy(mapping)
    other.set("b", 2, ttl=5)
    mapping["c"] = 3
    clock.advance(5)
    assert (dict(mapping), dict(other)) == ({"c": 3}, {})


@pytest.mark.parametrize("name", MAKERS)
def test_no_thread_meets_a_key_that_another_has_just_taken_or_time_has(name):
    mapping, errors, start = MAKERS[name](8), [], threading.Barrier(6)

    def work(seed: int) -> None:
        start.wait()
        try:
            for turn in range(400):
                key = (seed * 7 + turn) % 16
                mapping[key] = turn
                mapping.get(key)
                mapping.pop((key + 3) % 16, None)
                mapping.setdefault((key + 5) % 16, turn)
                assert all(isinstance(value, int) for _, value in mapping.items())
                list(mapping.values()), list(mapping), len(mapping), repr(mapping)
                assert mapping.currsize <= 8
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_a_thread_is_at_work_can_use_the_mapping():
    forking = """
        import os, threading, warnings
        from stagecache import memory
        warnings.simplefilter("ignore")
        is_putting, may_end = threading.Event(), threading.Event()
        def size(value):
            if value == 7:
                is_putting.set()
                may_end.wait()
            return 1
        mapping = memory.LRU(10, getsizeof=size)
        writer = threading.Thread(target=mapping.__setitem__, args=("a", 7))
        writer.start()
        is_putting.wait()
        os.register_at_fork(before=may_end.set)  # comes before the fork waits for the writer
        child = os.fork()
        if child == 0:
            mapping["b"] = 1
            os._exit(0 if dict(mapping) == {"a": 7, "b": 1} else 1)
        assert os.waitpid(child, 0)[1] == 0
        writer.join()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(forking)], timeout=60)
    assert done.returncode == 0
