"""Knows where a bare object stands, which is nothing but itself: the name that it has there."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 1000

_INSTALLED = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix})
_met: set[str] = set()
"""Modules that were looked at."""
_own: set[str] = set()
"""Those of them whose names may come to mean something else at any time."""
_of_libraries: dict[int, list[tuple[str, str]]] = {}
"""The bare objects of the others, by identity: their names and their homes."""
_known: dict[int, tuple[object, dict[str, Any], tuple[str, str]]] = {}
"""By the identity of an object: it, and where it stands."""


def place_of(value: object) -> tuple[str, str] | None:
    """Return the module and the name of a global that is `value`; None: there is none.

    Examples
    --------
    >>> import functools
    >>> place_of(functools._initial_missing)
    ('functools', '_initial_missing')
    >>> place_of(object()) is None
    True
    """
    known = _known.get(id(value))
    if known is not None and known[1].get(known[2][1]) is value:
        return known[2]
    _look_at_new_modules()
    found = [
        (name, home)
        for name, home in _of_libraries.get(id(value), ())
        if getattr(sys.modules.get(home), name, None) is value
    ]
    for home in list(_own):
        named = _globals_of(sys.modules.get(home))
        found += [(name, home) for name, held in named if held is value]
    if not found:
        return None
    name, home = min(found)
    if len(_known) >= _MOST:
        _known.clear()
    _known[id(value)] = value, vars(sys.modules[home]), (home, name)
    return home, name


def _look_at_new_modules() -> None:
    """Look through libraries once: their names are what they were when they had been imported."""
    for home in set(sys.modules) - _met:
        module = sys.modules.get(home)
        spec = getattr(module, "__spec__", None) if type(module) is ModuleType else None
        if getattr(spec, "_initializing", False):  # it is being imported
            continue
        _met.add(home)
        if not _is_of_a_library(home, module, spec):
            _own.add(home)
            continue
        for name, held in _globals_of(module):
            if type(held) is object:
                _of_libraries.setdefault(id(held), []).append((name, home))


def _is_of_a_library(home: str, module: Any, spec: Any) -> bool:
    file = getattr(module, "__file__", None) if type(module) is ModuleType else None
    if type(file) is str:
        return file.startswith(_INSTALLED) or home.partition(".")[0] == __package__
    return spec is not None and spec.origin in ("built-in", "frozen")


def _globals_of(module: Any) -> Iterator[tuple[str, Any]]:
    if type(module) is ModuleType:
        for name, held in list(vars(module).items()):
            if name.strip("_0123456789"):  # IPython numbers what cells gave
                yield name, held


def standing_at(home: str, name: str) -> object:
    """Return the bare object that stands there, or another one if none does."""
    with suppress(ImportError):
        import_module(home)
    found = getattr(sys.modules.get(home), name, None)
    return found if type(found) is object else object()
