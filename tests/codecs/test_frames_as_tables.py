from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stagecache.codecs.arrow import Arrow
from stagecache.codecs.parquet import Parquet
from stagecache.errors import DecodeError, EncodeError
from stagecache.testing.codecs import CodecContract

THREE = pd.date_range("2020-01-31", periods=3, freq="ME", name="when")


def stored(sections: Iterable[Any]) -> list[memoryview]:
    return [memoryview(bytes(section)) for section in sections]


def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.5, np.nan, -0.0],
            "f32": np.array([1, 2, 3], "f4"),
            "u": np.array([1, 2, 255], "u1"),
            "b": [True, False, True],
            "s": ["ä", None, "c"],
            "d": np.array(["2020-01-01", "NaT", "2021-02-03"], "M8[s]"),
            "tz": pd.date_range("2020", periods=3, tz="Europe/Vienna"),
            "td": pd.to_timedelta([1, None, 3], unit="h"),
            "c": pd.Categorical(["x", None, "y"], categories=["z", "y", "x"], ordered=True),
            "I": pd.array([1, None, 3], dtype="Int64"),
            "B": pd.array([True, None, False], dtype="boolean"),
            "F": pd.array([1.5, None, 2], dtype="Float32"),
            "S": pd.array(["a", None, "b"], dtype="string"),
            "p": pd.period_range("2020", periods=3, freq="M"),
            "iv": pd.interval_range(0, 3),
        }
    )


def objects() -> pd.DataFrame:
    cells: dict[str, list[Any]] = {
        "text": ["x", None, "y"],
        "ints": [1, 2, 3],
        "bools": [True, None, False],
        "bytes": [b"x", b"", None],
        "dates": [datetime.date(2020, 1, 1), None, datetime.date(1, 1, 1)],
        "decimals": [Decimal("1.10"), Decimal("2.20"), None],
        "times": [datetime.time(1, 2), None, datetime.time(3)],
    }
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in cells.items()})


def arrow_backed() -> pd.DataFrame:
    kinds: dict[str, tuple[list[Any], Any]] = {
        "i": ([1, None], pa.int64()),
        "l": ([[1], [2, 3]], pa.list_(pa.int64())),
        "t": ([datetime.datetime(2020, 1, 1), None], pa.timestamp("us")),
        "st": ([{"a": 1}, {"a": 2}], pa.struct([("a", pa.int64())])),
        "s": (["x", None], pa.string()),
    }
    frame = pd.DataFrame(
        {name: pd.array(cells, dtype=pd.ArrowDtype(kind)) for name, (cells, kind) in kinds.items()}
    )
    frame.insert(1, "plain", [1.5, 2.5])
    return frame


def attributed() -> pd.DataFrame:
    frame = mixed()[["i", "f"]]
    frame.attrs["source"] = {"x": (1, 2)}
    return frame


class TestArrow(CodecContract):
    codec = Arrow()

    @pytest.fixture(autouse=True)
    def _exactly(self, exactly: Callable[[Any], bytes]) -> None:
        self.fingerprint = exactly  # type: ignore[method-assign]

    def fingerprint(self, value: Any) -> bytes:
        raise NotImplementedError

    def mutate(self, value: Any) -> None:
        if isinstance(value, pd.Series) and len(value):
            value.iloc[0] = value.iloc[-1]
        if isinstance(value, pd.DataFrame) and len(value) and value.shape[1]:
            for position, dtype in enumerate(value.dtypes):
                if not isinstance(dtype, pd.ArrowDtype):
                    value.iloc[0, position] = value.iloc[-1, position]
                    value.iloc[:, position].array[0] = value.iloc[-1, position]
            value.isetitem(0, 1)
        if isinstance(value, pl.DataFrame):
            value[0, 0] = value[-1, 0]

    def values(self) -> Iterable[object]:
        yield from (mixed(), objects(), attributed(), pd.DataFrame(), pd.DataFrame(index=[3, 4]))
        yield pd.DataFrame({"a": np.array([], "i4"), "s": np.array([], object)})
        yield pd.DataFrame([[1, "a", 2.5]], columns=["a", "a", "b"])
        yield pd.DataFrame([[1, 2]], columns=[3, 7])
        yield pd.DataFrame([[1, 2]], columns=pd.Index([3, "7"], name="k"))
        yield pd.DataFrame([[1, 2, 3]], columns=THREE)
        yield pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)]))
        yield pd.DataFrame({"a": [1.5, 2.5, 3.5]}, index=THREE)
        yield pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 30, 10, name="n"))
        yield pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(["a", "b"]))
        names = ["k", None]
        yield pd.DataFrame(
            {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 1)], names=names)
        )
        yield from (pd.Series([1, 2], name="x"), pd.Series(["a", None], THREE[:2], name=("p", 1)))
        for missing in (np.nan, pd.NA):
            dtype = pd.StringDtype("python", na_value=missing)
            yield pd.DataFrame({"a": pd.Series(["a", None], dtype=dtype)}, pd.Index(["x", "y"]))
        yield from (pd.Index([1, 2], name="i"), THREE, pd.Index(["a", "b"]), pd.RangeIndex(3))
        yield pl.DataFrame({"a": [1, None], "s": ["x", "y"], "d": [datetime.date(2020, 1, 1)] * 2})
        yield pl.Series("x", [[1], [2, 3]])
        yield pa.table({"a": pa.chunked_array([[1], [2]])}, metadata={"k": "v"})
        yield from (pa.record_batch({"a": [1]}), pa.record_batch({"a": pa.array([], "int8")}))
        yield from (pa.array([1, None]), pa.chunked_array([[1], [2, None]]))


