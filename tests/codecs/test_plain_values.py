from __future__ import annotations

import struct
import subprocess
import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache.codecs.plain import Plain
from stagecache.errors import DecodeError, EncodeError
from stagecache.testing.codecs import CodecContract

Point = namedtuple("Point", "x y")


class Colour(IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=()), max_size=12)
    | st.binary(max_size=12)
)
hashable = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=6,
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(hashable, inner, max_size=5)
        | st.sets(hashable, max_size=5)
        | st.frozensets(hashable, max_size=5)
    ),
    max_leaves=12,
)


def encoded(value: object) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in Plain().encode(value)]  # type: ignore[call-overload]


def again(value: object) -> Any:
    return Plain().decode(encoded(value))


class TestPlain(CodecContract):
    codec = Plain()

    @pytest.fixture(autouse=True)
    def _exactly(self, exactly: Callable[[Any], bytes]) -> None:
        self.fingerprint = exactly  # type: ignore[method-assign]

    def fingerprint(self, value: Any) -> bytes:
        raise NotImplementedError

    def values(self) -> Iterable[object]:
        yield from (None, True, False, 0, -1, 255, 2**63, -(2**63), 10**5000, 1.5, -0.0)
        yield from (float("nan"), float("-inf"), 1 - 2j, "", "ä", "\ud800", b"", b"\0x")
        yield [1, True, 1.0, "1", b"1", None, [], (), {}, set(), frozenset()]
        yield {"b": 1, "a": 2, (1, "x"): [3], None: {4}, frozenset((1, 2)): 5.5}
        yield [2**63, 1], [2**63 - 1, -(2**63)], ("a", "bc", ""), [0.5, 1.5]
        yield [b"x" * 70_000, "y" * 70_000, ["z" * 40_000, "\ud800" * 40_000]]


@given(plain)
def test_every_plain_value_comes_back_exactly(
    exactly: Callable[[Any], bytes], value: object
) -> None:
    assert exactly(again(value)) == exactly(value)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_value_or_a_decode_error(noise: bytes) -> None:
    with suppress(DecodeError):
        Plain().decode([memoryview(b"\1" + noise)])


@given(plain, st.data())
def test_every_prefix_is_a_decode_error(value: object, data: st.DataObject) -> None:
    first, *rest = encoded(value)
    end = data.draw(st.integers(0, len(first) - 1))
    with pytest.raises(DecodeError):
        Plain().decode([first[:end], *rest])


def test_a_dict_keeps_its_order() -> None:
    assert list(again({"z": 1, "a": 2, "m": 3})) == ["z", "a", "m"]


def test_two_nans_are_two_keys() -> None:
    assert len(again({float("nan"): 1, float("nan"): 2})) == 2


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Text("x"),
        Point(1, 2),
        OrderedDict(a=1),
        bytearray(b"x"),
        object(),
        1j.real.__class__,
    ],
)
def test_a_subclass_or_another_type_is_refused_wherever_it_is(value: object) -> None:
    for holder in (value, [value], {"k": (1, value)}):
        with pytest.raises(EncodeError):
            Plain().encode(holder)


def test_a_container_held_twice_is_one_container_again() -> None:
    row = [1]
    first, second, _ = again([row, row, {"row": row}])
    first.append(2)
    assert second == [1, 2]


def test_equal_containers_stay_apart() -> None:
    first, second = again([[1], [1]])
    first.append(2)
    assert second == [1]


def test_a_container_in_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append({"in": circle})
    with pytest.raises(EncodeError, match="contain itself"):
        Plain().encode(circle)


def test_deep_nesting_is_refused_and_survived() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(EncodeError, match="deep"):
        Plain().encode(deep)
    with pytest.raises(DecodeError):
        Plain().decode([memoryview(b"\1" + b"l\1*" * 5000 + b"N")])


def test_tuples_that_double_cannot_take_for_ever() -> None:
    doubled: tuple[object, ...] = (1.5, "x")
    for _ in range(40):
        doubled = (doubled, doubled)
    with pytest.raises(EncodeError, match="too many"):
        Plain().encode(doubled)
    # A frozenset of such a tuple, by hand: hashing it would visit every path.
    pairs = b"".join(b"r" + bytes((order,)) + b"r" + bytes((order,)) for order in range(40))
    steps = b"".join(b"t\2*" + pairs[4 * order : 4 * order + 4] for order in range(40))
    forged = b"\1l\x2a*t\1*N" + steps + b"z\1*r\x28"
    with pytest.raises(DecodeError, match="too many"):
        Plain().decode([memoryview(forged)])


@pytest.mark.parametrize("tag", [b"l", b"t", b"e", b"z", b"d", b"s", b"b", b"i"])
@pytest.mark.parametrize("kind", [b"*", b"f", b"i", b"s"])
def test_a_huge_count_allocates_nothing(tag: bytes, kind: bytes) -> None:
    for count in (2**31, 2**62, 2**64 - 1):
        forged = b"\1" + tag + b"\xff" + struct.pack("<Q", count) + kind
        with pytest.raises(DecodeError):
            Plain().decode([memoryview(forged)])


def test_a_section_can_be_used_only_once() -> None:
    header, part = encoded(b"x" * 70_000)
    twice = b"\1l\2*" + bytes(header[1:]) * 2
    with pytest.raises(DecodeError):
        Plain().decode([memoryview(twice), part])


def test_large_bytes_are_not_copied() -> None:
    value = b"x" * 100_000
    assert any(section is value for section in Plain().encode({"blob": value}))


def test_a_limit_is_on_what_is_not_apart() -> None:
    assert Plain(limit=1000).encode([b"x" * 100_000])
    with pytest.raises(EncodeError, match="1000 bytes"):
        Plain(limit=1000).encode(list(range(1000)))


def test_a_plain_value_is_read_without_heavy_imports() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, stagecache.codecs as c;"
            "c.decode('plain', [memoryview(bytes(c.codec('plain').encode([1])[0]))], private=True);"
            "print(*{'pickle', 'msgspec', 'numpy', 'pandas', 'pyarrow', 'mmap', 'dataclasses',"
            " 'cloudpickle', 'inspect', 'json'} & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
