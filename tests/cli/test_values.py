"""What a person types becomes the value that the annotation asks for, of that very type."""

from __future__ import annotations

import datetime
import decimal
import enum
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache import File
from stagecache.cli.scalars import UnusableValueError
from stagecache.cli.values import convert, parse


class Mode(enum.Enum):
    FAST = 1
    EXACT = "exact"


Folder = NewType("Folder", str)

GOOD = [
    ("3", int, 3),
    ("-3", int, -3),
    ("3", float, 3.0),
    ("1e3", float, 1000.0),
    ("3", str, "3"),
    ("3", Any, "3"),
    ("", str, ""),
    ("a=b", str, "a=b"),
    ("true", bool, True),
    ("No", bool, False),
    ("0", bool, False),
    ("a.csv", File, File("a.csv")),
    ("a.csv", Path, Path("a.csv")),
    ("a.csv", PurePosixPath, PurePosixPath("a.csv")),
    ("a.csv", os.PathLike[str], Path("a.csv")),
    ("fast", Literal["fast", "slow"], "fast"),
    ("2", Literal[1, 2], 2),
    ("FAST", Mode, Mode.FAST),
    ("exact", Mode, Mode.EXACT),
    ("1.10", decimal.Decimal, decimal.Decimal("1.10")),
    ("2013-01-31", datetime.date, datetime.date(2013, 1, 31)),
    ("2013-01-31T05:00", datetime.datetime, datetime.datetime(2013, 1, 31, 5)),
    ("05:30", datetime.time, datetime.time(5, 30)),
    ("1h30m", datetime.timedelta, datetime.timedelta(hours=1, minutes=30)),
    ("none", int | None, None),
    ("null", Optional[int], None),  # noqa: UP045
    ("4", Optional[int], 4),  # noqa: UP045
    ("4", str | int, 4),
    ("four", str | int, "four"),
    ("1", bool | int, 1),
    ("true", bool | int, True),
    ("2.5", int | float, 2.5),
    ("2013-01-31", datetime.date | str, datetime.date(2013, 1, 31)),
    ("soon", datetime.date | str, "soon"),
    ("data", str | os.PathLike[str], "data"),
    ("7", Annotated[int, "rows"], 7),
    ("data", Folder, "data"),
    ("[1, 2]", list[int], [1, 2]),
    ("[1, 2]", list[float], [1.0, 2.0]),
    ("[1, 2]", list, [1, 2]),
    ("[1, 2]", Sequence[int], [1, 2]),
    ("[1, 2]", tuple[int, ...], (1, 2)),
    ('[1, "a"]', tuple[int, str], (1, "a")),
    ("[1, 1]", set[int], {1}),
    ('["a", "b"]', frozenset[str], frozenset("ab")),
    ('["a.csv"]', list[File], [File("a.csv")]),
    ('["2013-01-31"]', list[datetime.date], [datetime.date(2013, 1, 31)]),
    ('{"a": [1]}', dict[str, list[int]], {"a": [1]}),
    ('{"a": 1}', Mapping[str, float], {"a": 1.0}),
    ("[[1, 2], [3]]", list[list[int]], [[1, 2], [3]]),
    ("[1, null]", list[int | None], [1, None]),
    ('[1, "x"]', list[int | str], [1, "x"]),
    ("none", list[int] | None, None),
    ("[1]", list[int] | None, [1]),
    ("[1, 2]", list[Literal[1, 2]], [1, 2]),
]

BAD = [
    ("x", int, "not int: 'x'"),
    ("3.0", int, "not int"),
    ("maybe", bool, "not bool"),
    ("medium", Literal["fast", "slow"], "not 'fast' or 'slow'"),
    ("SLOW", Mode, "not one of FAST, EXACT"),
    ("31.1.2013", datetime.date, "not date"),
    ("a", int | None, "not None or int"),
    ("1,2", list[int], "written as JSON, like [1, 2]"),
    ("1,2", dict[str, int], 'written as JSON, like {"a": 1}'),
    ("3", list[int], "not list[int]"),
    ('{"a": 1}', list[int], "not list[int]"),
    ("[1.5]", list[int], "not int: 1.5"),
    ("[true]", list[int], "not int: True"),
    ("[1]", list[str], "not str: 1"),
    ("[1, 2, 3]", tuple[int, int], "2 elements are wanted, not 3"),
    ("x", object(), "cannot be written as text"),
    ("x", type(threading.Lock()), "cannot be written as text"),
]


@pytest.mark.parametrize(("text", "annotation", "value"), GOOD)
def test_text_becomes_what_the_annotation_asks_for(text, annotation, value):
    parsed = parse(text, annotation)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(("text", "annotation", "message"), BAD)
def test_text_that_does_not_fit_says_what_would(text, annotation, message):
    with pytest.raises(UnusableValueError) as caught:
        parse(text, annotation)
    assert message in str(caught.value)


def test_numbers_in_json_lists_have_the_type_of_the_annotation():
    assert [type(x) for x in parse("[1, 2.5]", list[float])] == [float, float]
    assert [type(x) for x in parse("[1, 2.5]", list[int | float])] == [int, float]


@given(st.integers() | st.booleans() | st.floats(allow_nan=False) | st.dates() | st.text())
def test_what_python_prints_is_read_back(value):
    assert parse(str(value), type(value)) == value


@given(st.recursive(st.integers() | st.booleans() | st.text(), st.lists, max_leaves=8))
def test_without_a_type_json_stays_as_it_is(value):
    assert convert([value], list[Any]) == [value]
