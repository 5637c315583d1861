"""What a cache with the face of diskcache promises beyond it: its faults are not ours."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import sys
import threading
import zlib
from collections import deque as plain_deque
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from unittest import mock

import apsw
import diskcache
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.errors import (
    CollectionFullError,
    DecodeError,
    EncodeError,
    FingerprintError,
    StagecacheWarning,
    StoreError,
)
from stagecache.integrations import diskcache as dc


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "cache")


@pytest.fixture
def cache(folder):
    with dc.Cache(folder) as cache:
        yield cache


def in_threads(count, work):
    barrier = threading.Barrier(count)
    found = []

    def run():
        barrier.wait()
        found.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def in_a_process(code, *arguments):
    """Run a program in a process of its own, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# --- stampedes


@pytest.mark.parametrize("decorate", ["memoize", "memoize_stampede"])
def test_of_five_threads_on_a_cold_cache_one_computes(cache, decorate):
    calls = []
    entered = threading.Event()

    def slow(x):
        calls.append(x)
        entered.wait(0.1)
        return [x]

    memoized = (
        cache.memoize()(slow) if decorate == "memoize" else dc.memoize_stampede(cache, 60)(slow)
    )
    found = in_threads(5, lambda: memoized(3))
    assert calls == [3]
    assert found == [[3]] * 5
    assert len({id(each) for each in found}) == 5  # nobody else's list


def test_of_two_processes_on_a_cold_cache_one_computes(folder):
    code = """
import sys
from stagecache.integrations import diskcache as dc
cache = dc.Cache(sys.argv[1])
@cache.memoize(name="slow")
def slow():
    with open(sys.argv[2], "a") as log:
        log.write("x")
    import time; time.sleep(0.2)
    return 7
print(slow())
"""
    log = folder + ".log"
    command = [sys.executable, "-c", code, folder, log]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == [b"7", b"7"]
    with open(log) as stream:
        assert stream.read() == "x"


def test_an_exception_is_not_kept(cache):
    answers = iter([ValueError("no"), 5])

    @cache.memoize(name="f")
    def f():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="no"):
        f()
    assert (f(), f()) == (5, 5)


def test_what_expires_soon_is_made_anew_in_a_thread_and_nobody_waits(cache):
    made = threading.Event()
    answers = iter([1, 2])

    @dc.memoize_stampede(cache, expire=100, name="f", beta=1e12)
    def f():
        answer = next(answers)
        if answer == 2:
            made.set()
        return answer

    assert f() == 1
    with mock.patch("random.random", return_value=1 - 1e-9):
        assert f() == 1
    assert made.wait(10)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon and "work" in thread.name:
            thread.join()
    assert cache[f.__cache_key__()][0] == 2


def test_what_cannot_be_kept_as_a_result_is_refused_when_it_is_decorated(cache):
    async def coroutine():
        return 1

    def generator():
        yield 1

    for fn in (coroutine, generator):
        for decorate in (cache.memoize(), dc.memoize_stampede(cache, 60)):
            with pytest.raises(TypeError, match="cannot be kept"):
                decorate(fn)


def test_a_call_whose_arguments_have_no_key_is_computed_with_a_warning(cache):
    for decorate in (cache.memoize(), dc.memoize_stampede(cache, 60)):

        @decorate
        def f(x):
            return 5

        with pytest.warns(StagecacheWarning, match="not kept"):
            assert f(threading.Lock()) == 5
        assert f(float("nan")) == 5
    assert len(cache) == 2


def test_wrong_options_of_memoize_are_errors_when_it_is_called(cache):
    for options in ({"expire": "1"}, {"tag": ["a"]}):
        with pytest.raises(TypeError):
            cache.memoize(**options)
        with pytest.raises(TypeError):
            dc.memoize_stampede(cache, **{"expire": 1, **options})


# --- keys


