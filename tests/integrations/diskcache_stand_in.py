"""A plugin of pytest by which diskcache's own tests meet our module in place of theirs.

Of the tests that assert something, those are run that touch no private attribute, by their code.
What became of each is written as JSON to the file that OUTCOMES names.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import sys
import textwrap

import pytest

from stagecache.integrations import diskcache

for name in ("diskcache", "diskcache.core", "diskcache.fanout", "diskcache.persistent"):
    sys.modules[name] = diskcache
diskcache.core = diskcache


def _is_private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__")


def _asserts(node: ast.AST) -> bool:
    is_raises = isinstance(node, ast.Attribute) and node.attr == "raises"
    return is_raises or isinstance(node, ast.Assert)


def _is_for_all(function: object) -> bool:
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    names = [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    names += [node.value for node in nodes if isinstance(node, ast.Constant)]
    return any(map(_asserts, nodes)) and not any(map(_is_private, names))


def pytest_collection_modifyitems(config, items):
    chosen = [item for item in items if _is_for_all(item.function)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


outcomes: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" or report.outcome != "passed":
        outcomes[f"{item.path.name}::{item.name}"] = report.outcome
    return report


def pytest_sessionfinish():
    with open(os.environ["OUTCOMES"], "w", encoding="utf-8") as stream:
        json.dump(outcomes, stream)
