"""An index as other libraries use a cache: trouble is a miss, told of once, never a stale value."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

import pytest

from stagecache.errors import EncodeError, StagecacheWarning, StoreError
from stagecache.integrations.lenient import Lenient


@pytest.fixture
def index(cache):
    return cache.index("kept")


@pytest.fixture
def kept(index):
    return Lenient(index)


@pytest.fixture
def nowhere(tmp_path):
    """An index whose directory cannot be made."""
    from stagecache import Cache

    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    yield Lenient(cache.index("kept"))
    cache.close()


def damage(index, key):
    """Let a row not be what was written."""
    from stagecache.collections.keys import encode_key

    items = index._items
    items.run(f"UPDATE {items.table} SET seal = seal + 1 WHERE key = ?", (encode_key(key),))
    items.note()


def test_a_damaged_item_is_a_miss_told_of_once_and_can_be_set_again(index, kept):
    kept.set("a", 1)
    kept.set("b", 2)
    damage(index, "a")
    with pytest.warns(StagecacheWarning, match="damaged.*made again"):
        assert kept.get("a", "none") == "none"
    assert kept.get("a") is None
    assert kept.get_many(["a", "b"]) == {"b": 2}
    assert kept.get_or_create("a", lambda: 3, None) == 3
    assert (kept.get("a"), index["a"]) == (3, 3)


def test_what_cannot_be_kept_is_returned_and_told_of_once(nowhere):
    calls = []

    def use(number):
        assert nowhere.set("a", number) is False
        assert nowhere.get("a") is None
        assert nowhere.get_or_create("b", lambda: calls.append(1) or "made", None) == "made"
        assert nowhere.delete(["a"]) == 0
        assert nowhere.discard("a") is False

    with pytest.warns(StagecacheWarning) as told:
        deque(map(use, range(3)), maxlen=0)
    assert len(calls) == 3
    assert len({str(each.message) for each in told}) <= 3


def test_an_old_value_is_not_found_where_a_new_one_could_not_be_kept(index, kept, monkeypatch):
    kept.set("a", "old")
    kept.set("b", "other")

    def full(*args, **kwargs):
        raise StoreError("the disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(type(index), "set", full)
        broken.setattr(type(index), "delete_many", full)
        with pytest.warns(StagecacheWarning, match="disk is full"):
            assert kept.set("a", "new") is False
        assert kept.get("a") is None
        assert kept.has("a") is False
        assert kept.get_many(["a", "b"]) == {"b": "other"}
    assert index["a"] == "old"
    assert kept.get("a") is None
    assert kept.get_or_create("a", lambda: "newer", None) == "newer"
    assert kept.get("a") == index["a"] == "newer"


def test_add_replaces_what_could_not_be_removed(index, kept, monkeypatch):
    kept.set("a", "old")
    with monkeypatch.context() as broken:
        broken.setattr(type(index), "delete_many", raising(StoreError("refused.")))
        with pytest.warns(StagecacheWarning, match="refused"):
            kept.delete(["a"])
    assert kept.add("a", "new") is True
    assert kept.add("a", "newer") is False
    assert kept.get("a") == "new"


def raising(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


def test_what_no_codec_holds_is_an_error_of_a_set_and_a_warning_of_a_creation(kept):
    lock = threading.Lock()
    with pytest.raises(EncodeError):
        kept.set("a", lock)
    with pytest.warns(StagecacheWarning, match="not kept"):
        assert kept.get_or_create("a", lambda: lock, None) is lock


def test_what_a_creator_raises_is_raised_and_the_creator_called_once(kept):
    calls = []

    def create():
        calls.append(1)
        raise StoreError("of the user's own")

    with pytest.raises(StoreError, match="user's own"):
        kept.get_or_create("a", create, None)
    with pytest.raises(StoreError, match="user's own"):
        asyncio.run(kept.aget_or_create("a", create, None))
    assert len(calls) == 2


def test_coroutines_get_what_is_made_in_trouble_too(index, kept, nowhere):
    async def create():
        return "made"

    kept.set("a", 1)
    damage(index, "a")

    async def both():
        return [await each.aget_or_create("a", create, None) for each in (kept, nowhere)]

    with pytest.warns(StagecacheWarning):
        assert asyncio.run(both()) == ["made", "made"]
    assert kept.get("a") == "made"