class TestParquet(TestArrow):
    codec = Parquet()


@pytest.mark.parametrize("codec", [Arrow(), Parquet()])
def test_arrow_backed_columns_keep_their_types(
    exactly: Callable[[Any], bytes], codec: Arrow
) -> None:
    frame = arrow_backed() if type(codec) is Arrow else arrow_backed().drop(columns="l")
    assert exactly(codec.decode(stored(codec.encode(frame)))) == exactly(frame)


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [1, "x", None]}),
        pd.DataFrame({"a": pd.Series(["x", None, np.nan], dtype=object)}),
        pd.DataFrame({"a": [{"k": 1}, {"j": 2}]}),
        pd.DataFrame({"a": [1j]}),
        pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1])}),
    ],
)
def test_what_arrow_loses_is_refused_or_found_by_the_proof(
    exactly: Callable[[Any], bytes], value: Any
) -> None:
    try:
        sections = stored(Arrow().encode(value))
    except EncodeError:
        return
    assert exactly(Arrow().decode(sections)) != exactly(value)


def test_subclasses_of_frames_are_left_to_others() -> None:
    class Frame(pd.DataFrame):
        pass

    assert not Arrow().accepts(Frame())
    assert not Arrow().accepts([1])


def test_a_mapped_table_is_not_copied() -> None:
    header, stream = Arrow().encode(pa.table({"a": range(10_000)}))
    mapped = pa.py_buffer(bytearray(stream))
    table: Any = Arrow().decode([memoryview(header), memoryview(mapped)])
    address = table.column(0).chunk(0).buffers()[1].address
    assert mapped.address <= address < mapped.address + mapped.size


@pytest.mark.parametrize("nested", ["plain", "list", "struct", "dictionary"])
@pytest.mark.parametrize(
    "wrong", [(-5, 0, 0, 0), (90, 0, 7, 0), (90, 0, -1, 0), (90, 0, 0, -1), (90, 0, 0, 80)]
)
def test_a_damaged_view_under_a_null_is_a_decode_error(wrong: Any, nested: str) -> None:
    import struct

    long = b"a text of more than twelve bytes" * 3
    views = [struct.pack("<iiii", len(long), int.from_bytes(long[:4], "little"), 0, 0)]
    views.append(struct.pack("<iiii", *wrong))
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(b"".join(views)), pa.py_buffer(long)]
    text = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    text.validate(full=True)  # which sees nothing
    column = {
        "plain": lambda: text,
        "list": lambda: pa.ListArray.from_arrays(pa.array([0, 2, 2]), text),
        "struct": lambda: pa.StructArray.from_arrays([text], ["x"]),
        "dictionary": lambda: pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), text),
    }[nested]()
    sections = Arrow().encode(pa.table({"a": column}))
    with pytest.raises(DecodeError):
        Arrow().decode([memoryview(bytearray(section)) for section in sections])
