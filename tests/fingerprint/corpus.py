"""Values of every supported sort, each unlike all others; as a program it prints their digests.

Run it with another hash seed or another Python and compare.
"""

from __future__ import annotations

import array
import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import operator
import pathlib
import re
import struct
import sys
import types
import uuid
import warnings
import zoneinfo

from stagecache.fingerprint.values import fingerprint


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Word(enum.StrEnum):
    A = "a"


class Box:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


@dataclasses.dataclass
class Row:
    a: int
    b: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: int


class Names(dict):
    pass


class Items(list):
    pass


class Many(set):
    pass


class Number(int):
    pass


class Text(str):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")


def plain():
    """Return values of Python's own sorts and of classes of the user's."""
    moment = datetime.datetime(2024, 10, 27, 2, 30)
    berlin, london = zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Europe/London")
    itself: list[object] = [1]
    itself.append({"me": itself})
    ring: dict[str, object] = {"a": []}
    ring["a"].append(ring)
    return [
        *(None, True, False, 0, 1, -1, 2**63, -(2**64), 10**40, 10**5000, 10**5000 + 1),
        *(0.0, -0.0, 1.0, float("nan"), float("inf"), 5e-324, 1j, complex(-0.0, 1), ...),
        *("", "a", "é", "e\u0301", "\ud800", "\udfff", "\0", "a" * 4096, "\U0001d51e"),
        *(b"", b"a", b"\0" * 4096, bytearray(b"a"), memoryview(b"a"), memoryview(b"ab")[::2][:0]),
        *(array.array("i", [1]), array.array("l", [1]), array.array("d", [1.0])),
        *([], (), {}, set(), frozenset(), [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}),
        *([[1]], [(1,)], [[], []], ([], ()), {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        *({"apple", "pear", b"x", 3, (1, "a")}, frozenset("hello world"), {frozenset({1})}),
        *(Names(a=1), Names(a=2), Items([1]), Many({1}), Number(1), Text("a"), Pair(1, 2)),
        *(Pair(1, [2]), collections.OrderedDict(a=1), collections.OrderedDict(a=1, b=2)),
        *(collections.OrderedDict(b=2, a=1), collections.defaultdict(list, a=[1])),
        *(collections.defaultdict(dict, a=[1]), collections.Counter("aab")),
        *(collections.deque([1]), collections.deque([1], 3), collections.ChainMap({"a": 1}, {})),
        *(types.MappingProxyType({"a": 1}), types.SimpleNamespace(a=1), {"a": 1}.keys()),
        *({"a": 1}.values(), {"a": 1}.items(), collections.UserDict(a=1)),
        *(range(3), range(0, 6, 2), range(0), slice(1), slice(0, 1), slice(None), slice(1, 2, -1)),
        *(moment, moment.replace(fold=1), moment.replace(tzinfo=datetime.UTC), moment.date()),
        *(moment.replace(tzinfo=berlin), moment.replace(tzinfo=berlin, fold=1)),
        *(moment.replace(tzinfo=london), moment.replace(microsecond=1), moment.time()),
        *(datetime.time(2, 30, tzinfo=datetime.UTC), datetime.timedelta(1), datetime.timedelta(0)),
        *(
            datetime.timedelta(microseconds=1),
            datetime.UTC,
            datetime.timezone(datetime.timedelta(0, 1)),
        ),
        *(datetime.timezone(datetime.timedelta(0, 1), "x"), berlin, london),
        *(decimal.Decimal("1.5"), decimal.Decimal("1.50"), decimal.Decimal("-0")),
        *(decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal("-Infinity")),
        *(fractions.Fraction(1, 3), fractions.Fraction(3), uuid.UUID(int=7), uuid.UUID(int=8)),
        *(pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a/b"), pathlib.Path("a/b")),
        *(re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"), struct.Struct("<i")),
        *(
            struct.Struct(">i"),
            ipaddress.ip_address("10.0.0.1"),
            ipaddress.ip_network("10.0.0.0/8"),
        ),
        *(Colour.RED, Colour.BLUE, Level.LOW, Mode.READ, Mode.READ | Mode.WRITE, Mode(0), Word.A),
        *(Box(), Box(a=1), Box(a=Box(a=1)), Box(b=1), Box(a={("x", i) for i in range(20)})),
        *(Slotted(1), Slotted([1]), Row(1), Row(2), Row(1, Row(1)), Frozen(1), Frozen(2)),
        *(Row, Frozen, Box, Colour, int, str, object, list[int], list[str], int | str, int | None),
        *(len, print, str.join, "".join, dict.fromkeys, re, operator.itemgetter(0)),
        *(operator.itemgetter(1), operator.attrgetter("a"), operator.methodcaller("a", 1)),
        *(functools.partial(int, base=2), functools.partial(int, base=3), Box().__init__),
        *(ValueError("a"), ValueError("b"), KeyError("a"), NotImplemented, object(), itself, ring),
        *(contextvars.ContextVar("a", default=1), contextvars.ContextVar("a", default=2)),
    ]


def libraries():
    """Return values of numpy, pandas, pyarrow and polars."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is going to be removed, and is not yet
        return _libraries()


def _libraries():
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    days = pd.to_datetime(["2024-01-01", "2024-01-02", None])
    table = pa.table({"a": [1, 2, None], "b": ["x", None, "z"]})
    nested = pa.array([{"a": [1, 2]}, None, {"a": None}])
    record = np.array([(1, 2.0, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S1")])
    words = ["a", "b", None]
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    named = frame.copy()
    named.attrs["unit"] = "km"
    many = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"])
    ordered = pd.CategoricalDtype(["a", "b"], ordered=True)
    found = [
        *(np.int8(1), np.int64(1), np.uint64(1), np.float32(1), np.float64(1), np.bool_(True)),
        *(np.complex64(1), np.str_("a"), np.bytes_(b"a"), np.float16(1), np.longdouble(1)),
        *(np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "ns"), np.datetime64("NaT")),
        *(np.timedelta64(1, "D"), np.timedelta64(1, "s"), np.dtype("i4"), np.dtype(">i4")),
        *(
            record.dtype,
            record,
            record[0],
            record["a"],
            np.array(1),
            np.array([1]),
            np.array([[1]]),
        ),
        *(np.array([1, 2], "i4"), np.array([1, 2], ">i4"), np.array([1, 2], "f4")),
        *(np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(0), np.zeros((0, 1)), np.array([0.0, -0.0])),
        *(np.array(["a", "b"]), np.array(["a", "b"], "U2"), np.array([b"a", b"b"])),
        *(np.array(["a", None], object), np.array([1, "1"], object), np.array([[1], [2]], object)),
        *(np.zeros(2, "V4"), np.zeros(2, "V5"), np.array([True]), np.array([1 + 2j])),
        *(np.array(["2024"], "M8[D]"), np.array(["2024"], "M8[ns]"), np.array([1], "m8[s]")),
        *(np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.ma.array([1, 2])),
        *(np.ma.array([1, 2], mask=[0, 1], fill_value=7), np.matrix([[1]]), np.rec.array(record)),
        *(np.zeros(2, [("a", "i4", (2,))]), np.zeros(2, [("a", [("b", "i4")])])),
        *(np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1)),
        *(np.random.SeedSequence(1), np.sin, np.add, np.int32, np.poly1d([1, 2])),
        *(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC"), pd.Timedelta(1, "D")),
        *(pd.Timestamp("2024-01-01").as_unit("ns"), pd.Timestamp("2024-01-01").as_unit("s")),
        *(pd.Period("2024-01", "M"), pd.Period("2024-01", "D"), pd.Interval(0, 1), pd.NaT, pd.NA),
        *(
            pd.Interval(0, 1, "left"),
            pd.offsets.Day(1),
            pd.offsets.MonthEnd(1),
            pd.DateOffset(days=1),
        ),
        *(ordered, pd.CategoricalDtype(["a", "b"]), pd.CategoricalDtype(["b", "a"])),
        *(pd.Index([1, 2]), pd.Index([1, 2], name="n"), pd.RangeIndex(2), pd.RangeIndex(1, 3)),
        *(pd.Index(["a", "b"]), pd.Index(["a", "b"], dtype=object), days, days.tz_localize("UTC")),
        *(days.tz_localize("Europe/Berlin"), pd.date_range("2024", periods=3, freq="D")),
        *(pd.date_range("2024", periods=3, freq="D")._with_freq(None), pd.interval_range(0, 2)),
        *(pd.period_range("2024-01", periods=2, freq="M"), pd.timedelta_range("1D", periods=2)),
        *(many, many.set_names(["y", "x"]), many.swaplevel(), many[:1], pd.CategoricalIndex(["a"])),
        *(pd.Series([1, 2]), pd.Series([1, 2], name="n"), pd.Series([1, 2], index=[1, 2])),
        *(
            pd.Series([1.0, 2.0]),
            pd.Series([1, 2], dtype="Int64"),
            pd.Series([1, None], dtype="Int64"),
        ),
        *(pd.Series([1, 2], dtype="int64[pyarrow]"), pd.Series([True, None], dtype="boolean")),
        *(
            pd.Series([1.5, None], dtype="Float64"),
            pd.Series([1.5, None]),
            pd.Series([1, 2], dtype="i4"),
        ),
        *(
            pd.Series(words, dtype="str"),
            pd.Series(words, dtype=object),
            pd.Series(words, dtype="string"),
        ),
        *(pd.Series(["a", "b", np.nan], dtype=object), pd.Series(words, dtype="category")),
        *(pd.Series(words, dtype="large_string[pyarrow]"), pd.Series(words, dtype=ordered)),
        *(
            pd.Series(pd.arrays.SparseArray([0, 0, 1])),
            pd.Series(pd.arrays.SparseArray([0, 0, 1], fill_value=1)),
        ),
        *(
            pd.Series(pd.period_range("2024", periods=2, freq="M")),
            pd.Series(pd.interval_range(0, 2)),
        ),
        *(pd.Series(days), pd.Series(days.tz_localize("UTC")), pd.Series(days).dt.as_unit("s")),
        *(
            pd.Series(pd.timedelta_range("1D", periods=2)),
            pd.Series([[1], [2]]),
            pd.Series([{"a": 1}]),
        ),
        *(pd.Series(pd.array([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))),),
        *(frame, frame[["b", "a"]], frame.rename(columns={"a": "c"}), frame.set_index("a"), named),
        *(frame.iloc[::-1], frame.iloc[:0], frame.astype({"a": "i4"}), frame.assign(c=1)),
        *(
            pd.DataFrame({1: [1]}),
            pd.DataFrame({"1": [1]}),
            pd.DataFrame(columns=many),
            pd.DataFrame(),
        ),
        *(
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            pd.DataFrame(index=[1, 2]),
            pd.DataFrame([[1, 2]]),
        ),
        *(pa.array([1, 2]), pa.array([1, 2], pa.int32()), pa.array([1, None]), pa.array(words)),
        *(pa.array(words, pa.large_string()), pa.array(words).dictionary_encode(), nested),
        *(pa.array([[1], [2, 3], None]), pa.array([[1], [2, 3], None], pa.large_list(pa.int64()))),
        *(pa.array([[1, 2]], pa.list_(pa.int64(), 2)), pa.array([decimal.Decimal("1.5")])),
        *(pa.array([b"a"]), pa.array([b"a"], pa.binary(1)), pa.array([True, None]), pa.nulls(2)),
        *(
            pa.array([1], pa.timestamp("s")),
            pa.array([1], pa.timestamp("s", "UTC")),
            pa.array([1], pa.date32()),
        ),
        *(
            pa.array([1], pa.duration("s")),
            pa.array([1], pa.time32("s")),
            pa.array([1.0], pa.float32()),
        ),
        *(
            pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            pa.array(words, pa.string_view()),
        ),
        *(
            pa.UnionArray.from_sparse(
                pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
            ),
        ),
        *(
            pa.RunEndEncodedArray.from_arrays([1, 3], [1, 2]),
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"a" * 16], pa.binary(16))),
        ),
        *(pa.chunked_array([[1], [2]], pa.int16()), pa.scalar(1), pa.scalar("a"), pa.scalar(None)),
        *(
            table,
            table.rename_columns(["a", "c"]),
            table.replace_schema_metadata({"a": "b"}),
            table[:1],
        ),
        *(
            table.to_batches()[0],
            table.schema,
            table.schema.field("a"),
            pa.int64(),
            pa.list_(pa.int8()),
        ),
        *(pa.py_buffer(b"a"), table.schema.with_metadata({"k": "v"})),
        *(
            pl.Series("a", [1, 2]),
            pl.Series("b", [1, 2]),
            pl.Series("a", [1, None]),
            pl.Series([[1], []]),
        ),
        *(
            pl.Series(["a", None], dtype=pl.Categorical),
            pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
        ),
        *(pl.Series(["a"], dtype=pl.Enum(["b", "a"])), pl.Series([{"a": 1}]), pl.Series(words)),
        *(
            pl.DataFrame({"a": [1]}),
            pl.DataFrame({"a": ["1"]}),
            pl.DataFrame({"b": [1]}),
            pl.DataFrame(),
        ),
        *(pl.Series([datetime.date(2024, 1, 1)]), pl.Series([datetime.datetime(2024, 1, 1)])),
        *(
            pl.Series([datetime.timedelta(1)]),
            pl.Series([datetime.time(1)]),
            pl.Series([decimal.Decimal("1.5")]),
        ),
    ]
    return [*found, {"frame": frame, "array": np.arange(3)}, [frame], (frame,), Box(frame=frame)]


if __name__ == "__main__":
    made = {"plain": plain, "libraries": libraries}[sys.argv[1]]()
    print(*[f"{fingerprint(each).digest.hex()} {type(each)!r}" for each in made], sep="\n")
