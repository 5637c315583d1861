"""An Index is a dict that lasts: in order, shared, with expiry, tags, counters and bounds."""

from __future__ import annotations

import copy
import enum
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from uuid import UUID

import numpy as np
import pytest

from stagecache import Cache
from stagecache.collections import Index
from stagecache.errors import (
    CollectionFullError,
    DecodeError,
    EncodeError,
    SettingsError,
    StoreError,
)
from stagecache.testing.clock import FakeClock


@pytest.fixture
def index(cache):
    return cache.index("a")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def timed(cache, clock):
    """An index on a clock that is set by hand."""
    index = cache.index("timed")
    return Index(index._items, index._means._replace(clock=clock))


def again(index):
    """The same index as another handle has it, which remembers nothing."""
    return Index(index._items, index._means, memory=0)


# --- a dict


def test_it_behaves_as_a_dict_in_the_order_of_insertion(index):
    index["b"] = 1
    index["a"] = [2]
    index["c"] = None
    index["b"] = 3
    assert list(index) == list(index.keys()) == ["b", "a", "c"]
    assert list(reversed(index)) == list(reversed(index.keys())) == ["c", "a", "b"]
    assert list(index.items()) == [("b", 3), ("a", [2]), ("c", None)]
    assert list(reversed(index.values())) == [None, [2], 3]
    assert index == {"a": [2], "b": 3, "c": None}
    assert index != OrderedDict(a=[2], b=3, c=None)
    assert index == OrderedDict(b=3, a=[2], c=None)
    assert (len(index), "a" in index, "x" in index, bool(index)) == (3, True, False, True)
    assert ("a", [2]) in index.items()
    assert [2] in index.values()
    assert index.get("x") is None
    assert index.get("x", 7) == 7
    del index["a"]
    with pytest.raises(KeyError):
        del index["a"]
    with pytest.raises(KeyError, match="'a'"):
        index["a"]
    assert repr(index) == "Index('a', {'b': 3, 'c': None})"
    assert index.pop("b") == 3
    assert index.pop("b", None) is None
    with pytest.raises(KeyError):
        index.pop("b")
    assert index.setdefault("c", 1) is None
    assert index.setdefault("d", 1) == 1
    index.update({"e": 2}, f=3)
    assert index.popitem() == ("f", 3)
    assert index.popitem(last=False) == ("c", None)
    assert index.peekitem() == ("e", 2)
    assert index.peekitem(last=False) == ("d", 1)
    index.clear()
    assert not index
    for empty in (index.popitem, index.peekitem):
        with pytest.raises(KeyError):
            empty()
    with pytest.raises(TypeError, match="unhashable"):
        hash(index)


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


EQUAL = [
    (1, 1.0, True, Decimal(1), Fraction(1), Level.LOW, np.int64(1), np.float32(1)),
    (0, 0.0, -0.0, False),
    (0.5, Decimal("0.5"), Fraction(1, 2)),
    (10**400, Decimal(10) ** 400),
    (float("inf"), Decimal("inf")),
    (Fraction(1, 3),),
    (Decimal("0.1"), Fraction(1, 10)),
    (0.1,),
    ("1", np.str_("1")),
    (b"1",),
    (None,),
    ("",),
    ((),),
    (("a", 1), ("a", True)),
    (("a", (1,)),),
    (("a", 1, ()),),
    (frozenset({1, "a"}), frozenset({"a", 1.0})),
    (date(2024, 1, 1),),
    (datetime(2024, 1, 1), datetime(2024, 1, 1, fold=1)),
    (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ),
    (timedelta(seconds=1),),
    (Path("a/b"), PurePosixPath("a/b")),
    (UUID(int=5),),
    (Colour.RED,),
    ("\ud800",),
]


