"""Keys of calls: equal calls meet, others never do, in every process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dogpile.cache")
from hypothesis import given
from hypothesis import strategies as st

from stagecache.errors import FingerprintError
from stagecache.integrations.dogpile import (
    class_key_generator,
    key_generator,
    multi_key_generator,
)


def g(a, b=None): ...


class One:
    def __init__(self, state=0):
        self.state = state

    def load(self, x): ...

    @classmethod
    def of(cls, x): ...


class Two(One):
    def load(self, x): ...


scalars = st.one_of(
    st.text(max_size=4), st.binary(max_size=4), st.integers(), st.floats(allow_nan=False),
    st.booleans(), st.none(), st.dates(),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=2), inner, max_size=3),
    ),
    max_leaves=6,
)


def typed(value):
    """What tells values apart as strictly as keys do."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [typed(each) for each in value]
    if isinstance(value, dict):
        return "dict", [(typed(key), typed(each)) for key, each in value.items()]
    return type(value).__name__, repr(value)


@given(st.tuples(values, values), st.tuples(values, values))
def test_two_calls_have_one_key_if_and_only_if_their_arguments_are_the_same(one, two):
    key = key_generator(None, g)
    assert (key(*one) == key(*two)) == (typed(one) == typed(two))


def test_what_dogpile_takes_for_the_same_call_is_not():
    key = key_generator(None, g)
    calls = [("1 2",), ("1", "2"), (1, 2), (True, 2), (1.0, 2), ("1", 2), (None, "1"), (["1", 2],)]
    assert len({key(*call) for call in calls}) == len(calls)
    assert len({key(lambda x: x), key(lambda x: -x), key(len), key(One()), key(Two())}) == 5
    assert key(1) == key(a=1) == key(1, None) == key(b=None, a=1)
    with pytest.raises(TypeError, match="g\\(\\)"):
        key(1, 2, 3)


def test_functions_and_namespaces_are_apart():
    def of(fn, namespace=None):
        return key_generator(namespace, fn)(1)

    def make(n):
        def inner(x):
            return x + n

        return inner

    found = [
        of(g), of(g, "a"), of(g, ""), of(g, "a']('b"), of(lambda x: x), of(lambda x: -x),
        of(make(1)), of(make(2)),
    ]  # fmt: skip
    assert len(set(found)) == len(found)
    assert of(make(1)) == found[-2]


def test_methods_of_two_classes_and_objects_of_two_states_are_apart():
    one, two = key_generator(None, One.load), key_generator(None, Two.load)
    assert one(One(), 1) == one(One(), 1)
    assert len({one(One(), 1), two(Two(), 1), one(Two(), 1), one(One(5), 1), one(One(), 2)}) == 5
    by_class = class_key_generator(None, One.load)
    assert by_class(One(), 1) == by_class(One(5), 1) != by_class(Two(), 1)
    of = key_generator(None, One.of.__func__)
    assert of(One, 1) != of(Two, 1)


def test_an_argument_without_a_sound_key_is_an_error_that_names_it():
    with pytest.raises(FingerprintError, match="`b`"):
        key_generator(None, g)(1, iter([]))
    with pytest.raises(FingerprintError, match="self"):
        key_generator(None, One.load)(One(iter([])), 1)
    assert class_key_generator(None, One.load)(One(iter([])), 1)


def test_text_is_made_as_one_wants_and_still_kept_apart():
    key = key_generator(None, g, lambda value: str(value).lower())
    assert key("A", 1) == key("a", "1")
    assert len({key("a b"), key("a", "b"), key("a, b")}) == 3


def test_each_of_many_keys_is_its_own():
    keys = multi_key_generator("space", g)(1, "1", 1.0, (1,), "1 2")
    assert len(set(keys)) == 5
    (key,) = multi_key_generator("space", g, to_str=str.lower)("A")
    assert key == f"{__name__}:g['space']('a')"


def test_keys_are_the_same_in_every_process(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        """
from stagecache.integrations.dogpile import key_generator

def rate(currency, day=1, *, kinds=frozenset()):
    return currency

print(key_generator("n", rate)("EUR", kinds=frozenset("abcdef")))
"""
    )
    found = {
        subprocess.run(
            [sys.executable, str(path)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed, path in (("1", script), ("2", script), ("3", _copy(script)))
    }  # fmt: skip
    assert len(found) == 1
    script.write_text(script.read_text().replace("return currency", "return 2 * currency"))
    edited = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert edited not in found


def _copy(script):
    other = script.with_name("other.py")
    other.write_text(script.read_text())
    return other
