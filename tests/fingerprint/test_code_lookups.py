"""Names that are data, registries, what code says of itself: what counts of them, what not."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

import pytest

from stagecache.fingerprint.code import describe_code, fingerprint_code


def load(text: str, name: str = "zq_lookups", **names: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": name, **names}
    exec(compile(text, f"{name}.py", "exec"), namespace)
    return namespace


def digest(text: str, **names: Any) -> str:
    return fingerprint_code(load(text, **names)["stage"]).hex()


REGISTRY = """
FOUND = {}
def keep(name, fn=None):
    if fn is not None:
        FOUND[name] = fn
    return FOUND[name]
def stage(x):
    return keep("a")(x)
"""


def test_code_in_a_registry_that_code_fills_counts() -> None:
    entry = "\ndef one(x):\n    return x + %d\nkeep('a', one)\n"
    assert digest(REGISTRY + entry % 1) == digest(REGISTRY + entry % 1)
    assert digest(REGISTRY + entry % 1) != digest(REGISTRY + entry % 2)
    assert digest(REGISTRY + entry % 1) != digest(REGISTRY)


def test_what_a_memo_holds_does_not_count() -> None:
    for kept in ("5", "[1, 2]", "make(3)", "len", "stage", "Thing()"):
        text = (
            REGISTRY + "\ndef make(n):\n    return lambda x: x + n\nclass Thing:\n    pass\n"
            "FOUND['b'] = " + kept
        )
        assert digest(text) == digest(REGISTRY), kept


def test_a_registration_later_is_noticed() -> None:
    module = load(REGISTRY)
    before = fingerprint_code(module["stage"])
    exec("def one(x):\n    return x + 1\nkeep('a', one)", module)
    after = fingerprint_code(module["stage"])
    assert after != before
    exec("def one(x):\n    return x + 2\nkeep('a', one)", module)
    assert fingerprint_code(module["stage"]) not in (before, after)
    module["FOUND"].clear()
    assert fingerprint_code(module["stage"]) == before


@pytest.mark.parametrize(
    ("asked", "one", "other"),
    [
        ("f.__name__", "def f(): pass", "def g(): pass\nf = g"),
        ("f.__doc__", "def f(): 'a'", "def f(): 'b'"),
        ("f.__annotations__", "def f(x: int): pass", "def f(x: str): pass"),
        ("getattr(f, '__doc__')", "def f(): 'a'", "def f(): 'b'"),
        ("[g.__name__ for g in (f,)]", "def f(): pass", "def g(): pass\nf = g"),
        ("type(f()).__name__", "class f: pass", "class g: pass\nf = g"),
        (
            "f.__class__.__qualname__ + C.__name__",
            "f = 1\nclass C: pass",
            "f = 1\nclass D: pass\nC = D",
        ),
    ],
)
def test_what_code_asks_of_functions_and_classes_counts(asked: str, one: str, other: str) -> None:
    text = "\ndef stage(x):\n    return " + asked
    silent = "\ndef stage(x):\n    return f"
    assert digest(one + text) != digest(other + text)
    assert digest(one + silent) == digest(other + silent)


def test_the_name_of_an_exception_is_no_name_of_a_helper() -> None:
    text = """
def {name}(x):
    return x
def stage(x):
    try:
        return {name}(x)
    except ValueError as error:
        return type(error).__name__