def test_arguments_by_place_and_by_name_never_collide(cache):
    @cache.memoize()
    def f(*args, **kwargs):
        return args, kwargs

    assert f(a=None) == ((), {"a": None})
    assert f(None, "a") == ((None, "a"), {})


def test_closures_of_one_name_get_their_own_results(cache):
    def adder(n):
        @cache.memoize()
        def add(x):
            return x + n

        return add

    assert [adder(n)(1) for n in (1, 10, 1)] == [2, 11, 2]
    assert len(cache) == 2


def test_an_edited_function_does_not_get_its_old_results(cache):
    sources = ["def f(x): return x", "def f(x): return -x"]
    found = []
    for source in sources:
        scope = {"__name__": "edited"}
        exec(source, scope)
        found.append(cache.memoize()(scope["f"])(1))
    assert found == [1, -1]


def test_equal_numbers_are_one_argument_unless_types_count(cache):
    @cache.memoize(name="f")
    def f(x):
        return type(x).__name__

    @cache.memoize(name="g", typed=True)
    def g(x):
        return type(x).__name__

    assert (f(3), f(3.0)) == ("int", "int")
    assert (g(3), g(3.0)) == ("int", "float")


def test_an_ignored_name_is_ignored_however_it_is_given(cache):
    calls = []

    @cache.memoize(ignore={"log"})
    def f(x, log=None):
        calls.append(log)

    f(1, "a")
    f(1, log="b")
    f(1)
    assert calls == ["a"]


def test_equal_keys_meet_however_they_were_made(cache):
    name = "".join(["ab", "c"])
    cache[("abc", "abc")] = 1  # one object twice: another pickle than of two objects
    assert cache[(name, "abc")] == 1
    cache[{"x": [1]}] = 2
    assert cache[{"x": [1]}] == 2
    assert cache[frozenset("ab")] == 3 if cache.set(frozenset("ba"), 3) else False


KEYS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-1e15, 1e15),
    st.text(),
    st.binary(),
)


@given(st.lists(KEYS, min_size=2))
@settings(max_examples=200, deadline=None)
def test_encoded_keys_are_in_the_order_of_sqlite(keys):
    from stagecache.integrations.diskcache.keys import decode, encode, tells

    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (key BLOB)")
    connection.executemany("INSERT INTO t VALUES (?)", [(key,) for key in keys])
    ordered = [row[0] for row in connection.execute("SELECT key FROM t ORDER BY key")]
    ours = [encode(key) for key in ordered]
    assert all(one <= other for one, other in pairwise(ours))
    assert all(decode(encode(key)) == key for key in keys if tells(key))
    assert all((a == b) == (encode(a) == encode(b)) for a, b in pairwise(keys))


# --- a FanoutCache


def test_another_number_of_shards_loses_nothing(folder):
    with dc.FanoutCache(folder, shards=16) as cache:
        for number in range(1000):
            cache[number] = number
    with dc.FanoutCache(folder) as cache:
        assert sum(number in cache for number in range(1000)) == 1000
        assert cache.shards == 16
        assert cache.size_limit == 2**30 / 16


def test_a_transaction_of_a_fanout_cache_waits_as_long_as_it_takes(folder):
    cache = dc.FanoutCache(folder, timeout=0.05)
    writer = Writer(folder)

    def write():
        with cache.transact():
            cache["a"] = 1

    waiting = threading.Thread(target=write)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    writer.end()
    waiting.join()
    assert cache["a"] == 1
    cache.close()


def test_what_lies_below_a_fanout_cache_is_its_own(folder):
    with dc.FanoutCache(folder) as cache:
        cache.cache("a/b")["x"] = 1
        cache.deque("jobs").extend("abc")
        cache.index("i")["x"] = 2
        assert cache.cache("a/b") is cache.cache("a/b")
    with dc.FanoutCache(folder) as cache:
        assert len(cache) == 0
        assert cache.cache("a/b")["x"] == 1
        assert list(cache.deque("jobs", maxlen=2)) == list("abc")
        assert dict(cache.index("i")) == {"x": 2}


