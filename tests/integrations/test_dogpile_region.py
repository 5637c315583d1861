"""Regions of ours: many keys once, coroutines, invalidation for all, locks by their names."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("dogpile.cache")
from dogpile.cache.api import NO_VALUE
from dogpile.cache.util import sha1_mangle_key

from stagecache.errors import FingerprintError, NotToldError
from stagecache.integrations.dogpile import class_key_generator, make_region


@pytest.fixture
def made(tmp_path):
    """A region of ours in the test's directory."""

    def made(expiration_time=None, arguments=None, **how):
        arguments = arguments or {"directory": str(tmp_path / "cache")}
        return make_region(**how).configure(expiration_time=expiration_time, arguments=arguments)

    return made


@pytest.fixture
def region(made):
    return made()


def at_once(work, number=5):
    """Call `work` in so many threads; return what it returned."""
    gate, found = threading.Barrier(number), []

    def run():
        gate.wait()
        found.append(work())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# --- functions


def test_calls_that_dogpile_confuses_have_their_own_values(region):
    @region.cache_on_arguments()
    def g(*args):
        return args

    calls = [("1 2",), ("1", "2"), (1, 2)]
    assert [g(*call) for call in calls] == calls == [g(*call) for call in calls]


def test_methods_of_the_same_name_and_objects_of_other_states_have_their_own_values(region):
    class One:
        def __init__(self, factor):
            self.factor = factor

        @region.cache_on_arguments()
        def load(self, x):
            return "one", self.factor * x

    class Two:
        @region.cache_on_arguments()
        def load(self, x):
            return "two", x

    assert [One(1).load(2), Two().load(2), One(3).load(2)] == [("one", 2), ("two", 2), ("one", 6)]
    assert One(1).load(x=2) == ("one", 2)


def test_an_object_without_a_sound_key_is_an_error_unless_its_class_alone_is_to_count(made):
    class Client:
        def __init__(self):
            self.lock = threading.Lock()
            self.stream = iter([])

    def load(self, x):
        return x

    with pytest.raises(FingerprintError, match="self"):
        made().cache_on_arguments()(load)(Client(), 1)
    by_class = made(function_key_generator=class_key_generator)
    assert by_class.cache_on_arguments()(load)(Client(), 1) == 1


def test_the_faces_of_a_cached_function_are_those_of_dogpile(region):
    calls = []

    @region.cache_on_arguments(namespace="n", should_cache_fn=lambda value: value != 0)
    def f(x, y=1):
        calls.append(x)
        return x * y

    assert (f(2), f(x=2), f(2, 1), f.get(2)) == (2, 2, 2, 2)
    f.set(7, 2)
    assert f(2, y=1) == 7
    f.invalidate(2)
    assert (f(2), f.refresh(2), f.original(3), f(0), f(0)) == (2, 2, 3, 0, 0)
    assert calls == [2, 2, 2, 3, 0, 0]


def test_generators_and_awaited_functions_of_many_keys_are_refused(region):
    def f():
        yield 1

    async def g(*keys):
        return keys

    with pytest.raises(TypeError, match="f yields"):
        region.cache_on_arguments()(f)
    with pytest.raises(TypeError, match="g is an async def"):
        region.cache_multi_on_arguments()(g)


# --- many keys


def test_five_threads_that_want_the_same_keys_make_each_once(made):
    region = made()
    made_keys, lock = [], threading.Lock()

    def create(*keys):
        with lock:
            made_keys.extend(keys)
        time.sleep(0.05)
        return [key.upper() for key in keys]

    assert (
        at_once(lambda: region.get_or_create_multi(["a", "b", "a"], create))
        == [["A", "B", "A"]] * 5
    )
    assert made_keys == ["a", "b"]
    assert (
        at_once(lambda: region.get_or_create_multi(["c", "b", "d"], create))
        == [["C", "B", "D"]] * 5
    )
    assert sorted(made_keys) == ["a", "b", "c", "d"]


def test_of_many_keys_those_that_are_over_are_served_to_all_but_who_makes_them(made):
    region = made(expiration_time=0.05)
    region.set_multi({"a": "old", "b": "old"})
    time.sleep(0.06)
    inside, go = threading.Event(), threading.Event()

    def create(*keys):
        inside.set()
        go.wait(10)
        return ["new"] * len(keys)

    found = []
    thread = threading.Thread(
        target=lambda: found.append(region.get_or_create_multi(["a", "b"], create))
    )
    thread.start()
    inside.wait(10)
    assert region.get_or_create_multi(["b", "a"], create) == ["old", "old"]
    go.set()
    thread.join()
    assert found == [["new", "new"]]


