"""What a call gives is the caller's own: no change of it is seen by whoever calls next."""

from __future__ import annotations

import array
import collections
import contextlib
import dataclasses
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stagecache import Cache, stage
from stagecache.fingerprint.values import fingerprint

SMALL, LARGE = 4, 20_000
MANY = 5_000
"""Objects that are no longer kept in a row; to look into more of them only takes longer."""


@dataclasses.dataclass
class Point:
    x: list[int]
    y: np.ndarray


@dataclasses.dataclass(frozen=True)
class Frozen:
    inner: dict[str, int]


class Slots:
    __slots__ = ("cells",)

    def __init__(self, cells: Any) -> None:
        self.cells = cells


class Pair(NamedTuple):
    left: list[int]
    right: int


class Sub(dict):
    pass


RECORD = np.dtype([("a", "<i4"), ("b", "<f8")])


def words(n: int) -> list[str]:
    return [f"word {number}" for number in range(n)]


def frame(n: int) -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(n), "b": np.arange(float(n)), "s": words(n)})


def lists(n: int) -> list[Any]:
    return [[number] for number in range(n)]


def graph(n: int) -> nx.Graph:
    return nx.path_graph(min(n, 500))


def cyclic(n: int) -> list[Any]:
    made: list[Any] = list(range(n))
    made.append(made)
    return made


def assign(place: Any, value: Any) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        found[place] = value

    return change


def cell(find: Callable[[Any], Any], value: Any = 9) -> Callable[[Any], None]:
    """Write to the first cell of what is found, whatever may stand in the way."""

    def change(found: Any) -> None:
        memory = find(found)
        with contextlib.suppress(ValueError, AttributeError):
            memory.flags.writeable = True
        memory[0] = value

    return change


def naming(find: Callable[[Any], Any]) -> Callable[[Any], None]:
    def change(found: Any) -> None:
        find(found).name = "changed"

    return change


def object_frame(n: int) -> pd.DataFrame:
    return pd.DataFrame({"o": pd.Series(lists(min(n, MANY)), dtype=object)})


def with_attrs(n: int) -> pd.DataFrame:
    made = frame(n)
    made.attrs["notes"] = ["one"]
    return made


def many_levels(n: int) -> pd.DataFrame:
    return frame(n).set_index(["a", "s"])


def labels(found: Any) -> Any:
    found.index.names = ["x", "y"]


def column(n: int, values: Any, dtype: Any = None) -> pd.Series:
    return pd.Series(values(n), dtype=dtype)


def rename_category(found: Any) -> None:
    found.array.categories.to_numpy()[0] = "changed"


