"""``NAME=VALUE`` texts make the same call as Python would."""

from __future__ import annotations

import datetime

import pytest

from stagecache import File, pipeline, stage
from stagecache.cli.arguments import WrongArgumentsError, bind
from stagecache.errors import UnknownNameError


@stage
def load(path: File, rows: int = 10, *, since: datetime.date | None = None) -> int:
    return rows


@stage
def untyped(folder, rows=10, names=("a",), label=None):
    return rows


@stage
def positional_only(a: int, b: int = 2, /, c: int = 3) -> tuple[int, int, int]:
    return a, b, c


@stage
def variadic(*numbers: int, **options: float) -> None: ...


@pipeline
def nightly(folder: str, min_delay: int = 0) -> None: ...


def call(target, *texts):
    args, kwargs = bind(target, texts)
    return target.bind(args, kwargs) if hasattr(target, "bind") else (args, kwargs)


def test_values_have_the_types_of_the_parameters():
    assert call(load, "path=a.csv", "since=2013-01-31") == {
        "path": File("a.csv"),
        "rows": 10,
        "since": datetime.date(2013, 1, 31),
    }


def test_a_value_may_hold_equals_signs_and_be_empty():
    args, kwargs = bind(nightly, ["folder=a=b"])
    assert nightly.parameters.bind(args, kwargs) == {"folder": "a=b", "min_delay": 0}
    args, kwargs = bind(nightly, ["folder="])
    assert nightly.parameters.bind(args, kwargs)["folder"] == ""


def test_without_an_annotation_the_default_tells_the_type():
    assert call(untyped, "folder=3", "rows=3", 'names=["b"]', "label=x") == {
        "folder": "3",
        "rows": 3,
        "names": ("b",),
        "label": "x",
    }


def test_positional_only_parameters_can_be_named():
    assert call(positional_only, "c=5", "a=1") == {"a": 1, "b": 2, "c": 5}


def test_variadic_parameters_take_json_and_any_name():
    assert call(variadic, "numbers=[1, 2]", "scale=3") == {
        "numbers": (1, 2),
        "options": {"scale": 3.0},
    }


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["fodler=a"], UnknownNameError, "no parameter `fodler`. Did you mean `folder`?"),
        (["folder=a", "folder=b"], WrongArgumentsError, "`folder` is given twice"),
        (["folder"], WrongArgumentsError, "`folder` is not NAME=VALUE"),
        ([], WrongArgumentsError, "`folder` must be given. `nightly` takes folder=STR [min_delay"),
        (["folder=a", "min_delay=x"], WrongArgumentsError, "`min_delay`: not int: 'x'"),
    ],
)
def test_a_wrong_question_is_told_what_would_be_right(texts, error, message):
    with pytest.raises(error) as caught:
        bind(nightly, texts)
    assert message in str(caught.value)