def test_many_keys_with_a_mangler_by_a_function_and_not_all_kept(made):
    region = made(key_mangler=sha1_mangle_key)
    calls = []

    @region.cache_multi_on_arguments(asdict=True, should_cache_fn=lambda value: value != 2)
    def doubled(*keys):
        calls.append(keys)
        return {key: 2 * key for key in keys if key != 5}

    assert doubled(1, 2, 5) == {1: 2, 2: 4}
    assert doubled(1, 2, 5) == {1: 2, 2: 4}
    assert calls == [(1, 2, 5), (1, 5)]
    with pytest.raises(ValueError, match="argument"):
        region.get_or_create_multi(["x", "y"], lambda *keys: [1])
    assert not region.key_is_locked("x")


# --- locks


def test_a_key_is_locked_while_it_is_made_whatever_it_is_mangled_to(made):
    region = made(key_mangler=sha1_mangle_key)
    assert not region.key_is_locked("a")
    assert region.get_or_create("a", lambda: region.key_is_locked("a")) is True
    assert not region.key_is_locked("a")


# --- coroutines


def test_an_async_def_can_be_awaited_again_and_is_called_once_for_many(made):
    region = made()
    calls = []

    @region.cache_on_arguments()
    async def fetch(x):
        calls.append(x)
        await asyncio.sleep(0.02)
        return [x]

    async def ask():
        first = await asyncio.gather(*(fetch(1) for _ in range(50)), fetch(2))
        first[0].append("changed by one")
        assert await fetch(1) == await fetch(x=1) == [1]
        assert first[1] in ([1], [1, "changed by one"])
        await fetch.set([7], 1)
        assert (await fetch(1), await fetch.get(1)) == ([7], [7])
        await fetch.invalidate(1)
        assert await fetch.get(1) is NO_VALUE
        assert await fetch.refresh(1) == await fetch.original(1) == [1]

    asyncio.run(ask())
    assert sorted(calls) == [1, 1, 1, 2]


def test_coroutines_and_threads_of_two_regions_make_a_value_once(made):
    calls = []

    def create():
        calls.append(1)
        time.sleep(0.05)
        return "made"

    def ask_in_a_loop():
        async def ask():
            return set(await asyncio.gather(*(made().aget_or_create("a", create) for _ in "abc")))

        return asyncio.run(ask()).pop()

    asking = [ask_in_a_loop, lambda: made().get_or_create("a", create)] * 2
    assert at_once(lambda: asking.pop()(), 4) == ["made"] * 4
    assert len(calls) == 1


def test_a_coroutine_gets_the_old_value_while_another_makes_it_anew(made):
    region = made(expiration_time=0.05)

    async def ask():
        async def create():
            inside.set()
            await go.wait()
            return "new"

        inside, go = asyncio.Event(), asyncio.Event()
        region.set("a", "old")
        await asyncio.sleep(0.06)
        first = asyncio.create_task(region.aget_or_create("a", create))
        await inside.wait()
        assert await region.aget_or_create("a", create) == "old"
        assert region.get_or_create("a", lambda: "third") == "old"
        go.set()
        assert await first == "new"
        assert await region.aget_or_create("a", create, expiration_time=-1) == "new"

    asyncio.run(ask())


def test_what_a_coroutine_raises_is_raised_and_not_kept(region):
    async def create():
        raise KeyError("no")

    async def ask():
        for _ in range(2):
            with pytest.raises(KeyError, match="no"):
                await region.aget_or_create("a", create)
        assert await region.aget_or_create("a", lambda: 1, should_cache_fn=lambda _: False) == 1
        assert region.get("a") is NO_VALUE

    asyncio.run(ask())


def test_coroutines_on_a_backend_of_dogpiles_are_served_as_well():
    region = make_region().configure("dogpile.cache.memory")
    calls = []

    @region.cache_on_arguments()
    async def fetch():
        calls.append(1)
        return "made"

    async def ask():
        return await asyncio.gather(fetch(), fetch(), fetch())

    assert asyncio.run(ask()) == ["made"] * 3
    assert calls == [1]
    region.invalidate()
    assert region.get("x") is NO_VALUE


# --- invalidation


