"""A missing value is made once, whoever asks for it; what has expired may be served meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from stagecache import Cache
from stagecache.collections import Index
from stagecache.errors import LeaseError, SettingsError, StagecacheWarning
from stagecache.testing.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def index(cache, clock):
    index = cache.index("a")
    return Index(index._items, index._means._replace(clock=clock, draw=lambda: 0.5))


class Counting:
    """A creator that counts how often it is called."""

    def __init__(self, value=None):
        self.calls = 0
        self._value = value

    def __call__(self):
        self.calls += 1
        return self._value if self._value is not None else self.calls


def test_a_missing_value_is_made_once_and_kept(index):
    make = Counting()
    assert [index.get_or_create("k", make, tag="t") for _ in range(3)] == [1, 1, 1]
    assert index["k"] == 1
    assert index.evict("t") == 1
    assert index.get_or_create("k", make) == 2


def test_none_is_a_value(index):
    calls = []
    for _ in range(2):
        assert index.get_or_create("k", lambda: calls.append(1)) is None
    assert calls == [1]


def test_threads_that_ask_together_get_one_value_each_its_own(index):
    entered, go, got = threading.Event(), threading.Event(), []

    def make():
        entered.set()
        assert go.wait(30)
        return [1]

    make_once = Counting()

    def work():
        got.append(index.get_or_create("k", lambda: (make_once(), make())[1]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    threads[0].start()
    assert entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert make_once.calls == 1
    assert got == [[1]] * 8
    assert len({id(value) for value in got}) == 8


CREATES = """
import sys
from stagecache import Cache
index = Cache(sys.argv[1]).index("a")
print("ready", flush=True)
sys.stdin.readline()
def make(key):
    with open(sys.argv[2], "a") as log:
        log.write(f"{key}\\n")
    return key
for key in range(50):
    assert index.get_or_create(key, lambda: make(key)) == key
