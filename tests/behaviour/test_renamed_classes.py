"""A result is an object of the class that the program has, not of one that it had."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

import pytest

import stagecache

PROGRAM = """
import dataclasses
from stagecache import stage

@dataclasses.dataclass
class {name}:
    x: int

Row = {name}

def made():
    class Local:
        pass
    return Local()

@stage
def row(x):
    return Row(x)

@stage
def without_a_name(x):
    return made(), lambda y: y + x
"""


@pytest.fixture
def program(monkeypatch):
    def program(name, module):
        namespace = ModuleType(module)
        monkeypatch.setitem(sys.modules, module, namespace)
        exec(PROGRAM.format(name=name), vars(namespace))
        return namespace

    return program


@pytest.mark.parametrize("module", ["__main__", "zq_rows"])
def test_a_renamed_class_runs_anew_what_gave_its_objects(program, module, tmp_path):
    ran = []
    for name in ("First", "First", "Second"):
        one = program(name, module)
        with stagecache.Cache(tmp_path / "cache") as cache, warnings.catch_warnings():
            warnings.simplefilter("error")
            cache.listen(lambda event: ran.append(event.node) if event.kind == "ran" else None)
            assert type(one.row(3)) is one.Row
            one.without_a_name(3)
        ran.append(name)
    assert ran == ["row", "without_a_name", "First", "First", "row", "Second"]


def test_explain_says_that_a_class_is_gone(program, tmp_path):
    with stagecache.Cache(tmp_path / "cache"):
        program("First", "zq_rows").row(3)
        assert "names a class that is gone" in str(program("Second", "zq_rows").row.explain(3))
