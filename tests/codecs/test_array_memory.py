from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from stagecache.codecs.arrays import Arrays
from stagecache.errors import DecodeError, EncodeError
from stagecache.testing.codecs import CodecContract

RECORD = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", "U3")])


def encoded(value: object) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in Arrays().encode(value)]  # type: ignore[call-overload]


class TestArrays(CodecContract):
    codec = Arrays()

    @pytest.fixture(autouse=True)
    def _exactly(self, exactly: Callable[[Any], bytes]) -> None:
        self.fingerprint = exactly  # type: ignore[method-assign]

    def fingerprint(self, value: Any) -> bytes:
        raise NotImplementedError

    def mutate(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.size:
            value[...] = value.ravel()[::-1].reshape(value.shape)
            value.ravel()[:1] = np.zeros(1, value.dtype)

    def values(self) -> Iterable[object]:
        yield from (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)))
        yield from (np.arange(10)[::3], np.array(5), np.empty((0, 3), "f4"), np.array([], "U5"))
        yield from (np.array(["ä", "bcd"]), np.array([b"x", b"yz"]), np.array([True, False]))
        yield from (np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([1, 2], "m8[3h]"))
        yield from (np.array([1, 2], ">i2"), np.array([1j, np.nan]), np.array([1], "f2"))
        yield np.array([(1, (2, 3), "x"), (4, (5, 6), "yz")], RECORD)
        yield from (np.float64(1.5), np.int8(-1), np.bool_(True), np.datetime64("2020-01", "M"))
        yield np.array([(1, (2, 3), "x")], RECORD)[0]


@given(
    nps.arrays(
        nps.scalar_dtypes()
        | nps.unicode_string_dtypes(max_len=4)
        | nps.byte_string_dtypes(max_len=4),
        nps.array_shapes(min_dims=0, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_every_array_of_raw_memory_comes_back_exactly(
    exactly: Callable[[Any], bytes], array: np.ndarray[Any, Any], turned: bool
) -> None:
    value = array.T if turned else array
    again = Arrays().decode(encoded(value))
    assert exactly(again) == exactly(value)
    assert type(again) is np.ndarray
    assert again.flags.writeable


@pytest.mark.parametrize("order", ["C", "F"])
def test_contiguous_memory_is_not_copied_and_keeps_its_order(order: Any) -> None:
    array = np.zeros((50, 40), order=order)
    _, memory = Arrays().encode(array)
    assert np.shares_memory(np.frombuffer(memory, "u1"), array)
    again: Any = Arrays().decode(encoded(array))
    assert again.flags.c_contiguous == array.flags.c_contiguous


def test_a_mapped_section_is_not_copied() -> None:
    memory = bytearray(np.arange(100.0).tobytes())
    header, _ = encoded(np.arange(100.0))
    array: Any = Arrays().decode([header, memoryview(memory)])
    array[0] = 7
    assert np.frombuffer(memory)[0] == 7


@pytest.mark.parametrize(
    "value",
    [
        np.array([1, "x", None], object),
        np.array([(1, None)], [("a", "i4"), ("b", object)]),
        np.array(["x", "long" * 20], np.dtypes.StringDType())
        if hasattr(np.dtypes, "StringDType")
        else np.array([{}]),
        np.array([1], np.dtype("i4", metadata={"unit": "m"})),
    ],
)
def test_what_is_not_raw_memory_is_refused_or_found_by_the_proof(
    exactly: Callable[[Any], bytes], value: Any
) -> None:
    try:
        sections = encoded(value)
    except EncodeError:
        return
    assert exactly(Arrays().decode(sections)) != exactly(value)


def test_subclasses_are_left_to_others() -> None:
    assert not Arrays().accepts(np.ma.masked_array([1, 2], [True, False]))
    assert not Arrays().accepts(np.array([1]).view(np.recarray))


@pytest.mark.parametrize("dtype", ["<U2", ">U2", [("a", "i1"), ("b", "<U1", (2,))]])
def test_text_of_characters_that_do_not_exist_is_a_decode_error(dtype: Any) -> None:
    header, memory = encoded(np.zeros(3, dtype))
    with pytest.raises(DecodeError, match="characters"):
        Arrays().decode([header, memoryview(b"\xff" * len(memory))])


@pytest.mark.parametrize(
    "header",
    [
        ("|O", (8,), "C", False),
        ([("a", "|O")], (8,), "C", False),
        ("<f8", (-8, -1), "C", False),
        ("<f8", (2**62, 4), "C", False),
        ("<f8", (True,) * 100, "C", False),
        ("<f8", (8,), "K", False),
        ("<f8", 8, "C", False),
        ("no such", (8,), "C", False),
        ("V0", (2**62,), "C", False),
        {"names": ["a"], "formats": ["O"]},
        [1, 2],
    ],
)
def test_forged_headers_are_decode_errors(header: object) -> None:
    from stagecache.codecs.plain import Plain

    (forged,) = Plain().encode(header)
    with pytest.raises(DecodeError):
        Arrays().decode([memoryview(forged), memoryview(bytes(64))])
