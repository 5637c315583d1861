"""Django's cache over an index: what its own tests do not ask, and what they do, in short."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
import time
from collections import deque

import pytest

pytest.importorskip("django")
from django.core.cache.backends.base import CacheKeyWarning

from stagecache.errors import SettingsError, StagecacheWarning
from stagecache.integrations.django import StagecacheCache


@pytest.fixture
def make(tmp_path):
    def make(**params):
        return StagecacheCache(str(tmp_path / "cache"), params)

    return make


@pytest.fixture
def django(make):
    return make()


def test_versions_prefixes_and_key_functions_keep_keys_apart(make):
    plain, second = make(), make(VERSION=2)
    prefixed = make(KEY_PREFIX="shop")
    custom = make(KEY_FUNCTION=lambda key, prefix, version: f"{version}-{prefix}-{key}")
    plain.set("a", 1)
    for other in (second, prefixed, custom):
        assert other.get("a") is None
    assert second.get("a", version=1) == 1
    assert plain.incr_version("a") == 2
    assert (plain.get("a"), second.get("a")) == (None, 1)
    assert second.decr_version("a") == 1
    assert plain.get("a") == 1
    with pytest.raises(ValueError, match="not found"):
        plain.incr_version("b")


def test_timeouts_are_as_django_has_them(make):
    django = make(TIMEOUT=100)
    django.set("none", 1, 0)
    django.set("before", 1, -1)
    django.set("ever", 1, None)
    django.set("usual", 1)
    django.set("short", 1, 0.05)
    assert django.get_many(["none", "before"]) == {}
    time.sleep(0.06)
    assert not django.has_key("short")
    assert sorted(django.get_many(["ever", "usual", "short"])) == ["ever", "usual"]
    expiries = {name: django._index._items.expiry(b"s:1:" + name.encode()) for name in
                ("ever", "usual")}  # fmt: skip
    assert expiries["ever"] == (1e300,)
    assert 90 < expiries["usual"][0] - time.time() <= 100
    assert django.touch("usual", None) is True
    assert django._index._items.expiry(b"s:1:usual") == (1e300,)
    assert django.touch("usual", 0) is True
    assert django.touch("usual") is False
    assert django.add("usual", 2, 0) is True
    assert "usual" not in django


def test_a_set_of_what_cannot_be_pickled_raises_and_keeps_nothing_of_many(django):
    with pytest.raises(pickle.PicklingError, match="lock"):
        django.set("a", threading.Lock())
    with pytest.raises(pickle.PicklingError):
        django.add("a", threading.Lock())
    with pytest.raises(pickle.PicklingError):
        django.set_many({"b": 1, "c": threading.Lock()})
    assert django.get_many("abc") == {}


def test_keys_that_memcached_would_not_take_are_warned_of(django):
    for call in (django.get, django.has_key, django.delete, django.touch):
        with pytest.warns(CacheKeyWarning, match="longer than 250"):
            call("a" * 300)
    with pytest.warns(CacheKeyWarning, match="characters"):
        django.set_many({"a b": 1})
    with pytest.warns(CacheKeyWarning, match="characters"):
        assert django.get_or_set("a b", lambda: 2) == 1


@pytest.mark.parametrize(("frequency", "left"), [(3, 29), (0, 19)])
def test_when_there_are_too_many_those_that_came_first_go(make, frequency, left):
    django = make(OPTIONS={"MAX_ENTRIES": 30, "CULL_FREQUENCY": frequency})
    for number in range(1, 50):
        django.set(f"key{number}", number)
    found = [number for number in range(1, 50) if django.has_key(f"key{number}")]
    assert found == list(range(50 - left, 50))


def test_what_has_expired_goes_before_anything_else_and_a_set_again_needs_no_room(make):
    django = make(OPTIONS={"MAX_ENTRIES": 3})
    django.set("short", 1, 0.01)
    django.set_many({"a": 1, "b": 2})
    django.set("a", 3)
    assert django.get_many("ab") == {"a": 3, "b": 2}
    time.sleep(0.02)
    django.set("c", 4)
    assert django.get_many("abc") == {"a": 3, "b": 2, "c": 4}
    django.set("d", 5)
    assert sorted(django.get_many("abcd")) == ["b", "c", "d"]


def test_many_at_once_are_kept_even_if_they_are_too_many(make):
    django = make(OPTIONS={"MAX_ENTRIES": 10})
    django.set("old", 1)
    many = {f"key{number}": number for number in range(20)}
    assert django.set_many(many) == []
    assert django.get_many([*many, "old"]) == many


def test_counters_are_exact_over_threads_and_keep_their_time_to_live(django):
    django.set("n", 0, 100)
    expiry = django._index._items.expiry(b"s:1:n")
    threads = [
        threading.Thread(target=lambda: [django.incr("n") for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert django.decr("n", 10) == 190
    assert django._index._items.expiry(b"s:1:n") == expiry
    with pytest.raises(ValueError, match="not found"):
        django.incr("m")


def test_a_default_that_is_a_function_is_called_once_over_threads(make):
    calls = []
    gate = threading.Barrier(5)

    def default():
        calls.append(1)
        time.sleep(0.05)

    def ask(found):
        django = make()  # as Django does, for each thread
        gate.wait()
        found.append(django.get_or_set("a", default))

    found: list[object] = []
    threads = [threading.Thread(target=ask, args=(found,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), found) == (1, [None] * 5)
    assert make().get("a", "none") is None
    assert make().get_or_set("b", lambda: 7, timeout=0) == 7
    assert make().get("b") is None


def test_methods_that_are_awaited_are_as_atomic_as_the_others(django):
    async def default():
        await asyncio.sleep(0)
        calls.append(1)
        return "made"

    calls: list[int] = []

    async def all_of_them():
        await django.aset("n", 1, 100)
        await asyncio.gather(*(django.aincr("n") for _ in range(20)))
        assert await django.aget("n") == 21
        found = await asyncio.gather(*(django.aget_or_set("a", default) for _ in range(20)))
        assert found == ["made"] * 20
        assert await django.aset_many({"b": 1, "c": 2}) == []
        assert await django.aget_many(["a", "b", "c"]) == {"a": "made", "b": 1, "c": 2}
        await django.adelete_many(["b", "c"])
        assert await django.ahas_key("b") is False
        assert await django.aincr_version("a") == 2
        assert await django.aget_or_set("b", 3) == 3
        await django.aclear()
        assert await django.aget("n") is None

    asyncio.run(all_of_them())
    assert calls == [1]


def test_caches_of_two_names_in_one_directory_are_apart(make):
    one, two = make(OPTIONS={"name": "one"}), make(OPTIONS={"name": "two"})
    one.set("a", 1)
    two.set("a", 2)
    two.clear()
    assert (one.get("a"), two.get("a")) == (1, None)
    with pytest.raises(SettingsError, match="max_entires"):
        make(OPTIONS={"max_entires": 3})


def test_a_directory_that_cannot_be_used_is_a_miss_and_one_warning_a_kind(tmp_path):
    (tmp_path / "file").write_text("in the way")
    django = StagecacheCache(str(tmp_path / "file" / "cache"), {})

    def use():
        django.set("a", 1)
        assert django.get("a") is None
        assert django.set_many({"a": 1, "b": 2}) == ["a", "b"]
        assert django.get_many(["a", "b"]) == {}
        assert django.add("a", 1) is False
        assert django.touch("a") is False
        assert django.delete("a") is False
        assert django.get_or_set("a", lambda: 3) == 3
        assert asyncio.run(django.aget_or_set("a", lambda: 3)) == 3
        for change in (django.incr, django.incr_version):
            with pytest.raises(ValueError, match="not found"):
                change("a")
        django.delete_many(["a"])
        django.clear()
        django.close()

    with pytest.warns(StagecacheWarning) as told:
        deque((use() for _ in range(5)), maxlen=0)
    assert len({str(each.message) for each in told}) <= 3


def test_django_finds_it_by_its_settings_and_processes_share_it(tmp_path):
    code = """
import sys
from django.conf import settings

settings.configure(CACHES={"default": {
    "BACKEND": "stagecache.integrations.django.StagecacheCache",
    "LOCATION": sys.argv[1],
    "OPTIONS": {"MAX_ENTRIES": 10, "durable": False},
}})
from django.core.cache import cache

print(cache.get("a"))
cache.set("a", {"b": [1]})
"""
    printed = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(tmp_path / "cache")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert printed == ["None\n", "{'b': [1]}\n"]
