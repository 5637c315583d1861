"""Looks at objects without running the code by which they answer for what they have not.

A metaclass or a class may answer any question by ``__getattr__``, or raise; the job goes on.
"""

from __future__ import annotations

from typing import Any

_names_of: Any = type.__dict__["__dict__"]


def names_of(cls: type) -> Any:
    """Return the namespace of a class, whatever its metaclass says.

    Examples
    --------
    >>> class Answers(type):
    ...     def __getattr__(cls, name):
    ...         return name
    >>> class Plain(metaclass=Answers):
    ...     limit = 1
    >>> names_of(Plain)["limit"], "other" in names_of(Plain)
    (1, False)
    """
    return _names_of.__get__(cls)


def has_by_itself(kind: type, name: str) -> bool:
    """Tell whether a class or one of its bases defines an attribute."""
    return any(name in names_of(base) for base in kind.__mro__)


def own_names(value: Any) -> Any:
    """Return the namespace of an object; empty if it has none, or does not show it."""
    if isinstance(value, type):
        return names_of(value)
    try:
        return object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001 - without one, or a property of the user's
        return {}