MUTABLE: dict[str, tuple[Callable[[int], Any], Callable[[Any], Any]]] = {
    "list": (lambda n: list(range(n)), assign(0, "changed")),
    "list of lists": (lambda n: lists(min(n, MANY)), lambda v: v[0].append(9)),
    "list of dicts": (lambda n: [{"a": x} for x in lists(min(n, MANY))], lambda v: v[0].clear()),
    "dict": (lambda n: dict.fromkeys(range(n)), assign(0, "changed")),
    "dict of lists": (lambda n: {"a": {"b": list(range(n))}}, lambda v: v["a"]["b"].pop()),
    "set": (lambda n: set(range(n)), lambda v: v.add("changed")),
    "tuple of lists": (lambda n: (list(range(n)), 1), lambda v: v[0].append(9)),
    "tuple of sets": (lambda n: ({1}, set(range(n))), lambda v: v[1].clear()),
    "bytearray": (bytearray, assign(0, 9)),
    "list of bytearrays": (lambda n: [bytearray(n)], lambda v: v[0].extend(b"x")),
    "array.array": (lambda n: array.array("d", range(n)), assign(0, 9.0)),
    "deque": (lambda n: collections.deque(range(n)), lambda v: v.rotate(1)),
    "ordered dict": (
        lambda n: collections.OrderedDict.fromkeys(range(n)), lambda v: v.move_to_end(0)
    ),
    "default dict": (lambda n: collections.defaultdict(list, {0: [n]}), lambda v: v[0].append(1)),
    "counter": (lambda n: collections.Counter(words(n)), lambda v: v.update("x")),
    "chain map": (lambda n: collections.ChainMap({"a": n}), assign("a", "changed")),
    "dict subclass": (lambda n: Sub.fromkeys(range(n)), assign(0, "changed")),
    "named tuple": (lambda n: Pair(list(range(n)), 1), lambda v: v.left.clear()),
    "dataclass": (lambda n: Point([n], np.arange(n)), lambda v: v.x.append(1)),
    "array in a dataclass": (lambda n: Point([n], np.arange(n)), lambda v: assign(0, 9)(v.y)),
    "frozen dataclass": (lambda n: Frozen({"a": n}), lambda v: v.inner.clear()),
    "slots": (lambda n: Slots(list(range(n))), lambda v: setattr(v, "cells", 1)),
    "cycle": (cyclic, assign(0, "changed")),
    "random": (lambda n: random.Random(n), lambda v: v.random()),
    "generator of numpy": (lambda n: np.random.default_rng(n), lambda v: v.random()),
    "graph": (graph, lambda v: v.add_edge(0, "changed")),
    "attributes of a graph": (graph, lambda v: v.nodes[0].update(a=1)),
    "doubles": (lambda n: np.arange(float(n)), assign(0, 9)),
    "integers": (np.arange, assign(0, 9)),
    "truth values": (lambda n: np.zeros(8 * n, bool), assign(0, True)),
    "complex": (lambda n: np.zeros(n, "c16"), assign(0, 9j)),
    "text of numpy": (lambda n: np.array(words(n)), assign(0, "x")),
    "bytes of numpy": (lambda n: np.zeros(n, "S9"), assign(0, b"x")),
    "times of numpy": (lambda n: np.arange(n).view("M8[s]"), assign(0, 9)),
    "spans of numpy": (lambda n: np.arange(n).view("m8[s]"), assign(0, 9)),
    "records": (lambda n: np.zeros(n, RECORD), assign(0, (9, 9))),
    "recarray": (lambda n: np.zeros(n, RECORD).view(np.recarray), assign(0, (9, 9))),
    "Fortran order": (lambda n: np.zeros((n, 3), order="F"), assign((0, 0), 9)),
    "strided": (lambda n: np.arange(3 * n)[::3], assign(0, 9)),
    "no dimensions": (lambda n: np.array(n), assign((), 9)),
    "masked": (lambda n: np.ma.masked_less(np.arange(n), 2), assign(0, 9)),
    "a mask": (lambda n: np.ma.masked_less(np.arange(n), 2), lambda v: assign(3, True)(v.mask)),
    "objects": (lambda n: np.array([[1], None] * n, object), assign(1, 9)),
    "lists in objects": (lambda n: np.array([[1], None] * n, object), lambda v: v[0].append(1)),
    "arrays in a list": (lambda n: [np.arange(n), 1], lambda v: assign(0, 9)(v[0])),
    "arrays in a tuple": (lambda n: (np.arange(n), np.ones(n)), lambda v: assign(0, 9)(v[1])),
    "arrays in a dict": (lambda n: {"a": {"b": np.arange(n)}}, lambda v: assign(0, 9)(v["a"]["b"])),
    "a key of a dict of arrays": (lambda n: {"a": np.arange(n)}, lambda v: v.pop("a")),
    "frame": (frame, lambda v: assign((0, "a"), 9)(v.loc)),
    "a column more": (frame, assign("more", 9)),
    "a column less": (frame, lambda v: v.pop("s")),
    "memory of a frame": (frame, cell(lambda v: v["a"].array, 9)),
    "memory of a block": (frame, cell(lambda v: v["b"].to_numpy(), 9)),
    "text of a frame": (frame, cell(lambda v: v["s"].array, "x")),
    "index name": (frame, naming(lambda v: v.index)),
    "columns name": (frame, naming(lambda v: v.columns)),
    "memory of the columns": (frame, cell(lambda v: v.columns.to_numpy(), "x")),
    "memory of an index": (lambda n: frame(n).set_index("b"), cell(lambda v: v.index.to_numpy())),
    "attrs": (with_attrs, lambda v: v.attrs["notes"].append("two")),
    "names of levels": (many_levels, labels),
    "a level's memory": (many_levels, cell(lambda v: v.index.levels[0].to_numpy())),
    "frames in a list": (lambda n: [frame(n), frame(3)], lambda v: assign("x", 1)(v[0])),
    "frames in a dict": (lambda n: {"a": frame(n)}, lambda v: assign("x", 1)(v["a"])),
    "objects in a frame": (object_frame, lambda v: v["o"].iloc[0].append(9)),
    "series": (lambda n: column(n, np.arange), assign(0, 9)),
    "series name": (lambda n: column(n, np.arange), naming(lambda v: v)),
    "text series": (lambda n: column(n, words), assign(0, "x")),
    "object series": (lambda n: column(n, words, object), assign(0, "x")),
    "category": (lambda n: column(n, words, "category"), assign(0, "word 1")),
    "codes of a category": (
        lambda n: column(n, words, "category"), cell(lambda v: v.array._codes, 1)
    ),
    "names of a category": (lambda n: column(n, words, "category"), rename_category),
    "categorical": (lambda n: pd.Categorical(words(n)), assign(0, "word 1")),
    "nullable": (lambda n: column(n, np.arange, "Int64"), assign(0, None)),
    "mask of a nullable": (
        lambda n: column(n, np.arange, "Int64"), cell(lambda v: v.array._mask, True)
    ),
    "Arrow in pandas": (lambda n: column(n, np.arange, "int64[pyarrow]"), assign(0, 9)),
    "zoned times": (
        lambda n: pd.Series(pd.date_range("2013", periods=n, freq="h", tz="UTC")),
        assign(0, pd.Timestamp("2000", tz="UTC")),
    ),
    "spans": (lambda n: pd.Series(pd.timedelta_range("1h", periods=n)), assign(0, pd.Timedelta(0))),
    "periods": (
        lambda n: pd.Series(pd.period_range("2013", periods=n, freq="h")),
        assign(0, pd.Period("2000-01-01", "h")),
    ),
    "intervals": (
        lambda n: pd.Series(pd.interval_range(0, n)), assign(0, pd.Interval(5, 6)),
    ),
    "sparse": (
        lambda n: pd.Series(pd.arrays.SparseArray([0, 1] * n)),
        cell(lambda v: v.array.sp_values),
    ),
    "times of an index": (
        lambda n: pd.date_range("2013", periods=n, freq="h"), cell(lambda v: v.asi8)
    ),
    "memory of a bare index": (lambda n: pd.Index(np.arange(n)), cell(lambda v: v.to_numpy())),
    "name of a bare index": (lambda n: pd.Index(np.arange(n)), naming(lambda v: v)),
    "polars frame": (lambda n: pl.DataFrame({"a": range(n)}), assign((0, "a"), 9)),
    "a column more of polars": (
        lambda n: pl.DataFrame({"a": range(n)}), lambda v: v.insert_column(0, pl.lit(1).alias("x"))
    ),
    "rows more of polars": (lambda n: pl.DataFrame({"a": range(n)}), lambda v: v.extend(v)),
    "polars series": (lambda n: pl.Series("a", range(n)), assign(0, 9)),
    "polars text": (lambda n: pl.Series("a", words(n)), lambda v: v.rename("b").append(v)),
    "memory of a table": (
        lambda n: pa.table({"a": np.arange(n)}), cell(lambda v: v["a"].chunk(0).to_numpy())
    ),
    "memory of an Arrow array": (lambda n: pa.array(np.arange(n)), cell(lambda v: v.to_numpy())),
    "memory of a batch": (
        lambda n: pa.record_batch({"a": np.arange(n)}), cell(lambda v: v["a"].to_numpy())
    ),
    "buffer of a table": (
        lambda n: pa.table({"a": np.arange(n)}),
        lambda v: assign(0, 9)(memoryview(v["a"].chunk(0).buffers()[1])),
    ),
}  # fmt: skip


