"""What was seen to go wrong in caches that are widely used goes right here: one test a fault.

Those of their faces (``stagecache.integrations``) are tested beside these faces.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

import stagecache
from stagecache import memoize, stage
from stagecache.errors import CollectionFullError, NotHeldError, StoreError

THREADS = 5


def together(call):
    """Call it in threads that begin at once; return what they got."""
    begin, got = threading.Barrier(THREADS), []

    def run():
        begin.wait(30)
        got.append(call())

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return got


class Slow:
    """A computation that lasts until all who could begin it as well have had the time to."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        threading.Event().wait(0.05)
        return self.calls


def test_a_cold_stampede_computes_once(cache):
    slow = Slow()
    remembered = memoize(lambda: slow())
    assert together(remembered) == [1] * THREADS

    slow = Slow()

    @stage
    def result() -> int:
        return slow()

    assert together(result) == [1] * THREADS

    slow = Slow()
    index = cache.index("stampede")
    assert together(lambda: index.get_or_create("key", slow)) == [1] * THREADS


@pytest.mark.parametrize("remember", [memoize, stage], ids=["memoize", "stage"])
def test_calls_whose_arguments_look_alike_when_strung_together_do_not_meet(cache, remember):
    @remember
    def given(*args: object, **kwargs: object) -> tuple[object, ...]:
        return (args, tuple(kwargs.items()))

    calls = [
        ((), {"a": None}),
        ((None, "a"), {}),
        ((("a", None),), {}),
        (("1 2",), {}),
        (("1", "2"), {}),
        ((1, 2), {}),
        (((1, 2),), {}),
    ]
    for args, kwargs in calls * 2:
        assert given(*args, **kwargs) == (args, tuple(kwargs.items()))


@pytest.mark.parametrize("remember", [memoize, stage], ids=["memoize", "stage"])
def test_closures_of_one_name_do_not_return_each_others_results(cache, remember):
    def adding(number):
        @remember
        def add(x: int) -> int:
            return x + number

        return add

    one, two = adding(1), adding(2)
    assert (one(1), two(1), one(1), two(1)) == (2, 3, 2, 3)


@pytest.mark.parametrize("remember", [memoize, stage], ids=["memoize", "stage"])
def test_methods_of_one_name_in_two_classes_do_not_meet(cache, remember):
    class Dog:
        @remember
        def speak(self, times: int) -> str:
            return "wau" * times

    class Cat:
        @remember
        def speak(self, times: int) -> str:
            return "miau" * times

    assert [Dog().speak(1), Cat().speak(1), Dog().speak(1)] == ["wau", "miau", "wau"]


def test_equal_keys_are_one_key_however_they_came_about(cache):
    ran = []

    @stage
    def length(words: tuple[str, ...]) -> int:
        ran.append(words)
        return len(words)

    same = "".join(["wo", "rd"])
    twice, apart = (same, same), ("".join(["wo", "rd"]), "".join(["wor", "d"]))
    assert twice == apart
    assert twice[0] is twice[1]
    assert apart[0] is not apart[1]
    index = cache.index("words")
    index[twice] = 1
    assert index[apart] == 1
    assert length(twice) == length(apart) == 2
    assert len(ran) == 1


def test_equal_numbers_meet_unless_types_are_to_count():
    def name(x):
        return type(x).__name__

    assert [memoize(name)(x) for x in (3, 3.0)] == ["int", "float"]
    any_type, each_type = memoize(name), memoize(typed=True)(name)
    assert [any_type(3), any_type(3.0)] == ["int", "int"]
    assert [each_type(3), each_type(3.0)] == ["int", "float"]


@pytest.mark.parametrize("remember", [memoize, stage], ids=["memoize", "stage"])
def test_what_is_awaited_can_be_awaited_again(cache, remember):
    ran = []

    @remember
    async def fetch(x: int) -> int:
        ran.append(x)
        return 2 * x

    async def main():
        return [await fetch(1), await fetch(1)]

    assert asyncio.run(main()) == [2, 2]
    assert ran == [1]


def test_a_lock_that_is_had_is_seen_to_be_had_and_only_its_owner_releases_it(cache):
    lock, seen, errors = cache.lock("a"), [], []

    def other():
        seen.append(cache.lock("a").locked())
        try:
            cache.lock("a").release()
        except NotHeldError as error:
            errors.append(error)

    with lock:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(30)
        assert (seen, len(errors)) == ([True], 1)
        assert lock.locked()
        assert not lock.is_lost()
    assert not lock.locked()


def test_what_was_kept_is_found_whatever_the_next_one_says_of_bounds(tmp_path):
    with stagecache.Cache(tmp_path / "bounded") as cache:
        index = cache.index("a", max_items=5000)
        index.set_many({number: number for number in range(1000)})
    with stagecache.Cache(tmp_path / "bounded") as cache:
        index = cache.index("a")
        assert [number for number in range(1000) if index.get(number) != number] == []


def test_what_finds_no_room_is_an_error_and_takes_nothing_with_it(cache):
    index = cache.index("a", max_size=1000)
    index["small"] = b"x" * 100
    with pytest.raises(CollectionFullError, match="'a'"):
        index["large"] = b"x" * 2000
    assert list(index) == ["small"]


def test_where_nothing_can_be_kept_a_write_is_an_error_not_a_loop(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with stagecache.Cache(tmp_path / "file") as cache, pytest.raises(StoreError):
        cache.index("a")["key"] = 1
