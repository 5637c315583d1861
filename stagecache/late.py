"""Lets a package have names whose modules are imported when somebody first asks for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def late(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping
        Names, each with the full name of the module that it is in.

    Examples
    --------
    >>> give = late(__name__, {"sqrt": "math"})
    >>> give("sqrt")(4.0)
    2.0
    >>> give("cube")
    Traceback (most recent call last):
    AttributeError: module 'stagecache.late' has no attribute 'cube'
    """

    def give(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        found = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return give
