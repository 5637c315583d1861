"""Objects that answer any question, or raise, never make a job fail because it is cached."""

from __future__ import annotations

import pickle
import warnings
from contextlib import nullcontext, suppress
from unittest import mock

import pytest

import stagecache

SOURCE = """
class Answers(type):
    def __getattr__(cls, name):
        return name + "!"

class Raises(type):
    def __getattr__(cls, name):
        raise RuntimeError(name)

class Hides(type):
    def __eq__(cls, other):
        raise RuntimeError
    def __hash__(cls):
        return 1
    @property
    def __dict__(cls):
        raise RuntimeError

class Unhashed(type):
    def __eq__(cls, other):
        return cls is other

class A(metaclass=Answers): pass
class B(metaclass=Raises): pass
class C(metaclass=Hides): pass
class D(metaclass=Unhashed): pass

class Any:
    def __getattr__(self, name):
        return name + "!"

class Never:
    def __getattr__(self, name):
        raise RuntimeError(name)

class NeverAtAll:
    def __getattribute__(self, name):
        raise RuntimeError(name)

class Compares:
    def __eq__(self, other):
        raise RuntimeError
    __hash__ = None

class Weighs:
    def __bool__(self):
        raise RuntimeError
    def __len__(self):
        raise RuntimeError

class Lies:
    @property
    def __class__(self):
        return int

class Shows:
    def __repr__(self):
        raise RuntimeError

class Nowhere:
    __module__ = 5

class Mapping(dict):
    def __getitem__(self, key):
        raise RuntimeError
    def items(self):
        raise RuntimeError

class Sequence(list):
    def __iter__(self):
        raise RuntimeError
    def __len__(self):
        raise RuntimeError

FOUND = [A, A(), B, B(), C, C(), Any(), Never(), NeverAtAll(), Compares(), Weighs(), Lies(),
         Shows(), Nowhere, Nowhere(), Mapping(a=1), Sequence([1]), D(), [D()], {"a": D()}, D]
"""
USES = {
    "a global": "def work(x):\n    return (V is None) + x",
    "in a container": "T = {'a': [V]}\ndef work(x):\n    return len(T) + x",
    "a default": "def helper(v=V):\n    return 1\ndef work(x):\n    return helper() + x",
    "in a memo": "T = {'v': V}\ndef work(x):\n    T[x] = 1\n    return x",
    "an argument": "def work(x):\n    return 1",
    "a result": "def work(x):\n    return V",
}


def strange():
    namespace = {"__name__": "strange"}
    exec(SOURCE, namespace)
    return [*namespace["FOUND"], mock.Mock(), mock.MagicMock(), mock.call, mock.sentinel.x]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("at", range(len(strange())))
def test_a_job_goes_on_with_it(use, at, cache):
    value = strange()[at]
    namespace = {"__name__": "strange", "V": value}
    exec(USES[use], namespace)
    work = stagecache.stage(namespace["work"])
    argument = value if use == "an argument" else 1
    refusal = suppress(stagecache.FingerprintError) if use == "an argument" else nullcontext()
    with warnings.catch_warnings(), refusal:
        warnings.simplefilter("ignore")
        work(argument)
        work(argument)
        str(work.explain(argument))


def test_a_cache_that_a_body_holds_is_a_place_and_no_input(tmp_path):
    class Counted(stagecache.Cache):
        asked = 0

    with Counted(tmp_path / "cache") as cache:

        @stagecache.stage
        def job(x: int) -> int:
            cache.asked = cache.asked + 1
            return x

        assert [job(1), job(1)] == [1, 1]
        assert cache.asked == 1
        with pytest.raises(TypeError, match="a Cache is a place"):
            pickle.dumps(cache)


class Linked:
    def __init__(self, before):
        self.before = before


def _deep(wrap):
    value = None
    for _ in range(5_000):
        value = wrap(value)
    return value


def _around_itself():
    value = {"name": "a.txt"}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda: _deep(lambda inner: [inner]),
        lambda: _deep(lambda inner: {"inner": inner}),
        lambda: _deep(Linked),
        _around_itself,
    ],
    ids=["lists", "dicts", "objects", "a dict that holds itself"],
)
def test_what_holds_itself_or_is_deep_is_an_argument_like_others(make):
    ran = []

    @stagecache.stage(ignore=("note",))
    def work(value, note=None):
        note.append(1)
        return type(value).__name__

    with stagecache.Cache(":memory:"):
        first, second = make(), make()
        assert work(first, note=ran) == work(second, note=ran) == type(first).__name__
    assert ran == [1]
    for value in (first, second):  # or to let go of them would be too deep as well
        while isinstance(value, list | Linked):
            value = value[0] if isinstance(value, list) else value.before
