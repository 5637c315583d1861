"""Arrays count by dtype, shape and contents, however they lie in memory."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stagecache import FingerprintError
from stagecache.fingerprint.values import fingerprint


def digest(value: object) -> bytes:
    return fingerprint(value).digest


class Sensor(np.ndarray):
    pass


class Slotted(np.ndarray):
    __slots__ = ("unit",)


DTYPES = st.one_of(
    hnp.scalar_dtypes(), hnp.array_dtypes(), hnp.byte_string_dtypes(), hnp.unicode_string_dtypes()
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


@settings(max_examples=100, deadline=None)
@given(ARRAYS)
def test_the_layout_in_memory_does_not_count(array):
    found = digest(array)
    assert digest(np.array(array, order="C")) == found
    assert digest(np.asfortranarray(array).reshape(array.shape)) == found
    loaded = pickle.loads(pickle.dumps(array))
    if loaded.dtype.str == array.dtype.str:  # numpy turns some big-endian text round
        assert digest(loaded) == found
    if array.ndim:
        assert digest(np.repeat(array, 2, axis=0)[::2]) == found
        assert digest(array[::-1].copy()[::-1]) == found


@pytest.mark.parametrize("shape", [(700, 900), (3, 400_000), (400_000, 3), (2, 500, 700)])
def test_large_arrays_are_read_piece_by_piece_to_the_same(shape):
    array = np.random.default_rng(1).random(shape)
    strided = np.repeat(array, 2, axis=-1)[..., ::2]
    assert digest(array) == digest(np.asfortranarray(array)) == digest(strided)


def test_what_numpy_tells_apart_differs():
    base = np.arange(12)
    values = [
        base,
        base.reshape(3, 4),
        base.reshape(3, 4).T,
        base.reshape(3, 4, order="F"),
        base.astype("i4"),
        base.astype(">i8"),
        base.astype("u8"),
        base.astype("f8"),
        base.astype("M8[s]"),
        base.astype("M8[ns]"),
        base.astype("m8[s]"),
        base.astype(object),
        base.astype("U2"),
        base.astype("S2"),
        base.astype(np.dtypes.StringDType()),
        base.astype("c16"),
        base.astype("g"),
        base.view(Sensor),
        np.ma.array(base),
        np.ma.array(base, mask=base == 3),
        np.rec.fromarrays([base], names="a"),
        np.rec.fromarrays([base], names="b"),
        base.tolist(),
        np.array(5),
        np.int64(5),
        5,
        np.int32(5),
        np.float64(5),
        5.0,
        np.bool_(True),
        True,
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.zeros(0),
        np.zeros(0, "i8"),
        np.array(["a", None], object),
        np.array(["a", np.nan], object),
        np.array(["a", "None"], object),
        np.array(["a", np.str_("b")], object),
        np.array(["a", "b"], object),
        np.array([1, True], object),
        np.array([1, 1.0], object),
        np.array([0.0]),
        np.array([-0.0]),
        np.dtype("i8"),
        np.dtype("i4"),
        np.dtype([("a", "i4")]),
        np.dtype([("a", "i4")], align=True),
        np.dtype({"names": ["a"], "formats": ["i4"], "offsets": [4]}),
        np.add,
        np.multiply,
        np.ma.masked,
    ]
    assert len({digest(value) for value in values}) == len(values)


def test_what_lies_under_a_mask_or_between_fields_does_not_count():
    one, two = np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 7], mask=[0, 1])
    assert digest(one) == digest(two) != digest(np.ma.array([1, 2], mask=[1, 0]))
    padded = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    raw = [np.full(32, fill, np.uint8).view(padded) for fill in (1, 2)]
    for records in raw:
        records["a"], records["b"] = 5, 2.5
    assert digest(raw[0]) == digest(raw[1])
    records["b"][1] = 3
    assert digest(raw[0]) != digest(raw[1])


def test_padding_of_long_doubles_does_not_count():
    one, two = (np.frombuffer(bytes([fill]) * 32, np.uint8).copy().view("g") for fill in (1, 2))
    one[:], two[:] = 1.5, 1.5
    assert digest(one) == digest(two) != digest(np.array([1.5, 2.5], "g"))


def test_every_nan_in_a_small_array_is_the_same():
    one = np.array([np.nan, 1.0])
    two = one.copy()
    two.view("u8")[0] |= 1 << 63 | 5
    assert digest(one) == digest(two)
    assert digest(one.astype("c16")) == digest(two.astype("c16"))
    assert digest(one[0]) == digest(two[0])


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_a_random_generator_counts_by_its_state(bits):
    one, two = np.random.Generator(bits(5)), np.random.Generator(bits(5))
    assert digest(one) == digest(two) == digest(copy.deepcopy(one))
    two.random()
    assert digest(one) != digest(two)
    three = np.random.Generator(bits(5))
    three.spawn(1)
    assert digest(one) != digest(three)
    assert digest(np.random.RandomState(1)) != digest(np.random.RandomState(2))


def test_who_draws_for_the_process_is_the_same_until_somebody_chooses_its_seed(project):
    """Frozen distributions of scipy hold it."""
    text = (
        "import numpy as np\n"
        "from stagecache.fingerprint.values import fingerprint\n"
        "def digest(): return fingerprint([np.random.mtrand._rand]).digest.hex()\n"
        "first = digest()\n"
        "np.random.random()\n"
        "assert digest() == first\n"
        "np.random.seed(1)\n"
        "print(first, digest())\n"
    )
    one, two = (project.python("-c", text).stdout for _ in range(2))
    assert one == two
    assert len(set(one.split())) == 2


def test_slots_of_an_array_of_a_users_class_count():
    def sensor(unit):
        array = np.zeros(2).view(Slotted)
        array.unit = unit
        return array

    assert digest(sensor("m")) == digest(sensor("m")) != digest(sensor("km"))


def test_objects_in_arrays_are_taken_apart_and_named():
    assert fingerprint(np.array([Sensor, 1], object)).refs == (Sensor,)
    with pytest.raises(FingerprintError) as caught:
        fingerprint({"a": np.array([[1, 2], [3, (x for x in ())]], object)})
    assert caught.value.subject == "value['a'][1, 1]"


def test_text_in_object_arrays_takes_any_character():
    texts = [["a", "é"], ["aé", ""], ["\ud800", ""], ["", "\ud800"], ["a", "\0é"], ["a\0", "é"]]
    assert len({digest(np.array(each, object)) for each in texts}) == len(texts)


@pytest.mark.parametrize("texts", [["a"], ["é", "b"], ["a", None], ["é", np.nan, "c"], ["\ud800"]])
def test_long_columns_of_text_are_the_same_with_and_without_arrow(texts, monkeypatch):
    pytest.importorskip("pyarrow")
    column = np.array(texts * 2000, object)
    with_arrow = digest(column)
    monkeypatch.setattr("stagecache.fingerprint.strings._MANY", 10**9)
    assert digest(column) == with_arrow


def test_a_record_is_not_the_void_with_the_same_fields():
    plain = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    record = plain.view(np.recarray)
    assert len({digest(value) for value in (plain, plain[0], record, record[0])}) == 4
    assert digest(record[0]) == digest(pickle.loads(pickle.dumps(record[0])))
