"""A bare object is known by the name that a module gives it, whenever it does so."""

from __future__ import annotations

import sys
import types

import pytest

from stagecache.sentinels import place_of, standing_at


@pytest.fixture
def module(monkeypatch):
    """A module of the user's."""
    made = types.ModuleType("settings_of_mine")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_one_that_comes_later_or_gets_another_name_is_found(module):
    first, second = object(), object()
    assert place_of(first) is None
    module.MISSING = first
    assert place_of(first) == ("settings_of_mine", "MISSING")
    module.MISSING, module.OLD = second, first
    assert place_of(second) == ("settings_of_mine", "MISSING")
    assert place_of(first) == ("settings_of_mine", "OLD")
    del module.OLD
    assert place_of(first) is None


def test_one_of_a_library_is_found_also_if_that_is_imported_later(monkeypatch):
    import functools

    assert place_of(functools._initial_missing) == ("functools", "_initial_missing")
    late = types.ModuleType("late_library")
    late.__file__, late.NOTHING = f"{sys.prefix}/late_library.py", object()
    monkeypatch.setitem(sys.modules, "late_library", late)
    assert place_of(late.NOTHING) == ("late_library", "NOTHING")
    gone, late.NOTHING = late.NOTHING, object()
    assert place_of(gone) is None


def test_what_stands_nowhere_any_more_is_another_one(module):
    module.MISSING = object()
    assert standing_at("settings_of_mine", "MISSING") is module.MISSING
    module.MISSING = "text"
    assert type(standing_at("settings_of_mine", "MISSING")) is object
    assert type(standing_at("no_such_module", "MISSING")) is object
