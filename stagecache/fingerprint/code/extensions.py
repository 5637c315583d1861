"""Decides which methods that the user put onto a library's classes a piece of code may call."""

from __future__ import annotations

import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.resolve import Slot, is_code_of_the_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_EXTENSIBLE = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "Series", "LazyFrame", "Expr"),
}


def extensions(code: CodeType) -> Iterator[tuple[Slot, Any]]:
    """Yield the user's code that methods of library classes may stand for in `code`.

    A function put onto ``pandas.DataFrame``, or an accessor registered there, is called on objects
    of which nothing is known before the code runs: its name has to do.
    """
    names = None
    for library, classes in _EXTENSIBLE.items():
        module = sys.modules.get(library)
        for class_name in classes if module is not None else ():
            cls = getattr(module, class_name, None)
            if not isinstance(cls, type):
                continue
            names = names_in(code) if names is None else names
            for name in sorted(names & vars(cls).keys()):
                value = vars(cls)[name]
                if is_code_of_the_user(extension_code(value)):
                    yield Slot(cls, name), value


def extension_code(value: Any) -> Any:
    """Return the user's function or class behind what :func:`extensions` found in a slot."""
    for holder in ("_ns", "_accessor"):  # of polars, where the other is its name; of pandas
        held = getattr(value, holder, None)
        if held is not None:
            return held
    return value


def names_in(code: CodeType) -> AbstractSet[str]:
    """Return the names of globals and attributes in a code object and those nested in it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= names_in(constant)
    return names


def texts_in(code: CodeType) -> set[str]:
    """Return the texts among the constants of a code object and of those nested in it: all."""
    found: set[str] = set()
    for constant in code.co_consts:
        if isinstance(constant, str):
            found.add(constant)
        elif isinstance(constant, CodeType):
            found |= texts_in(constant)
    return found
