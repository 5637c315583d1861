"""What is kept apart from a container, and that all of it comes back in its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stagecache.clock import SystemClock
from stagecache.codecs.base import codec
from stagecache.codecs.containers import decode_around, elements_of, encode_around
from stagecache.engine.values import Values
from stagecache.errors import DecodeError, EncodeError
from stagecache.fingerprint.values import Known, fingerprint
from stagecache.model import Options
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.stores import make_entry, put

TEXT = "x" * 20_000
ARRAY = np.arange(5_000.0)
HUGE = np.arange(50_000.0)


def apart(value, **how):
    return elements_of(value, **{"wanted": None, "private": True, **how})


def proof(value):
    return fingerprint(value).digest


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (TEXT, 0),
        (ARRAY, 0),
        ([TEXT, ARRAY, 1], 2),
        ((TEXT, {"a": [TEXT]}), 1),
        ({TEXT: 1}, 0),
        ({"a": ARRAY[:100], "b": "short", "c": b""}, 0),
        ([ARRAY, ARRAY.copy()], 2),
        ([np.array([{}] * 5_000), pd.Timestamp(0), np.float64(1)], 0),
        ([[ARRAY + n] for n in range(101)], 0),
        ([[HUGE[n:], ARRAY + n] for n in range(51)], 51),
        ([HUGE[n:] for n in range(1_001)], 0),
        ([ARRAY, *([] for _ in range(100_000))], 0),
        ([], 0),
    ],
)
def test_large_elements_are_kept_apart_each_object_once(value, count):
    assert len(apart(value)) == count


def test_a_container_that_contains_itself_is_seen_once():
    loop = [ARRAY]
    loop.append(loop)
    assert apart(loop) == [ARRAY]


def test_a_subclass_of_a_container_is_no_container():
    class Mine(dict):
        pass

    assert apart(Mine(a=TEXT)) == []


def test_a_chosen_codec_that_takes_containers_takes_them_whole():
    assert apart([ARRAY], wanted="pickle") == []
    assert len(apart([ARRAY], wanted="parquet")) == 1
    assert len(apart([ARRAY], wanted="nobody's")) == 1


def test_what_is_not_plain_is_kept_apart_where_nothing_is_unpickled():
    assert len(apart([ARRAY[:3], 1, "a", {"b": {1}}], private=False)) == 1


@pytest.mark.parametrize("name", ["plain", "pickle", "cloudpickle"])
def test_elements_come_back_in_their_places(name):
    value = [TEXT, {"a": (TEXT, "b", "c"), "d": [b"", TEXT]}, "e"]
    framework = codec(name)
    sections = framework.encode_around(value, {id(TEXT): 0})
    assert sum(len(memoryview(section)) for section in sections) < 500
    views = [memoryview(section) for section in sections]
    assert framework.decode_around(views, [7]) == [7, {"a": (7, "b", "c"), "d": [b"", 7]}, "e"]
    with pytest.raises(DecodeError):
        framework.decode_around(views, [])
    with pytest.raises(DecodeError):
        framework.decode(views)


def test_a_frame_that_is_not_the_same_is_refused():
    with pytest.raises(EncodeError, match="exactly"):
        encode_around(
            [ARRAY], [ARRAY], private=True, proof=proof, expected=proof([ARRAY]),
            stand_ins=[Known(proof(ARRAY + 1))],
        )  # fmt: skip


def test_a_pickled_frame_is_not_read_from_a_shared_place():
    with pytest.raises(DecodeError, match="run code"):
        decode_around("pickle", [], [], private=False)
    with pytest.raises(DecodeError, match="frame"):
        decode_around("array", [], [], private=True)


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        {"a": pd.DataFrame({"x": range(5_000), "s": ["text"] * 5_000}), "b": 1},
        [ARRAY, ARRAY[:5], {"c": (TEXT, None, 2.5)}],
    ],
)
def test_values_are_kept_in_parts_in_any_place(tmp_path, value, private):
    store = Tiered(MemoryStore(), [DiskStore(tmp_path / "cache", shared=not private)])
    store.prepare()
    values = Values(store, SystemClock())
    packing = values.packing(Options(), None)
    packed = packing.pack(value, fingerprint(value))
    assert packed.codec == "plain" or private
    assert packed.parts
    entry = put(store, make_entry(codec=packed.codec, parts=packed.parts), *packed.sections)
    packing.adopt(entry.key)
    is_loaded, again = values.load(entry)
    assert is_loaded
    assert proof(again) == proof(value)
    store.remove([entry.key])
    assert store.get_many(packed.parts) == {}
    store.close()


def test_a_holder_whose_parts_are_others_is_not_loaded():
    store = Tiered(MemoryStore())
    values = Values(store, SystemClock())
    packed = values.packing(Options(), None).pack([TEXT], fingerprint([TEXT]))
    other = values.packing(Options(), None).pack([TEXT + "y"], fingerprint([TEXT + "y"]))
    entry = put(store, make_entry(codec=packed.codec, parts=other.parts), *packed.sections)
    with pytest.warns(UserWarning, match="parts"):
        assert values.load(entry) == (False, None)
