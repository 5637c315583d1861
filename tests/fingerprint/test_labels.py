"""A label is what a person would call a value, short, and never the value's own `repr`."""

from __future__ import annotations

import datetime
import pathlib

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stagecache import File
from stagecache.fingerprint.labels import label


class Loud:
    def __repr__(self):
        raise AssertionError

    __str__ = __repr__


class Words(list):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, "int 5"),
        (True, "bool True"),
        (None, "None"),
        ("abc", "str 'abc'"),
        ("a" * 100, "str '" + "a" * 39 + "…'"),
        (b"x" * 100, "bytes b'" + "x" * 39 + "…'"),
        (10**5000, "int of 16610 bits"),
        (1.5, "float 1.5"),
        ([1, 2], "list of 2"),
        (Words("ab"), "Words of 2"),
        ({"a": 1}, "dict of 1"),
        (File("a/2013-03.csv"), "File 2013-03.csv"),
        (File("a/x.csv", name=False), "File x.csv"),
        (pathlib.PurePosixPath("a/b"), "PurePosixPath a/b"),
        (datetime.date(2020, 1, 2), "date 2020-01-02"),
        (pd.DataFrame({"a": [1, 2], "b": 3}), "DataFrame 2x2"),
        (pd.Series([1, 2]), "Series 2"),
        (np.zeros((3, 4)), "ndarray 3x4"),
        (pa.table({"a": [1]}), "Table 1x1"),
        (pa.array([1, 2]), "Int64Array 2"),
        (pl.DataFrame({"a": [1]}), "DataFrame 1x1"),
        (label, "function label"),
        (Loud, "type Loud"),
        (Loud(), "Loud"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_label_is_what_a_person_would_say(value, expected):
    assert label(value) == expected
