"""Arguments are bound as Python binds them, then policies apply."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecache import File, Ignore, StageDefinitionError
from stagecache.parameters import Parameters


def plain(a, b=2):
    return a, b


def positional_only(a, /, b=2, *, c=3):
    return a, b, c


def stars(a, *rest, b=2, **named):
    return a, rest, b, named


def collides(a, /, **named):
    return a, named


FUNCTIONS = [plain, positional_only, stars, collides]
values = st.integers(0, 9)
calls = st.tuples(
    st.lists(values, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from("abcde"), values, max_size=4),
)


@pytest.mark.parametrize("function", FUNCTIONS)
@given(call=calls)
def test_binding_agrees_with_python(function, call):
    args, kwargs = call
    parameters = Parameters(function)
    try:
        returned = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError, match=function.__qualname__):
            parameters.bind(args, kwargs)
        return
    expected = inspect.signature(function).bind(*args, **kwargs)
    expected.apply_defaults()
    bound = parameters.bind(args, kwargs)
    assert bound == dict(expected.arguments)
    assert tuple(bound) == parameters.names
    assert parameters.call(bound) == returned


def test_file_annotations_turn_paths_into_files_at_any_depth():
    def load(
        one: File,
        many: list[File],
        named: dict[str, File],
        maybe: File | None,
        marked: Annotated[File, "x"],
        either: File | str,
        text: str,
    ):
        return None

    bound = Parameters(load).bind(
        ("a", ["b", Path("c")], {"k": "d"}, None, File("e"), "f", "g"), {}
    )
    assert bound == {
        "one": File("a"),
        "many": [File("b"), File("c")],
        "named": {"k": File("d")},
        "maybe": None,
        "marked": File("e"),
        "either": "f",
        "text": "g",
    }


def test_a_wrapped_function_must_not_hide_policies():
    import functools

    def inner(path: File, log: Ignore[object]):
        return path

    @functools.wraps(inner)
    def wrapper(*args, **kwargs):
        return inner(*args, **kwargs)

    with pytest.raises(StageDefinitionError, match="wrapped by a decorator"):
        Parameters(wrapper)


def test_files_keep_path_and_counted_name(tmp_path):
    (tmp_path / "year=2013").mkdir()
    (tmp_path / "year=2013/a.csv").write_text("")
    (tmp_path / "year=2013/.hidden.csv").write_text("")
    (tmp_path / "b.csv").mkdir()
    (found,) = File.glob(tmp_path / "**/*.csv")
    assert found.counted_name == "year=2013/a.csv"
    assert File(found).counted_name == "year=2013/a.csv"
    assert os.fspath(found) == str(tmp_path / "year=2013/a.csv")
    (flat,) = File.glob(f"{tmp_path}/year=2013/*.csv")
    assert flat.counted_name == "a.csv"
    assert (flat.stem, flat.suffix, flat.name) == ("a", ".csv", "a.csv")
