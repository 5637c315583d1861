"""Frames count by everything that a person can see of them, and by nothing else."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stagecache import FingerprintError
from stagecache.fingerprint.values import fingerprint


def digest(value: object) -> bytes:
    return fingerprint(value).digest


class Wide(pd.DataFrame):
    _metadata = ["unit"]

    @property
    def _constructor(self):
        return Wide


def text(storage, missing):
    return pd.Series(["a", None, "b", "é"], dtype=pd.StringDtype(storage, na_value=missing))


COLUMNS = {
    "int": [1, 2, 3, 4],
    "small": np.array([1, 2, 3, 4], "i1"),
    "float": [1.0, np.nan, 3.0, 4.0],
    "bool": [True, False, True, True],
    "complex": [1j, 2, 3, 4],
    "str": text("pyarrow", np.nan),
    "string": text("pyarrow", pd.NA),
    "object text": pd.Series(["a", "x", "b", "é"], dtype=object),
    "object none": pd.Series(["a", None, "b", "é"], dtype=object),
    "object nan": pd.Series(["a", np.nan, "b", "é"], dtype=object),
    "object NA": pd.Series(["a", pd.NA, "b", "é"], dtype=object),
    "object NaT": pd.Series(["a", pd.NaT, "b", "é"], dtype=object),
    "object mixed": pd.Series(["a", 1, 1.0, True], dtype=object),
    "object lists": pd.Series([[1], {"a": 1}, (1,), None], dtype=object),
    "Int64": pd.array([1, None, 3, 4], dtype="Int64"),
    "Float64": pd.array([1, None, 3, 4], dtype="Float64"),
    "boolean": pd.array([True, None, True, True], dtype="boolean"),
    "category": pd.Categorical(["a", "b", None, "a"]),
    "ordered": pd.Categorical(["a", "b", None, "a"], ordered=True),
    "other order": pd.Categorical(["a", "b", None, "a"], categories=["b", "a"]),
    "unused": pd.Categorical(["a", "b", None, "a"], categories=["a", "b", "c"]),
    "moments": pd.date_range("2020", periods=4, unit="ns"),
    "seconds": pd.date_range("2020", periods=4, unit="s"),
    "zoned": pd.date_range("2020", periods=4, tz="Europe/Berlin"),
    "other zone": pd.date_range("2020", periods=4, tz="Europe/Berlin").tz_convert("UTC"),
    "durations": pd.to_timedelta([1, 2, 3, 4], unit="s"),
    "periods": pd.period_range("2020", periods=4, freq="M"),
    "days": pd.period_range("2020", periods=4, freq="D"),
    "intervals": pd.interval_range(0, 4),
    "left": pd.interval_range(0, 4, closed="left"),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 2]),
    "sparse fill": pd.arrays.SparseArray([0, 0, 1, 2], fill_value=1),
    "arrow int": pd.array([1, None, 3, 4], dtype="int64[pyarrow]"),
    "arrow text": pd.array(["a", None, "b", "é"], dtype=pd.ArrowDtype(pa.string())),
}
MAKERS = {
    "series": pd.Series,
    "frame": lambda column: pd.DataFrame({"x": column}),
    "two": lambda column: pd.DataFrame({"x": column, "y": column}),
    "index": pd.Index,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_equal_copies_are_equal_and_kinds_of_columns_differ(make):
    met = {}
    for name, column in COLUMNS.items():
        value = make(column)
        found = digest(value)
        assert found not in met, (name, met[found])
        met[found] = name
        assert found == digest(value.copy(deep=True)) == digest(copy.deepcopy(value)), name
        assert found == digest(pickle.loads(pickle.dumps(value))), name


@pytest.mark.parametrize("name", COLUMNS)
def test_chunks_slices_and_consolidation_do_not_count(name):
    frame = pd.DataFrame({"x": COLUMNS[name], "n": 1})
    twice = pd.concat([frame, frame], ignore_index=True)
    pieces = pd.concat([frame.iloc[:1], frame.iloc[1:], frame.iloc[:3], frame.iloc[3:]])
    assert digest(twice) == digest(pieces.reset_index(drop=True))
    assert digest(twice.iloc[4:].reset_index(drop=True)) == digest(frame)
    apart = frame.copy()
    apart["n"] = apart["n"].to_numpy().copy()
    assert digest(apart) == digest(frame)


@pytest.mark.parametrize("missing", [np.nan, pd.NA])
@pytest.mark.parametrize("storage", ["pyarrow", "python"])
def test_what_strings_are_sliced_out_of_does_not_count(storage, missing):
    whole = text(storage, missing)
    pieces = pd.concat([whole[1:2], whole[2:]], ignore_index=True)
    for make in MAKERS.values():
        assert digest(make(pieces)) == digest(make(whole[1:].reset_index(drop=True)))


@pytest.mark.parametrize("missing", [np.nan, pd.NA])
def test_who_stores_strings_counts_for_they_fold_letters_otherwise(missing):
    one, two = text("pyarrow", missing), text("python", missing)
    for make in MAKERS.values():
        assert digest(make(one)) != digest(make(two))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"a": [1]}),
        lambda: pd.Series([1]),
        lambda: Wide({"a": [1]}),
        lambda: pl.DataFrame({"a": [1]}),
        lambda: pl.Series([1]),
    ],
)
def test_what_somebody_put_on_a_frame_counts(make):
    def put(name):
        value = make()
        object.__setattr__(value, "source", name)
        return value

    assert len({digest(value) for value in (make(), put("a"), put("b"))}) == 3
    assert digest(put("a")) == digest(put("a"))


def test_integers_of_128_bits_in_polars_have_fingerprints():
    one, two = (pl.DataFrame({"a": [n, None]}, schema={"a": pl.Int128}) for n in (2**90, 2**91))
    assert digest(one) == digest(one.clone()) != digest(two)


def test_what_lies_under_a_mask_does_not_count():
    one = pd.array([1, 2, 3], dtype="Int64")
    two = pd.array([1, 7, 3], dtype="Int64")
    one[1] = two[1] = pd.NA
    assert digest(pd.Series(one)) == digest(pd.Series(two))
    nan = pd.arrays.FloatingArray(np.array([np.nan, 1.0]), np.array([False, False]))
    assert digest(nan) != digest(pd.array([None, 1.0], dtype="Float64"))


@pytest.mark.parametrize("rows", [3, 60_000])
def test_the_layout_of_a_block_does_not_count(rows):
    array = np.random.default_rng(1).random((rows, 4))
    frames = [
        pd.DataFrame(array),
        pd.DataFrame(np.asfortranarray(array)),
        pd.DataFrame(array, copy=False),
        pd.DataFrame(np.repeat(array, 2, axis=0), copy=False).iloc[::2].reset_index(drop=True),
    ]
    frames.append(frames[0].iloc[:, [1, 0, 2, 3]].iloc[:, [1, 0, 2, 3]])
    frames[-1].columns = frames[0].columns
    frames[-2].index = frames[0].index
    assert len({digest(frame) for frame in frames}) == 1


def test_labels_names_order_and_flags_count():
    base = pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0], "c": [5, 6]})

    def changed(**changes):
        frame = base.copy()
        for name, value in changes.items():
            setattr(frame, name, value)
        return frame

    named = changed()
    named.columns.name = "k"
    rows = changed()
    rows.index.name = "k"
    noted = changed()
    noted.attrs["unit"] = "m"
    values = [
        base,
        base[["b", "a", "c"]],
        base[["c", "b", "a"]].set_axis(["a", "b", "c"], axis=1),
        base.iloc[::-1],
        base.iloc[::-1].reset_index(drop=True),
        changed(columns=["a", "b", "b"]),
        changed(columns=[0, 1, 2]),
        changed(columns=pd.RangeIndex(3)),
        changed(columns=["a", "b", 2]),
        changed(columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 1), ("c", 1)])),
        changed(index=[0, 1]),
        changed(index=[0.0, 1.0]),
        changed(index=["0", "1"]),
        changed(index=pd.date_range("2020", periods=2)),
        changed(index=pd.DatetimeIndex(["2020-01-01", "2020-01-02"])),
        changed(index=pd.MultiIndex.from_product([[0, 1], ["x"]])),
        changed(index=pd.MultiIndex.from_product([[0, 1], ["x"]], names=["i", None])),
        named,
        rows,
        noted,
        base.set_flags(allows_duplicate_labels=False),
        base.astype({"a": "Int64"}),
        base["a"],
        base["a"].rename("b"),
        base["a"].rename(None),
        base[["a"]],
        base.iloc[:0],
        base[[]],
        pd.DataFrame(),
        Wide(base),
        base.groupby("a"),
    ]
    assert len({digest(value) for value in values}) == len(values)


def test_a_frame_of_a_users_class_counts_with_what_the_class_declares():
    one, two = Wide({"a": [1]}), Wide({"a": [1]})
    one.unit, two.unit = "m", "km"
    assert fingerprint(one).refs == (Wide,)
    assert digest(one) != digest(two)


def test_scalars_of_pandas_differ():
    values = [
        pd.Timestamp("2020"),
        pd.Timestamp("2020", tz="UTC"),
        pd.Timestamp("2020", tz="Europe/Berlin"),
        pd.Timestamp("2020").as_unit("s"),
        pd.Timestamp("2020").to_pydatetime(),
        pd.Timestamp("2020").to_datetime64(),
        pd.Timedelta(1),
        pd.Period("2020", "M"),
        pd.Period("2020", "D"),
        pd.Interval(0, 1),
        pd.Interval(0, 1, closed="both"),
        pd.NaT,
        pd.NA,
        None,
        float("nan"),
        pd.offsets.CustomBusinessDay(),
        pd.offsets.CustomBusinessDay(holidays=["2020-01-01"]),
        pd.CategoricalDtype(["a"]),
        pd.CategoricalDtype(["a"], ordered=True),
        pd.Int64Dtype(),
    ]
    assert len({digest(value) for value in values}) == len(values)
    for value in values:
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_the_place_of_what_cannot_be_taken_apart_is_named():
    frame = pd.DataFrame({"a": [1, 2], "b": [1, (x for x in ())]})
    with pytest.raises(FingerprintError) as caught:
        fingerprint([frame], name="df")
    assert caught.value.subject == "df[0]['b'][1]"


def test_polars_counts_through_arrow():
    frame = pl.DataFrame({"a": [1, None], "b": ["x", None], "c": [[1], [2, 3]]})
    pieces = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert digest(frame) == digest(pieces) == digest(pickle.loads(pickle.dumps(frame)))
    values = [
        frame,
        frame[["b", "a", "c"]],
        frame.rename({"a": "z"}),
        frame.cast({"a": pl.Int32}),
        frame.cast({"b": pl.Categorical}),
        frame.cast({"b": pl.Enum(["x"])}),
        frame.cast({"b": pl.Enum(["x", "y"])}),
        frame[::-1],
        frame["a"],
        frame["a"].to_frame(),
        frame.to_arrow(),
        frame.to_pandas(),
        pl.Series("o", [object, 1], dtype=pl.Object),
    ]
    assert len({digest(value) for value in values}) == len(values)
    with pytest.raises(FingerprintError, match="collect"):
        fingerprint(frame.lazy())