def test_equal_keys_are_one_key_and_others_are_others(index):
    for number, keys in enumerate(EQUAL):
        index[keys[0]] = number
    assert len(index) == len(EQUAL)
    for number, keys in enumerate(EQUAL):
        for key in keys:
            assert again(index)[key] == number
            assert index[key] == number
            assert key in index
    for (got, number), keys in zip(index.items(), EQUAL, strict=True):
        assert got == keys[0]
        assert type(got) is type(keys[0])
        assert number == EQUAL.index(keys)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ([1], "list"), ({}, "dict"), (bytearray(), "bytearray"), (object(), "object"),
        (float("nan"), "not a number"), (("a", {1}), r"key\[1\] is a set"), (print, "builtin"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_named(index, key, message):
    for use in (index.get, index.delete, index.touch, lambda key: index.set(key, 1)):
        with pytest.raises(TypeError, match=message):
            use(key)
    assert len(index) == 0


VALUES = [
    None, True, 0, -(2**70), 1.5, "text", "\ud800", b"bytes", [1, [2]], {"a": {1, 2}}, (1, "b"),
    Decimal("1.1"), Path("x"), Colour.RED, b"x" * 50_000, "y" * 50_000, ["z" * 50_000],
    np.arange(10), np.arange(20_000.0), datetime(2024, 1, 1), range(3), lambda x: x + 1,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_of_all_kinds_come_back(index, value):
    index["k"] = value
    for got in (index["k"], index["k"], again(index)["k"], next(iter(index.values()))):
        assert type(got) is type(value)
        if callable(value):
            assert got(1) == value(1)
        else:
            assert repr(got) == repr(value)


def test_what_it_gives_is_the_callers_own(index):
    value = [1]
    index["k"] = value
    value.append(2)
    for _ in range(2):
        index["k"].append(3)
        assert index["k"] == [1]


def test_what_no_codec_holds_is_an_error_and_changes_nothing(index):
    index["k"] = 1
    with pytest.raises(EncodeError, match=r"'k' of 'a'.*lock"):
        index["k"] = threading.Lock()
    for use in (
        lambda bad: index.add("l", bad), lambda bad: index.set_many({"m": 1, "l": bad}),
        lambda bad: index.setdefault("l", bad), lambda bad: index.update(m=1, l=bad),
    ):  # fmt: skip
        with pytest.raises(EncodeError, match=r"'l' of 'a'.*lock"):
            use(threading.Lock())
    assert dict(index) == {"k": 1}


def test_it_is_joined_as_a_dict_is(index):
    index |= {"a": 1, "b": 2}
    index |= [("b", 3)]
    assert isinstance(index, Index)
    assert index | {"c": 4} == {"a": 1, "b": 3, "c": 4}
    assert {"a": 0, "c": 4} | index == {"a": 1, "c": 4, "b": 3}
    assert dict(index) == {"a": 1, "b": 3}
    with pytest.raises(TypeError):
        index | 5


@pytest.mark.parametrize("name", [5, None, b"a", "", "\ud800"])
def test_a_name_that_is_none_is_an_error_at_the_call(cache, name):
    for opened in (cache.index, cache.deque, cache.queue):
        with pytest.raises(SettingsError, match="name"):
            opened(name)


def test_two_indexes_are_two_and_each_lasts(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.index("a")["k"] = 1
        cache.index("b")["k"] = 2
    with Cache(tmp_path / "c") as cache:
        assert (cache.index("a")["k"], cache.index("b")["k"]) == (1, 2)
        assert len(cache.index("c")) == 0


def test_it_cannot_be_copied_or_pickled_by_mistake(index):
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="by its name"):
            copied(index)


def test_without_a_directory_there_is_none(tmp_path):
    with pytest.raises(SettingsError, match="directory"):
        Cache(":memory:").index("a")


# --- many


def test_many_are_got_and_set_at_once_or_not_at_all(index):
    index.set_many({n: n * n for n in range(1_000)})
    assert index.get_many([*range(990, 1_010), "x"]) == {n: n * n for n in range(990, 1_000)}
    with pytest.raises(TypeError):
        index.set_many({"new": 1, object(): 2})
    assert "new" not in index


def test_only_one_of_many_adds(index):
    assert index.add("k", 1)
    assert not again(index).add("k", 2)
    assert index["k"] == 1


COUNTS = """
import sys
from stagecache import Cache
index = Cache(sys.argv[1]).index("a")
for _ in range(300):
    index.incr("n")
    index.add(("first", _), sys.argv[2])
"""


def test_counters_are_right_over_processes(index, cache):
    processes = [
        subprocess.Popen([sys.executable, "-c", COUNTS, cache.directory, name]) for name in "abc"
    ]
    assert [process.wait(timeout=100) for process in processes] == [0] * 3
    assert index["n"] == 900
    assert len(index) == 301


def test_numbers_are_added_to_and_nothing_else(index):
    assert index.incr("n") == 1
    assert index.incr("n", 1.5) == 2.5
    assert index.decr("n", 2, default=7) == 0.5
    assert index.decr("m", 2, default=7) == 5
    with pytest.raises(KeyError):
        index.incr("x", default=None)
    index["text"] = "1"
    index["flag"] = True
    for wrong in (
        lambda: index.incr("text"), lambda: index.incr("flag"), lambda: index.incr("n", "1"),
        lambda: index.incr("n", True), lambda: index.decr("n", None),
        lambda: index.incr("x", default="1"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="number"):
            wrong()
    assert index["n"] == 0.5


# --- time and tags


def test_what_has_expired_is_not_there(timed, clock):
    timed.set("k", 1, ttl=10)
    timed.set("l", 2)
    assert (timed["k"], timed["k"], len(timed)) == (1, 1, 2)
    clock.advance(10)
    assert timed.get("k") is None
    assert "k" not in timed
    assert list(timed.items()) == [("l", 2)]
    assert list(timed) == ["l"]
    assert len(timed) == 1
    assert timed.get_many(["k", "l"]) == {"l": 2}
    assert timed.pop("k", None) is None
    timed.set("k", 1, ttl=timedelta(seconds=1))
    clock.advance(1)
    assert timed.setdefault("k", 5) == 5
    timed.set("k", 1, ttl="1s")
    clock.advance(1)
    assert timed.incr("k") == 1
    timed.set("k", 1, ttl=1)
    clock.advance(1)
    with pytest.raises(KeyError):
        del timed["k"]
    timed.set("k", 1, ttl=1)
    clock.advance(1)
    assert timed.add("k", 2)
    assert timed["k"] == 2


def test_time_is_given_and_taken(timed, clock):
    timed.set("k", 1, ttl=10)
    clock.advance(9)
    assert timed.touch("k", 10)
    clock.advance(9)
    assert timed.incr("k") == 2
    assert timed.touch("k")
    clock.advance(1_000)
    assert timed["k"] == 2
    assert not timed.touch("x", 5)
    timed.touch("k", 1)
    clock.advance(1)
    assert not timed.touch("k", 5)
    assert timed.expire() == 1
    assert timed.expire() == 0
    assert timed._items.count() == 0


def test_a_tag_is_let_go_as_a_whole(index):
    for number in range(10):
        index.set(number, number, tag="even" if number % 2 == 0 else "odd")
    index.incr(1)
    assert index[2] == 2
    assert index.evict("even") == 5
    assert index.evict("even") == 0
    assert list(index) == [1, 3, 5, 7, 9]
    assert index.get(2) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda index: index.set("k", 1, ttl="soon"), lambda index: index.set("k", 1, ttl=-1),
        lambda index: index.set("k", 1, ttl=True), lambda index: index.set("k", 1, tag=1),
        lambda index: index.add("k", 1, tag=b"x"), lambda index: index.touch("k", object()),
        lambda index: index.evict(None), lambda index: index.add("k", 1, ttl=float("nan")),
    ],
)  # fmt: skip
def test_wrong_types_are_errors_at_the_call(index, wrong):
    with pytest.raises((TypeError, SettingsError)):
        wrong(index)
    assert len(index) == 0


# --- transactions


def test_a_transaction_is_undone_as_a_whole(index):
    index["a"] = 1
    assert index["a"] == 1
    with pytest.raises(ZeroDivisionError), index.transact():  # noqa: PT012
        index["a"] = 2
        del index["a"]
        index["b"] = [3] * 100_000
        assert "a" not in index
        assert again(index).get("a") is None
        raise ZeroDivisionError
    assert dict(index) == {"a": 1}
    with index.transact(), index.transact():
        index["a"] = 2
        assert index["a"] == 2
    assert index["a"] == 2


def test_two_indexes_change_together(cache):
    a, b = cache.index("a"), cache.index("b")
    a["x"] = 10
    with a.transact():
        b["x"] = a.pop("x")
        with pytest.raises(KeyError), b.transact():  # noqa: PT012
            b.clear()
            a["never"] = 1
            raise KeyError
    assert (dict(a), dict(b)) == ({}, {"x": 10})


def test_no_update_of_threads_is_lost(index):
    def work():
        for _ in range(50):
            with index.transact():
                index["n"] = index.get("n", 0) + 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index["n"] == 200


# --- bounds


def test_a_full_index_refuses_or_lets_go_as_it_was_declared(cache):
    strict = cache.index("strict", max_items=2)
    strict.update(a=1, b=2)
    strict["a"] = 3
    with pytest.raises(CollectionFullError, match="at most 2 items"):
        strict["c"] = 3
    assert not strict.add("a", 1)
    with pytest.raises(CollectionFullError):
        strict.add("c", 1)
    assert dict(strict) == {"a": 3, "b": 2}
    oldest = cache.index("oldest", max_items=2, when_full="evict-oldest")
    oldest.update(a=1, b=2)
    assert oldest["a"] == 1
    oldest["c"] = 3
    assert dict(oldest) == {"b": 2, "c": 3}
    lru = cache.index("lru", max_items=2, when_full="evict-lru")
    lru.update(a=1, b=2)
    assert lru["a"] == 1
    lru["c"] = 3
    assert dict(lru) == {"a": 1, "c": 3}


def test_writers_at_once_fill_an_index_up_to_its_bound_and_not_beyond(cache):
    bounded = cache.index("bounded", max_items=30)
    start = threading.Barrier(4)
    refused = []

    def write(name):
        start.wait()
        for number in range(20):
            try:
                bounded[f"{name} {number}"] = number
            except CollectionFullError:
                refused.append(number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(bounded), len(refused)) == (30, 50)


def test_bytes_are_bounded_too_and_what_has_expired_goes_first(cache, clock):
    bounded = cache.index("bounded", max_size="100 kB", when_full="evict-oldest")
    bounded = Index(bounded._items, bounded._means._replace(clock=clock))
    bounded.set("a", b"a" * 40_000)
    bounded.set("b", b"b" * 40_000, ttl=1)
    clock.advance(2)
    bounded.set("c", b"c" * 40_000)
    assert list(bounded) == ["a", "c"]
    with pytest.raises(CollectionFullError, match="100,000 bytes"):
        bounded["d"] = b"d" * 100_001
    assert list(bounded) == ["a", "c"]
    assert bounded.stats()[:2] == (2, 80_000)


def test_bounds_are_kept_with_it_and_others_are_refused(cache, tmp_path):
    cache.index("a", max_items=2)["k"] = 1
    other = Cache(tmp_path / "cache")
    full = other.index("a")
    full["l"] = 2
    with pytest.raises(CollectionFullError):
        full["m"] = 3
    with pytest.raises(SettingsError, match=r"max_items=2.*max_items=3"):
        other.index("a", max_items=3)
    for wrong in ({"max_items": 0}, {"max_items": True}, {"max_size": -1}, {"when_full": "x"}):
        with pytest.raises(SettingsError):
            other.index("b", **wrong)
    other.close()


def test_a_bound_holds_for_who_opened_it_before_it_was_made(cache, tmp_path):
    other = Cache(tmp_path / "cache")
    early, lru = other.index("a"), other.index("l")
    cache.index("a", max_items=1)["k"] = 1
    with pytest.raises(CollectionFullError):
        early["l"] = 2
    with pytest.raises(CollectionFullError):
        other.index("a").add("l", 2)
    cache.index("l", max_items=2, when_full="evict-lru").update(a=1, b=2)
    assert lru["a"] == 1
    lru["c"] = 3
    assert list(lru) == ["a", "c"]
    other.close()


# --- what is remembered


def test_what_others_write_is_seen_at_once(index):
    index["k"] = 1
    other = again(index)
    assert index["k"] == 1
    other["k"] = 2
    assert index["k"] == 2
    del other["k"]
    assert index.get("k") is None


def test_what_another_process_writes_is_seen_at_once(index, cache):
    index["k"] = 0
    writes = """
import sys
from stagecache import Cache
index = Cache(sys.argv[1]).index("a")
for line in sys.stdin:
    index["k"] = int(line)
    print("done", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", writes, cache.directory],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for number in range(1, 200):
            assert index["k"] == number - 1
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            process.stdout.readline()
        assert index["k"] == 199
        process.stdin.close()


def test_a_transaction_that_is_under_way_is_seen_by_its_thread_alone(index):
    index["k"] = 1
    assert index["k"] == 1
    seen = []
    with index.transact():
        index["k"] = 2
        thread = threading.Thread(target=lambda: seen.append((index["k"], index["k"])))
        thread.start()
        thread.join()
        assert index["k"] == 2
    assert seen == [(1, 1)]
    assert index["k"] == 2


def test_hits_and_misses_are_counted(index):
    index["k"] = 1
    for key in ("k", "k", "x"):
        index.get(key)
    assert index.stats()[2:] == (2, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_parent_and_child_see_each_other(index):
    index["k"] = 1
    assert index["k"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        is_seen = index["k"] == 1
        index["k"] = 2
        os._exit(0 if is_seen and index["k"] == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert index["k"] == 2


# --- trust


def test_a_shared_directory_holds_nothing_that_can_run_code(tmp_path):
    with Cache(tmp_path / "c", shared=True) as cache:
        index = cache.index("a")
        index["k"] = {"a": (1, 2)}
        index["array"] = np.arange(5)
        index[True] = 1
        index[date(2024, 1, 1)] = 2
        assert index["k"] == {"a": (1, 2)}
        assert list(index["array"]) == [0, 1, 2, 3, 4]
        assert list(index) == ["k", "array", True, date(2024, 1, 1)]
        with pytest.raises(EncodeError):
            index["l"] = Decimal(1)
        with pytest.raises(EncodeError):
            index[Colour.RED] = 1


class Planted:
    ran = False

    def __reduce__(self):
        return (exec, ("from tests.collections.test_index import Planted; Planted.ran = True",))


def test_a_planted_pickle_is_not_read_in_a_directory_of_others(tmp_path):
    with Cache(tmp_path / "c") as cache:
        index = cache.index("a")
        index["k"] = [Decimal(1)]
        index["l"] = [1]
    (tmp_path / "c" / "v1" / "token").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Cache(tmp_path / "c") as cache:
            index = cache.index("a")
            for key in ("k", "l"):
                with pytest.raises(DecodeError, match="can run code"):
                    index[key]


def test_a_read_only_index_is_read_and_refuses_writes(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.index("a", max_items=3, when_full="evict-lru")["k"] = 1
    with Cache(tmp_path / "c", read_only=True) as cache:
        index = cache.index("a")
        assert index["k"] == 1
        assert dict(index) == {"k": 1}
        for write in (
            lambda: index.set("k", 2), lambda: index.delete("k"), index.clear, index.popitem,
            lambda: index.incr("k"), lambda: index.touch("k", 1), lambda: index.add("l", 1),
        ):  # fmt: skip
            with pytest.raises(StoreError, match="read_only"):
                write()


def test_a_directory_that_was_removed_is_noticed_by_who_only_reads(index, cache):
    import shutil
    import time

    index["k"] = 1
    assert index["k"] == 1
    shutil.rmtree(cache.directory)
    index._versions._next_look = 0.0
    values = index._values
    values.clear()
    with Cache(cache.directory) as other:
        other.index("a")["k"] = 2
    index._versions._next_look = time.monotonic() - 1
    assert index["k"] == 2


def test_what_expires_under_threads_is_there_or_not_and_never_an_error(cache):
    index = cache.index("fleeting")
    failures = []

    def work(number):
        try:
            for turn in range(200):
                index.set(turn % 5, number, ttl=0.0005)
                assert index.get(turn % 5, 0) in range(5)
                index.pop(turn % 5, None)
                index.expire()
                len(index), list(index.items())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_counter_that_grows_stays_within_the_bound(cache):
    index = cache.index("small", max_size=4)
    assert index.incr("n", 2**20) == 2**20
    with pytest.raises(CollectionFullError):
        index.incr("n", 2**60)
    assert index["n"] == 2**20


def test_many_items_are_deleted_in_one_commit(index):
    index.set_many({n: n for n in range(1_000)})
    assert index.delete_many(range(1, 2_000)) == 999
    assert index.delete_many([]) == 0
    assert dict(index) == {0: 0}


def test_an_index_without_a_bound_may_be_counted(cache):
    index = cache.index("counted", counted=True)
    index.set_many({n: n for n in range(10)})
    del index[3]
    assert index._items.extent() == (9, 9)
    assert (len(index), index.stats().items, len(cache.index("counted"))) == (9, 9, 9)
