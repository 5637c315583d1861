"""Knows where a bare object stands, which is nothing but itself: the name that it has there."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

_MOST = 1000

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
    found = [
        (name, home)
        for home, module in list(sys.modules.items())
        if type(module) is type(sys)
        for name, held in list(vars(module).items())
        if held is value and name.strip("_0123456789")  # IPython numbers what cells gave
    ]
    if not found:
        return None
    name, home = min(found)
    if len(_known) >= _MOST:
        _known.clear()
    _known[id(value)] = value, vars(sys.modules[home]), (home, name)
    return home, name


def standing_at(home: str, name: str) -> object:
    """Return the bare object that stands there, or another one if none does."""
    with suppress(ImportError):
        import_module(home)
    found = getattr(sys.modules.get(home), name, None)
    return found if type(found) is object else object()