"""
    assert digest(text.format(name="one")) == digest(text.format(name="other"))


def test_eval_and_globals_reach_what_they_may_name() -> None:
    helper = "def one(x):\n    return x + %d\ndef other(x):\n    return 0\n"
    for ask in ("eval('one(x)')", "globals()['one'](x)", "globals().get('one')(x)"):
        stage = f"def stage(x):\n    return {ask}\n"
        assert digest(helper % 1 + stage) != digest(helper % 2 + stage), ask
        unrelated = (helper % 1).replace("return 0", "return 7")
        assert digest(helper % 1 + stage) == digest(unrelated + stage), ask
    stage = "def stage(x, name):\n    return globals()[name](x)\n"
    assert digest(helper % 1 + stage) != digest(helper % 2 + stage)


def test_the_history_of_a_notebook_is_no_part_of_its_globals() -> None:
    stage = "def stage(x, name):\n    return globals()[name](x)\n"
    ipython = {"get_ipython": print, "In": [""], "_dh": ["/"], "_i1": "a", "_": 1, "exit": 1}
    assert digest(stage, **ipython) == digest(stage, **{**ipython, "In": ["", "more"], "_": 2})


def test_a_computed_import_is_told_as_unresolved() -> None:
    stage = load("import importlib\ndef stage(n):\n    return importlib.import_module(n)\n")[
        "stage"
    ]
    assert "importlib.import_module()" in describe_code(stage).unresolved


def test_a_users_function_in_a_librarys_place_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    import colorsys

    text = "import colorsys\ndef stage(x):\n    return colorsys.rgb_to_hsv(x, x, x)\n"
    before = digest(text)
    found = []
    for k in (1, 2):
        mine = load(f"def mine(r, g, b):\n    return {k}\n")["mine"]
        monkeypatch.setattr(colorsys, "rgb_to_hsv", mine)
        found.append(digest(text))
    monkeypatch.undo()
    assert len({before, *found}) == 3
    assert digest(text) == before


def test_an_object_written_in_c_counts_by_the_function_behind_it() -> None:
    np = pytest.importorskip("numpy")
    text = "K = wrap(lambda a, b=0: a {} 1)\ndef stage(x):\n    return K\n"
    for wrap in (functools.cmp_to_key, lambda fn: np.frompyfunc(fn, 1, 1)):
        assert digest(text.format("+"), wrap=wrap) == digest(text.format("+"), wrap=wrap)
        assert digest(text.format("+"), wrap=wrap) != digest(text.format("-"), wrap=wrap)


def test_sets_of_functions_of_one_name_have_one_order() -> None:
    text = """
def make(n):
    def f(x):
        return x + n
    return f
FOUND = {%s}
def stage(x):
    return FOUND
"""
    orders = ("make(1), make(2), make(3)", "make(3), make(1), make(2)")
    assert len({digest(text % order) for order in orders for _ in range(10)}) == 1
    assert digest(text % orders[0]) != digest(text % "make(1), make(2), make(4)")


def test_a_class_made_by_a_call_is_the_users() -> None:
    text = "def stage(x):\n    return A.k\n"
    made = [types.new_class("A", (), {}, lambda names, k=k: names.update(k=k)) for k in (1, 2)]
    assert made[0].__module__ in ("types", __name__, sys.__name__)
    assert digest(text, A=made[0]) != digest(text, A=made[1])


@pytest.mark.parametrize(
    "asking",
    [
        "duckdb.sql('select a from orders')",
        "duckdb.connect().execute(QUERY)",
        "duckdb.sql(f'select a from {name}')",
        "polars.sql('select a FROM other JOIN orders USING (a)')",
        "polars.SQLContext(register_globals=True).execute(QUERY)",
    ],
)
def test_a_frame_that_a_query_names_counts(asking: str) -> None:
    import pandas as pd

    def with_frames(orders: int, unrelated: int) -> str:
        frames = {"orders": pd.DataFrame({"a": [orders]}), "unrelated": pd.Series([unrelated])}
        text = f"import duckdb, polars\nQUERY = 'select a from orders'\ndef stage(name): {asking}"
        return digest(text, **frames)

    assert with_frames(1, 1) == with_frames(1, 1) != with_frames(2, 1)
    assert (with_frames(1, 1) == with_frames(1, 2)) is ("{name}" not in asking)


def test_a_word_of_a_query_that_is_no_frame_does_not_count() -> None:
    text = "import duckdb\ndef stage(): return duckdb.sql('select a from orders')"
    assert digest(text, orders=1) == digest(text, orders=2)