@stage(ignore=("made", "n"))
def kept(name: str, made: Callable[[int], Any], n: int) -> Any:
    return made(n)


PLACES: dict[str, dict[str, Any]] = {
    "on disk": {},
    "compressed": {"compression": "lz4"},
    "in memory": {"directory": ":memory:"},
}


@pytest.mark.parametrize(
    ("place", "n"),
    [
        pytest.param("on disk", SMALL, id="in its row"),
        pytest.param("on disk", LARGE, id="mapped"),
        pytest.param("compressed", LARGE, id="compressed"),
        pytest.param("in memory", LARGE, id="in memory"),
    ],
)
@pytest.mark.parametrize("kind", MUTABLE)
def test_a_changed_result_is_not_seen_by_the_next_call(tmp_path, kind, n, place):
    make, change = MUTABLE[kind]
    expected = fingerprint(make(n)).digest
    settings = {"directory": tmp_path / "c", **PLACES[place]}

    def changed(value: Any) -> bool:
        """Change a value in place; some refuse."""
        with contextlib.suppress(ValueError, TypeError, pa.ArrowException):
            change(value)
        return fingerprint(value).digest != expected

    with Cache(**settings) as cache:
        first = kept(kind, make, n)
        assert fingerprint(first).digest == expected
        was_changed = changed(first)
        for _ in range(2):
            again = kept(kind, make, n)
            assert again is not first
            assert fingerprint(again).digest == expected
            if was_changed:
                assert changed(again), "a hit is as writable as the result was"
        held = kept(kind, make, n)
        changed(kept(kind, make, n))
        assert fingerprint(held).digest == expected
        assert len(list(cache.entries())) == 1
    if settings["directory"] != ":memory:":
        with Cache(**settings) as cache:
            assert fingerprint(kept(kind, make, n)).digest == expected
            assert cache.verify() == []
