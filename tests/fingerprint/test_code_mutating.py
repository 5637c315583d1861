"""What is told from names and op codes alone: that code fills nothing outside of itself."""

from __future__ import annotations

import argparse
import asyncio.base_events
import collections
import functools
import inspect
import json.decoder
import logging
import threading
import typing
from types import CodeType, FunctionType

import pytest

from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.keeping import _fills_outside, fills_outside
from stagecache.fingerprint.code.mutating import may_fill

MODULES = [
    argparse, asyncio.base_events, collections, functools, inspect, json.decoder, logging,
    threading, typing,
]  # fmt: skip


def codes_of(module):
    for value in vars(module).values():
        held = [value, *vars(value).values()] if isinstance(value, type) else [value]
        work = [one.__code__ for one in held if isinstance(one, FunctionType)]
        while work:
            code = work.pop()
            yield code
            work += [one for one in code.co_consts if isinstance(one, CodeType)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_code_that_fills_something_outside_may_fill(module):
    codes = [*codes_of(module)]
    assert codes
    assert all(may_fill(code) for code in codes if _fills_outside(form_of(code)))
    assert not all(map(may_fill, codes))


@pytest.mark.parametrize(
    ("source", "fills"),
    [
        ("def f(): return KEPT", False),
        ("def f(x): y = [x for x in KEPT]; return y", False),
        ("def f(x): y = {}; y[x] = 1; return y", False),
        ("def f(x): KEPT[x] = 1", True),
        ("def f(x): KEPT[x] += 1", True),
        ("def f(x): del KEPT[x]", True),
        ("def f(x): KEPT[1:2] = x", True),
        ("def f(x): KEPT.last = x", True),
        ("def f(x): KEPT.append(x)", True),
        ("def f(x):\n    add = KEPT.append\n    return [add(one) for one in x]", True),
        ("def f(x): setattr(KEPT, 'last', x)", True),
        ("def f(x):\n    global KEPT\n    KEPT = x", True),
        ("def f(x): return (lambda y: KEPT.update(y))(x)", True),
        ("def f(x):\n    def g():\n        global KEPT\n        KEPT = x\n    return g()", True),
    ],
)
def test_what_a_function_fills_is_found_in_every_form(source, fills):
    names = {}
    exec(source, names)
    assert fills_outside(names["f"].__code__) is fills