"""


def test_processes_that_ask_together_make_each_value_once(cache, tmp_path):
    log = tmp_path / "log"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATES, cache.directory, str(log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=100)
        assert process.returncode == 0
    assert sorted(map(int, log.read_text().split())) == list(range(50))


def test_an_exception_is_raised_and_not_kept(index):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        index.get_or_create("k", fail)
    assert index.get_or_create("k", Counting(7)) == 7


def test_only_what_should_be_kept_is(index):
    make = Counting()
    for number in (1, 2, 3, 3):
        assert index.get_or_create("k", make, should_cache=lambda value: value > 2) == number


def test_what_has_expired_is_made_anew(index, clock):
    make = Counting()
    assert index.get_or_create("k", make, ttl=10) == 1
    clock.advance(9)
    assert index.get_or_create("k", make, ttl=10) == 1
    clock.advance(1)
    assert index.get_or_create("k", make, ttl=10) == 2


def test_what_has_expired_is_served_while_one_makes_it_anew(index, clock):
    make = Counting()
    how = {"ttl": 10, "serve_stale": 5}
    assert index.get_or_create("k", make, **how) == 1
    clock.advance(12)
    beside = []

    def make_slowly():
        other = threading.Thread(
            target=lambda: beside.append(index.get_or_create("k", make, **how))
        )
        other.start()
        other.join()
        return "new"

    assert index.get_or_create("k", make_slowly, **how) == "new"
    assert beside == [1]
    assert index.get_or_create("k", make, **how) == "new"
    clock.advance(16)
    assert index.get_or_create("k", make, **how) == 2


def test_what_has_expired_is_served_if_it_cannot_be_made_anew(index, clock):
    def fail():
        raise ZeroDivisionError("no")

    how = {"ttl": 10, "serve_stale": 5}
    index.get_or_create("k", Counting(), **how)
    clock.advance(12)
    with pytest.warns(StagecacheWarning, match="ZeroDivisionError: no"):
        assert index.get_or_create("k", fail, **how) == 1
    clock.advance(5)
    with pytest.raises(ZeroDivisionError):
        index.get_or_create("k", fail, **how)


def test_what_takes_long_is_made_anew_before_it_expires(index, clock):
    make = Counting()
    index.get_or_create("k", make, ttl=10)
    index._items.set(b"sk", "i", b"\1", expires=clock.now() + 10, note=2.0)  # it took two seconds
    assert index.get_or_create("k", make, ttl=10, early_refresh=True) == 1
    clock.advance(8.7)  # two seconds times ln 2 before the end
    assert index.get_or_create("k", make, ttl=10) == 1
    assert index.get_or_create("k", make, ttl=10, early_refresh=True) == 2


def test_a_value_that_waits_for_itself_is_an_error(index):
    with pytest.raises(LeaseError):
        index.get_or_create("k", lambda: index.get_or_create("k", Counting()))
    assert index.get_or_create("k", lambda: index.get_or_create("l", Counting(5))) == 5


def test_inside_a_transaction_it_is_made_at_once_and_undone_with_it(index):
    with pytest.raises(ZeroDivisionError), index.transact():  # noqa: PT012
        assert index.get_or_create("k", Counting()) == 1
        raise ZeroDivisionError
    assert "k" not in index


def test_what_cannot_be_kept_is_returned_with_a_warning(cache, index):
    with pytest.warns(StagecacheWarning, match="not kept"):
        lock = index.get_or_create("k", threading.Lock)
    assert not lock.locked()
    full = cache.index("full", max_items=1)
    full["a"] = 1
    with pytest.warns(StagecacheWarning, match="is full"):
        assert full.get_or_create("k", Counting(8)) == 8


@pytest.mark.parametrize(
    "how",
    [
        {"ttl": "x"}, {"tag": 1}, {"should_cache": 1}, {"serve_stale": 5}, {"early_refresh": True},
        {"early_refresh": "x", "ttl": 1}, {"early_refresh": -1, "ttl": 1},
        {"serve_stale": -1, "ttl": 1},
    ],
)  # fmt: skip
def test_wrong_types_are_errors_before_anything_is_made(index, how):
    make = Counting()
    with pytest.raises((TypeError, SettingsError)):
        index.get_or_create("k", make, **how)
    assert make.calls == 0


# --- coroutines


def test_coroutines_that_ask_together_get_one_value(index):
    calls = []

    async def make():
        calls.append(1)
        await asyncio.sleep(0)
        return [1]

    async def main():
        found = await asyncio.gather(*(index.aget_or_create("k", make) for _ in range(20)))
        assert len({id(value) for value in found}) == 20
        assert found == [[1]] * 20
        assert await index.aget_or_create("k", make) == [1]
        assert await index.aget_or_create("l", Counting(5)) == 5

    asyncio.run(main())
    assert calls == [1]


def test_cancelling_one_caller_does_not_take_the_value_from_the_others(index):
    async def main():
        entered, go = asyncio.Event(), asyncio.Event()

        async def make():
            entered.set()
            await go.wait()
            return 1

        first = asyncio.create_task(index.aget_or_create("k", make))
        await entered.wait()
        second = asyncio.create_task(index.aget_or_create("k", make))
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        assert await second == 1
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(main())
    assert index["k"] == 1


def test_a_coroutine_serves_what_has_expired_while_one_makes_it_anew(index, clock):
    how = {"ttl": 10, "serve_stale": 5}

    async def fail():
        raise ZeroDivisionError("no")

    async def main():
        assert await index.aget_or_create("k", Counting(), **how) == 1
        clock.advance(12)
        with pytest.warns(StagecacheWarning, match="no"):
            assert await index.aget_or_create("k", fail, **how) == 1
        beside = []

        async def make():
            beside.append(await index.aget_or_create("k", fail, **how))
            return 2

        assert await asyncio.wait_for(index.aget_or_create("k", make, **how), 30) == 2
        assert beside == [1]

    # A creator that asks for its own value asks for what waits for itself.
    with pytest.warns(StagecacheWarning, match="waits for its own"):
        asyncio.run(main())


def test_operations_are_awaited(index):
    async def main():
        await index.aset("k", 1, ttl="1d")
        assert await index.aget("k") == 1
        assert not await index.aadd("k", 2)
        assert await index.aincr("k", 5) == 6
        assert await index.apop("k") == 6
        assert await index.apop("k", None) is None
        assert not await index.adelete("k")
        assert await index.atransact(lambda: (index.set("a", 1), index.set("b", 2))) == (None, None)
        await index.aset_many({"c": 3, "d": 4}, tag="more")
        assert await index.aget_many(["b", "c", "x"]) == {"b": 2, "c": 3}
        assert await index.apopitem() == ("d", 4)
        assert await index.atouch("c", "1d")
        assert index.evict("more") == 1

    asyncio.run(main())
    assert dict(index) == {"a": 1, "b": 2}


def test_a_read_only_index_makes_and_keeps_nothing(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.index("a")["k"] = 1
    with Cache(tmp_path / "c", read_only=True) as cache:
        index = cache.index("a")
        assert index.get_or_create("k", Counting(5)) == 1
        with pytest.warns(StagecacheWarning, match="read_only"):
            assert index.get_or_create("l", Counting(5)) == 5
