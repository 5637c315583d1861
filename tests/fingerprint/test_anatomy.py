"""A value taken apart as a person would: parts that differ are named, equal ones are the same."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache.fingerprint import anatomy
from stagecache.fingerprint.anatomy import parts_of
from stagecache.fingerprint.parts import Known
from stagecache.fingerprint.values import fingerprint
from stagecache.model import MOST_PARTS

DATA = {"delay": [1.5, None, 3.0], "origin": ["JFK", "LGA", None], "day": [1, 2, 3]}
MAKERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def differing(one, other):
    before, now = dict(parts_of(one)), dict(parts_of(other))
    return {label for label in before.keys() | now.keys() if before.get(label) != now.get(label)}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_of_a_frame_whose_column_changed_that_column_differs_alone(make):
    other = {**DATA, "origin": ["JFK", "EWR", None]}
    assert differing(make(DATA), make(other)) == {"column 'origin'"}
    assert differing(make(DATA), make(DATA)) == set()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_added_column_is_the_only_new_part(make):
    assert differing(make(DATA), make({**DATA, "gain": [1, 2, 3]})) >= {"column 'gain'"}
    names = [label for label, _ in parts_of(make({**DATA, "gain": [1, 2, 3]}))]
    assert "column 'gain'" in names
    assert "rows: 3" in names


def test_index_attributes_and_labels_of_a_pandas_frame_are_parts():
    frame = pd.DataFrame(DATA)
    assert differing(frame, frame.set_axis([5, 6, 7])) == {"index"}
    noted = frame.copy()
    noted.attrs["unit"] = "min"
    assert differing(frame, noted) == {"attributes"}
    assert differing(frame, frame.rename_axis(columns="field")) == {"labels"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_long_names_of_columns_are_cut_and_still_told_apart(make):
    labels = [label for label, _ in parts_of(make({"x" * 900 + "1": [1], "x" * 900 + "2": [1]}))]
    assert len(labels) == len(set(labels))
    assert max(map(len, labels)) < 64


def test_columns_of_one_label_are_told_apart():
    frame = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    labels = [label for label, _ in parts_of(frame)]
    assert labels[-2:] == ["column 'a'", "column 'a' (2)"]


@given(st.lists(st.integers(), max_size=30), st.data())
def test_of_a_list_exactly_the_changed_position_differs(values, data):
    if values:
        at = data.draw(st.integers(0, len(values) - 1))
        changed = [*values[:at], "another", *values[at + 1 :]]
        assert differing(values, changed) == {f"position {at}"}
        assert differing(tuple(values), tuple(changed)) == {f"position {at}"}


@given(st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), st.integers()))
def test_labels_are_single_and_short_whatever_the_keys(value):
    parts = parts_of(value)
    assert len(parts) == len(value) == len({label for label, _ in parts})
    assert all(len(label) < 60 for label, _ in parts)


def test_parts_are_bounded_in_number():
    assert len(parts_of(list(range(1_000_000)))) == MOST_PARTS
    assert len(parts_of({n: n for n in range(1000)})) == MOST_PARTS
    assert len(parts_of(pd.DataFrame({str(n): [n] for n in range(500)}))) == MOST_PARTS


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_what_is_too_large_is_not_taken_apart(make, monkeypatch):
    assert parts_of(make(DATA))
    monkeypatch.setattr(anatomy, "LARGEST", 50)
    assert parts_of(make(DATA)) == ()
    assert parts_of([make(DATA)]) == ()


def test_a_stand_in_counts_as_its_value():
    value = [pd.DataFrame(DATA), 2]
    assert parts_of(value) == parts_of([Known(fingerprint(value[0]).digest), 2])


@pytest.mark.parametrize("value", [None, 5, "text", b"bytes", {1, 2}, object(), pd.Series([1])])
def test_other_values_have_no_parts(value):
    assert parts_of(value) == ()