# --- waiting


class Writer:
    """Another process that is writing."""

    def __init__(self, folder):
        code = """
import sys
from stagecache.integrations import diskcache as dc
with dc.Cache(sys.argv[1]).transact():
    print("writing", flush=True)
    sys.stdin.read()
"""
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._process.stdout.readline()

    def end(self):
        self._process.communicate()


@pytest.mark.parametrize("kind", [dc.Cache, dc.FanoutCache])
def test_a_write_that_waited_long_enough_says_so_and_one_with_retry_waits_on(folder, kind):
    cache = kind(folder, timeout=0.05)
    cache["a"] = 1
    writer = Writer(folder)
    try:
        for write in (
            lambda: cache.set("a", 2), lambda: cache.add("b", 2), lambda: cache.incr("a"),
            lambda: cache.delete("a"), lambda: cache.pop("a"), lambda: cache.touch("a"),
            lambda: cache.push(1), cache.clear,
        ):  # fmt: skip
            with pytest.raises(dc.Timeout):
                write()
        assert cache["a"] == 1
        waiting = threading.Thread(target=lambda: cache.set("a", 3, retry=True))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    finally:
        writer.end()
    waiting.join()
    assert cache["a"] == 3
    cache.close()


def test_a_thread_that_waited_long_enough_for_another_says_so(folder):
    cache = dc.Cache(folder, timeout=0.05)
    with cache.transact():
        cache["a"] = 1
        found = []

        def write():
            try:
                cache.set("a", 2)
            except dc.Timeout as error:
                found.append(error)

        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(found) == 2
    cache["a"] = 3
    assert cache["a"] == 3
    cache.close()


