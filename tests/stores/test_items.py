"""Items of collections: a mapping on disk, in order, whole or damaged but never wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
from random import Random

import apsw
import pytest

from stagecache.errors import StoreError
from stagecache.stores.disk import DiskStore


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(root):
    store = DiskStore(root)
    yield store
    store.close()


@pytest.fixture
def items(store):
    return store.items


def test_what_was_set_last_is_got_by_every_store(items, root):
    items.set("a", b"k", b"one")
    items.set("a", b"k", b"two")
    items.set("b", b"k", b"three")
    other = DiskStore(root)
    assert [other.items.get("a", b"k"), other.items.get("b", b"k")] == [b"two", b"three"]
    assert other.items.get("a", b"l") is None
    assert other.items.get("c", b"k") is None
    other.close()


def test_nothing_is_made_where_nothing_was_set(items, root):
    assert items.get("a", b"k") is None
    assert items.get_many("a", [b"k"]) == {}
    assert list(items.scan("a")) == []
    assert items.count("a") == 0
    assert not root.exists()


def test_the_first_to_add_wins(items, root):
    other = DiskStore(root)
    assert items.add("a", b"k", b"one")
    assert not other.items.add("a", b"k", b"two")
    assert not items.add("a", b"k", b"three")
    assert other.items.get("a", b"k") == b"one"
    assert items.delete("a", [b"k", b"l"]) == 1
    assert other.items.add("a", b"k", b"four")
    other.close()


def test_items_do_as_a_dictionary_does(items):
    random = Random(3)
    model = {}
    items.set("other", b"\x05", b"not this")
    for _ in range(2_000):
        key = bytes([random.randrange(256)] * random.randrange(3))
        match random.randrange(6):
            case 0 | 1:
                model[key] = value = random.randbytes(random.randrange(50))
                items.set("a", key, value)
            case 2:
                assert items.add("a", key, b"added") == (key not in model)
                model.setdefault(key, b"added")
            case 3:
                assert items.delete("a", [key]) == (model.pop(key, None) is not None)
            case 4:
                assert items.get("a", key) == model.get(key)
            case 5:
                more = {random.randbytes(1): random.randbytes(2) for _ in range(3)}
                items.set_many("a", more)
                model |= more
    assert items.count("a") == len(model)
    assert items.get_many("a", [*model, b"absent"]) == model
    assert list(items.scan("a")) == sorted(model.items())
    assert list(items.scan("a", reverse=True)) == sorted(model.items(), reverse=True)
    items.clear("a")
    assert list(items.scan("a")) == []
    assert items.count("other") == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_a_range_of_keys_is_read_in_order(items, reverse):
    keys = [number.to_bytes(2) for number in range(1_000)]
    items.set_many("a", {key: key * 10 for key in keys})
    found = [
        key
        for key, _ in items.scan(
            "a", start=(100).to_bytes(2), stop=(700).to_bytes(2), reverse=reverse
        )
    ]
    assert found == sorted(keys[100:700], reverse=reverse)
    assert [key for key, _ in items.scan("a", start=keys[990], reverse=reverse)] == sorted(
        keys[990:], reverse=reverse
    )


def test_reading_in_order_survives_deletion(items):
    items.set_many("a", {number.to_bytes(2): b"" for number in range(600)})
    for number, (key, _) in enumerate(items.scan("a")):
        assert key == number.to_bytes(2)
        items.delete("a", [key])
    assert items.count("a") == 0


@pytest.mark.parametrize("size", [0, 1, 16_384, 3_000_000])
def test_values_of_every_size_come_back(items, size):
    value = Random(size).randbytes(size)
    items.set("a", b"", value)
    assert items.get("a", b"") == value


def test_a_damaged_item_is_never_given(items, store, root):
    items.set("a", b"k", b"value")
    items.set("a", b"l", b"other")
    store.close()
    connection = apsw.Connection(str(root / "v1" / "index.db"))
    connection.execute("UPDATE items SET value = (SELECT value FROM items WHERE key = x'6c')")
    connection.close()
    assert items.get("a", b"l") == b"other"
    with pytest.raises(StoreError, match="damaged"):
        items.get("a", b"k")


def test_items_are_set_within_a_reading_block(items, store):
    items.set("a", b"k", b"one")
    with store.reading():
        items.set("a", b"k", b"two")
        assert items.get("a", b"k") == b"two"


WRITES = """
import sys
from stagecache.stores.disk import DiskStore
items = DiskStore(sys.argv[1]).items
for number in range(300):
    items.set("a", b"%d %s" % (number, sys.argv[2].encode()), b"x" * number)
    items.set("a", b"shared", sys.argv[2].encode() * 1000)
"""


def test_no_process_loses_what_it_set(items, root):
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITES, str(root), name]) for name in "abcd"
    ]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert items.count("a") == 1_201
    assert items.get("a", b"shared")[:1] * 1_000 == items.get("a", b"shared")
    assert items.get("a", b"299 c") == b"x" * 299


def test_no_thread_loses_what_it_set(items):
    def work(name):
        for number in range(100):
            items.set("a", b"%d %s" % (number, name), name)

    threads = [threading.Thread(target=work, args=(b"%d" % n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert items.count("a") == 400