OTHER = """
import sys
from stagecache.integrations.dogpile import make_region

region = make_region().configure(expiration_time=100, arguments=eval(sys.argv[1]))
for line in sys.stdin:
    print(eval(line), flush=True)
"""


@pytest.mark.parametrize("place", ["disk", "redis"])
def test_an_invalidation_reaches_other_processes(place, made, tmp_path, redis_server):
    arguments = {"directory": str(tmp_path / "cache")}
    if place == "redis":
        arguments = {"url": redis_server.url}
    region = made(100, arguments)
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, repr(arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(what):
        other.stdin.write(what + "\n")
        other.stdin.flush()
        return other.stdout.readline().strip()

    try:
        region.set("a", "old")
        assert ask("region.get('a')") == "old"
        region.invalidate(hard=False)
        assert ask("repr(region.get('a'))") == "<dogpile.cache.api.NoValue object>"
        assert ask("region.get_or_create('a', lambda: 'new')") == "new"
        assert region.get("a") == "new"
        assert ask("region.invalidate()") == "None"
        assert region.get("a") is NO_VALUE
        assert region.get_or_create("a", lambda: "newer") == "newer"
        assert ask("region.get('a')") == "newer"
    finally:
        other.kill()
        other.communicate()


def test_what_was_begun_before_an_invalidation_is_invalid(made):
    region = made(100)

    def create():
        region.invalidate()
        return "of before"

    assert region.get_or_create("a", create) == "of before"
    assert region.get("a") is NO_VALUE
    assert region.get_or_create_multi(["b"], lambda key: [create()]) == ["of before"]
    assert region.get("b") is NO_VALUE

    async def ask():
        assert await region.aget_or_create("c", create) == "of before"

    asyncio.run(ask())
    assert region.get("c") is NO_VALUE
    assert region.get_or_create("a", lambda: "of after") == "of after" == region.get("a")


def test_a_value_made_inside_of_another_does_not_change_when_that_was_begun(made):
    region = made(100)

    def outer():
        region.invalidate()
        region.get_or_create("inner", lambda: "inner")
        return "outer"

    region.get_or_create("outer", outer)
    region.set("own", 1)
    assert region.get_multi(["outer", "inner", "own"]) == [NO_VALUE, "inner", 1]


def test_a_soft_invalidation_does_not_bring_back_what_a_hard_one_ended(made):
    region = made(100)
    region.set("a", "old")
    region.invalidate(hard=True)
    region.set("b", "old")
    region.invalidate(hard=False)
    strategy = region.region_invalidator
    assert strategy.was_soft_invalidated()
    assert not strategy.was_hard_invalidated()
    held = region.backend.get_mutex("b")
    held.acquire()
    served = []
    thread = threading.Thread(
        target=lambda: served.append(region.get_or_create("b", lambda: "new"))
    )
    thread.start()
    thread.join()
    assert served == ["old"]
    held.release()
    assert region.get_or_create("a", lambda: "new") == "new"
    assert region.get("a") == "new"


def test_whoever_cannot_tell_others_of_an_invalidation_is_told_and_tells_them_later(
    made, own_redis_server
):
    server = own_redis_server()
    region, other = (made(100, {"url": server.url}) for _ in range(2))
    region.set("before", 1)
    other.invalidate()
    region.set("a", 1)
    server.pause()
    with pytest.warns(UserWarning, match="out of reach"), pytest.raises(NotToldError):
        region.invalidate(hard=False)
    server.resume()
    region.backend.place._reach._breaker._until = 0.0
    assert region.get("a") is NO_VALUE
    fresh = made(100, {"url": server.url})
    for each in (fresh, other):
        assert each.get_multi(["a", "before"]) == [NO_VALUE, NO_VALUE]
        assert each.region_invalidator.was_soft_invalidated()
        assert each.region_invalidator.is_hard_invalidated(1.0)


@pytest.mark.parametrize("place", ["disk", "redis"])
def test_a_clock_that_is_behind_takes_no_invalidation_back(place, made, redis_server, monkeypatch):
    arguments = {"url": redis_server.url} if place == "redis" else None
    one, two = (made(100, arguments) for _ in range(2))
    one.set("a", 1)
    one.invalidate()
    now = time.time()
    with monkeypatch.context() as behind:
        behind.setattr(time, "time", lambda: now - 3600)
        two.invalidate()
    assert made(100, arguments).get("a") is NO_VALUE