def test_what_is_no_waiting_is_an_error_at_once_though_one_would_wait(folder):
    with dc.Cache(folder) as cache:
        cache["a"] = 1
    path = os.path.join(folder, "v1", "collections", "items.db")
    connection = apsw.Connection(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises((StoreError, OSError), match="newer"):
        dc.Cache(folder).set("a", 2, retry=True)


def test_a_failed_block_inside_of_a_block_is_undone_alone(cache):
    with cache.transact():
        cache["a"] = 1
        with suppress(RuntimeError), cache.transact():
            cache["b"] = 2
            raise RuntimeError
    assert list(cache) == ["a"]


# --- what gives way


def test_an_item_above_the_limit_is_an_error_and_harms_no_other(folder):
    with dc.Cache(folder, size_limit=100_000) as cache:
        cache["small"] = b"x"
        with pytest.raises(CollectionFullError):
            cache["large"] = b"x" * 100_000
        assert list(cache) == ["small"]


def test_the_item_just_set_never_gives_way(folder):
    with dc.Cache(folder, size_limit=100_000) as cache:
        for number in range(6):
            cache[number] = b"x" * 30_000
            assert cache[number] == b"x" * 30_000


def test_nothing_gives_way_without_a_policy(folder):
    with dc.Cache(folder, size_limit=100_000, eviction_policy="none") as cache:
        for number in range(6):
            cache[number] = b"x" * 30_000
        assert len(cache) == 6


@pytest.mark.parametrize(
    ("policy", "stays"),
    [
        ("least-recently-stored", {2, 3}),
        ("least-recently-used", {0, 3}),
        ("least-frequently-used", {0, 3}),
    ],
)
def test_items_give_way_by_policy_also_after_it_was_changed(folder, policy, stays):
    with dc.Cache(folder, cull_limit=2) as cache:
        cache.reset("eviction_policy", policy)
        for number in range(3):
            with mock.patch("time.time", return_value=1e9 + number):
                cache[number] = b"x" * 10_000
        with mock.patch("time.time", return_value=1e9 + 10):
            assert cache[0]
        cache.reset("size_limit", 60_000)
        with mock.patch("time.time", return_value=1e9 + 11):
            cache[3] = b"x" * 10_000
        assert set(cache) == stays


def test_a_number_that_is_counted_up_keeps_its_uses(folder):
    with dc.Cache(folder, eviction_policy="least-frequently-used", cull_limit=1) as cache:
        cache["n"] = 1
        for _ in range(5):
            cache.incr("n")
        cache["a"] = 1
        cache["a"], cache["a"]
        cache.reset("size_limit", 33_000)
        cache["b"] = 1
        assert set(cache) == {"n", "b"}


def test_settings_are_kept_and_a_wrong_one_is_an_error(folder):
    with dc.Cache(folder, size_limit=12345678, eviction_policy="none") as cache:
        cache.reset("cull_limit", 3)
        with pytest.raises(TypeError):
            cache.reset("size_limit", "large")
        with pytest.raises(ValueError, match="one of"):
            cache.reset("eviction_policy", "some")
        other = dc.Cache(folder)
        assert (other.size_limit, other.eviction_policy, other.cull_limit) == (12345678, "none", 3)
        cache.reset("cull_limit", 4)
        assert other.cull_limit == 3
        assert other.reset("cull_limit") == 4
        other.close()
    with pytest.raises(TypeError, match="size_limt"):
        dc.Cache(folder, size_limt=5)


def test_hits_are_counted_over_handles_and_not_twice_in_a_fork(folder):
    with dc.Cache(folder, statistics=1) as cache:
        cache["a"] = 1
        cache["a"], cache.get("b")
        child = os.fork()
        if not child:
            try:
                cache.get("a")
                cache.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    with dc.Cache(folder) as cache:
        assert cache.stats() == (2, 1)


def test_who_only_reads_is_not_harmed_by_what_cannot_be_written(folder, monkeypatch):
    policy = "least-recently-used"
    with dc.Cache(folder, statistics=1, eviction_policy=policy) as cache:
        cache["a"] = 1
    monkeypatch.setenv("STAGECACHE_READ_ONLY", "1")
    with dc.Cache(folder) as cache:
        assert {cache["a"] for _ in range(1100)} == {1}
        with pytest.raises(StoreError, match="read_only"):
            cache["a"] = 2
    monkeypatch.delenv("STAGECACHE_READ_ONLY")
    with dc.Cache(folder, timeout=0.01) as cache:
        writer = Writer(folder)
        assert {cache["a"] for _ in range(1100)} == {1}
        cache.close()
        writer.end()


# --- encoding


def test_what_is_large_or_was_read_can_be_read_without_a_copy(cache):
    cache["large"] = b"x" * 50_000
    cache.set("read", io.BytesIO(b"abc"), read=True)
    with cache.read("large") as reader, cache.read("read") as other:
        assert reader.read(3) + reader.read() == b"x" * 50_000
        assert other.read() == b"abc"
    assert cache["read"] == b"abc"


class Reversing(dc.Disk):
    """Text backwards, as a stand-in for a cipher."""

    def store(self, value, read, key=dc.UNKNOWN):
        if isinstance(value, str):
            value = value[::-1]
        return super().store(value, read, key=key)

    def fetch(self, mode, filename, value, read):
        found = super().fetch(mode, filename, value, read)
        return found[::-1] if isinstance(found, str) else found

    def put(self, key):
        return super().put(key[::-1] if isinstance(key, str) else key)

    def get(self, key, raw):
        found = super().get(key, raw)
        return found[::-1] if isinstance(found, str) else found


class WritesFiles(dc.Disk):
    def store(self, value, read, key=dc.UNKNOWN):
        return 0, 2, self.filename()[0], None


def test_a_disk_of_ones_own_has_its_say_in_keys_and_values(folder):
    with dc.Cache(folder, disk=Reversing) as cache:
        cache["key"] = "secret"
        cache["long"] = "ab" * 50_000
        cache[("t", 1)] = {"a": (1, 2)}
        assert list(cache) == ["key", "long", ("t", 1)]
        assert (cache["key"], cache["long"]) == ("secret", "ab" * 50_000)
        assert cache[("t", 1)] == {"a": (1, 2)}

        @cache.memoize(name="f")
        def f():
            return "plain text"

        assert (f(), f()) == ("plain text", "plain text")
    written = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    assert b"terces" in written
    assert b"secret" not in written
    assert b"plain text" not in written


def test_a_disk_that_writes_files_is_refused(folder):
    with dc.Cache(folder, disk=WritesFiles) as cache, pytest.raises(EncodeError, match="wrote"):
        cache["a"] = 1


def test_what_cannot_be_encoded_is_an_error_and_nothing_is_written(cache):
    cache["a"] = 1
    for key, value in ((float("nan"), 1), ("a", threading.Lock()), (threading.Lock(), 1)):
        with pytest.raises((TypeError, EncodeError, FingerprintError)):
            cache[key] = value
    assert {key: cache[key] for key in cache} == {"a": 1}
    with pytest.raises(TypeError):
        cache.set("a", 2, tag=["x"])
    with pytest.raises(TypeError):
        cache.set("a", 2, expire="1")
    with pytest.raises(ValueError, match="side"):
        cache.push(1, side="top")
    assert cache["a"] == 1


def test_a_result_that_cannot_be_kept_is_returned_with_a_warning(cache):
    @cache.memoize()
    def f():
        return threading.Lock()

    with pytest.warns(StagecacheWarning, match="not kept"):
        assert f() is not None


# --- trust


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_somebody_else_may_have_planted_is_not_run(folder, tmp_path):
    bait = str(tmp_path / "ran")
    with dc.Cache(folder) as cache:
        cache._items.set(cache._coding.key("a"), "p", pickle.dumps(Payload(bait), protocol=4))
        cache._items.set(b"6" + pickle.dumps(Payload(bait)), "i", b"\1")
        cache["safe"] = 1
    copy = str(tmp_path / "copy")
    shutil.copytree(folder, copy)
    for kind in (dc.Disk, Reversing):
        with pytest.warns(StagecacheWarning, match="not private"):
            cache = dc.Cache(copy, disk=kind)
        assert cache["safe" if kind is dc.Disk else "efas"] == 1 or kind is Reversing
        with pytest.raises(DecodeError):
            cache[cache._disk.get("a", True)]
        with pytest.raises((DecodeError, ValueError)):
            list(cache)
        cache.close()
    assert not os.path.exists(bait)


def test_a_directory_that_others_may_write_to_is_refused(folder):
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    with pytest.raises(OSError, match="others may write"):
        dc.Cache(folder)


def test_an_old_cache_is_not_read_and_one_is_told_how_to_bring_it_over(folder):
    with diskcache.Cache(folder) as old:
        old["a"] = 1
    with pytest.warns(StagecacheWarning, match="import-diskcache"):
        cache = dc.Cache(folder)
    assert len(cache) == 0
    cache.close()


# --- objects


def test_caches_are_pickled_as_places(tmp_path):
    made = [
        dc.Cache(tmp_path / "a", timeout=5, disk=dc.JSONDisk),
        dc.FanoutCache(tmp_path / "b", shards=3),
        dc.Deque("abc", tmp_path / "c", maxlen=3),
        dc.Index(str(tmp_path / "d"), {"a": 1}),
    ]
    for each in made:
        copy = pickle.loads(pickle.dumps(each))
        assert (type(copy), copy.directory) == (type(each), each.directory)
        (copy if hasattr(copy, "close") else copy.cache).close()
        (each if hasattr(each, "close") else each.cache).close()
    assert copy == {"a": 1}


def test_a_copy_of_a_deque_is_its_own(tmp_path):
    deque = dc.Deque("abc", tmp_path / "deque")
    copy = deque.copy()
    copy.append("d")
    deque.popleft()
    assert (list(deque), list(copy)) == (list("bc"), list("abcd"))
    copy.cache.close()
    shutil.rmtree(copy.directory)
    deque.cache.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["append", "appendleft"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["extend", "extendleft"]), st.lists(st.integers(0, 3))),
        st.tuples(st.sampled_from(["remove", "count"]), st.integers(0, 3)),
        st.tuples(st.just("rotate"), st.integers(-7, 7)),
        st.tuples(st.sampled_from(["__getitem__", "__delitem__"]), st.integers(-4, 4)),
        st.tuples(st.just("__setitem__"), st.integers(-4, 4), st.integers(0, 3)),
        st.tuples(st.sampled_from(["pop", "popleft", "reverse", "clear"])),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def unbounded(tmp_path_factory):
    with dc.Cache(tmp_path_factory.mktemp("deques") / "d", eviction_policy="none") as cache:
        yield cache


