"""Decides which code in what code itself fills may be there for good, as in a registry.

A memo looks the same; what it holds is made by the code that fills it.
"""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any
from weakref import ref

from stagecache.fingerprint.code.resolve import is_code_of_the_user
from stagecache.fingerprint.looking import is_one_of, kinds_of

_LARGEST = 10_000
_CONTAINERS = (dict, list, tuple, set)
_HOLDERS = (FunctionType, MethodType, ref, type, *_CONTAINERS)


def is_registered(value: Any) -> bool:
    """Tell whether a value may be what a registry holds: code with a place of its own.

    What a function makes anew at each call is what a memo holds.
    """
    return is_code_of_the_user(value) and "<locals>" not in value.__qualname__


def held_in(value: Any) -> list[tuple[Any, Any]]:
    """Return the code that a value which code assigns or fills is, or holds, with its keys."""
    return [(None, value)] if is_registered(value) else registered_in(value)


def _meant_by(value: Any) -> Any:
    """Return the function behind a method or a weak reference, as buses of events hold them."""
    if issubclass(type(value), ref):
        value = value()
    return value.__func__ if type(value) is MethodType else value


def registered_in(container: Any, depth: int = 2) -> list[tuple[Any, Any]]:
    """Return the user's functions and classes in a container that code fills, with their keys.

    A container so large is no registry; it would have to be searched at each call.
    """
    if not is_one_of(type(container), _CONTAINERS):  # a subclass may do anything
        return []
    if isinstance(container, dict):
        pairs: Any = container.items()
    elif isinstance(container, list | tuple):
        pairs = enumerate(container)
    else:
        pairs = ((None, value) for value in container) if isinstance(container, set) else ()
    found: list[tuple[Any, Any]] = []
    if not pairs or len(container) > _LARGEST:
        return found
    values = container.values() if isinstance(container, dict) else container
    if not any(issubclass(kind, _HOLDERS) for kind in kinds_of(list(values))):
        return found
    for key, value in list(pairs):
        value = _meant_by(value)
        if is_registered(value):
            found.append((key, value))
        elif depth and is_one_of(type(value), _CONTAINERS):
            found += [((key, inner), one) for inner, one in registered_in(value, depth - 1)]
    if isinstance(container, set):
        found.sort(key=lambda pair: pair[1].__qualname__)
    return found