@given(STEPS, st.sampled_from([None, 0, 1, 3]))
@settings(max_examples=60, deadline=None)
def test_a_deque_is_what_that_of_the_standard_library_is(unbounded, steps, maxlen):
    unbounded.clear()
    ours, plain = dc.Deque.fromcache(unbounded, maxlen=maxlen), plain_deque(maxlen=maxlen)
    for name, *arguments in steps:
        answers = []
        for deque in (ours, plain):
            try:
                answers.append(getattr(deque, name)(*arguments))
            except (IndexError, ValueError) as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        assert list(ours) == list(plain)
        assert list(reversed(ours)) == list(reversed(plain))
    assert ours == list(plain)


def test_what_many_push_and_pull_is_pulled_once_and_in_order(folder):
    code = """
import sys
from stagecache.integrations import diskcache as dc
cache = dc.Cache(sys.argv[1])
for number in range(150):
    cache.push((sys.argv[2], number), retry=True)
    cache.push("x" * 40_000 if number % 50 == 0 else number, prefix=sys.argv[2], retry=True)
"""
    producers = [subprocess.Popen([sys.executable, "-c", code, folder, name]) for name in "ab"]
    cache = dc.Cache(folder)
    found = []

    def consume():
        mine = {"a": -1, "b": -1}
        while len(found) < 300:
            key, value = cache.pull(retry=True)
            if key is not None:
                who, number = value
                assert number > mine[who]
                mine[who] = number
                found.append(value)

    consumers = [threading.Thread(target=consume) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for producer in producers:
        assert producer.wait() == 0
    for consumer in consumers:
        consumer.join()
    assert sorted(found) == [(who, number) for who in "ab" for number in range(150)]
    for name in "ab":
        pulled = [cache.pull(prefix=name)[1] for _ in range(150)]
        assert [each if type(each) is int else "x" for each in pulled] == [
            "x" if number % 50 == 0 else number for number in range(150)
        ]
    assert len(cache) == 0
    assert cache.check() == []
    cache.close()


def test_a_child_process_writes_what_its_parent_reads(folder):
    with dc.Cache(folder) as cache:
        cache["a"] = 1
        child = os.fork()
        if not child:
            try:
                cache.incr("a")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert cache["a"] == 2


def test_nothing_of_it_is_imported_before_somebody_asks(folder):
    code = """
import sys
import stagecache
print([name for name in sys.modules if name.startswith("stagecache.integrations")])
"""
    assert in_a_process(code) == "[]"


def test_json_needs_no_private_directory(folder, tmp_path):
    with dc.Cache(folder, disk=dc.JSONDisk) as cache:
        cache["a"] = {"b": [1, 2]}
    copy = str(tmp_path / "copy")
    shutil.copytree(folder, copy)
    with pytest.warns(StagecacheWarning, match="not private"):
        cache = dc.Cache(copy, disk=dc.JSONDisk)
    cache["c"] = {"d": 1}
    assert [cache[key] for key in cache] == [{"b": [1, 2]}, {"d": 1}]
    assert zlib.decompress(cache._disk.put("c")[0]) == b'"c"'
    cache.close()
