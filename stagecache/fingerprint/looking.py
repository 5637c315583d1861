"""Looks at objects without running the code by which they answer for what they have not.

A metaclass or a class may answer any question by ``__getattr__``, or raise; the job goes on.
"""

from __future__ import annotations

import functools
from collections import deque
from types import CodeType, FunctionType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence

_MOST = 3000
"""How many things are looked at; a thousand take 0.5 ms."""
_CONTAINERS = (list, tuple, set, frozenset)
_WHOLE = (str, bytes, int, float, type, ModuleType, FunctionType)
"""What has nothing in it that somebody would mean who hands it on."""

_OF_METHODS = ("builtins", "functools")
"""Modules of what makes methods, which also has no say when something is assigned."""

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


def is_one_of(kind: type, kinds: Container[type]) -> bool:
    """Tell whether a type is one of some; that of a class whose metaclass compares is none."""
    try:
        return kind in kinds
    except Exception:  # noqa: BLE001 - it has no hash, or raises
        return False


def kinds_of(values: Sequence[Any]) -> Collection[type]:
    """Return the types of some values, each once if that can be told."""
    kinds = list(map(type, values))
    try:
        return set(kinds)
    except Exception:  # noqa: BLE001 - as above
        return kinds


def own_names(value: Any) -> Any:
    """Return the namespace of an object; empty if it has none, or does not show it."""
    if issubclass(type(value), type):  # `isinstance` asks the value
        return names_of(value)
    try:
        return object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001 - without one, or a property of the user's
        return {}


@functools.lru_cache(maxsize=1024)
def cached_properties(kind: type) -> frozenset[str]:
    """Return the names of the cached properties of a class and its bases.

    Of ``functools``, or anybody's that are made alike: what gives an attribute, is not told when
    one is assigned, and so is asked only until it has put what it made into its place.
    """
    return frozenset(
        name
        for base in kind.__mro__
        for name, value in list(names_of(base).items())
        if _is_cached_property(type(value))
    )


def _is_cached_property(kind: type) -> bool:
    if issubclass(kind, functools.cached_property):
        return True
    if kind.__module__ in _OF_METHODS or not has_by_itself(kind, "__get__"):
        return False
    return not has_by_itself(kind, "__set__") and not has_by_itself(kind, "__call__")


def texts_in(values: Iterable[Any]) -> Iterator[str]:
    """Yield the texts among :func:`things_in` values.

    Examples
    --------
    >>> list(texts_in(["a", {"b": ["c"]}]))
    ['a', 'b', 'c']
    """
    return (value for value in things_in(values) if isinstance(value, str))


def things_in(values: Iterable[Any]) -> Iterator[Any]:
    """Yield what values consist of, the outer things first, and the constants of code.

    Parameters
    ----------
    values : iterable
        Of them all, only the first few thousand things are looked at.
    """
    waiting = deque(values)
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        value = waiting.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        kind = type(value)  # what claims another class by a property is not asked
        if issubclass(kind, dict):
            waiting.extend(dict.keys(value))
            waiting.extend(dict.values(value))
        elif is_one_of(kind, _CONTAINERS):
            waiting.extend(list(value)[:_MOST])
        elif kind is CodeType:
            waiting.extend(value.co_consts)
        elif kind is functools.partial:
            waiting.extend((value.func, *value.args, *value.keywords.values()))
        elif not issubclass(kind, _WHOLE):
            waiting.extend(own_names(value).values())
            waiting.extend(_slots(value))


def _slots(value: Any) -> Iterator[Any]:
    for base in type(value).__mro__:
        if "__slots__" in names_of(base):
            for member in list(names_of(base).values()):
                if type(member) is MemberDescriptorType:
                    try:
                        yield member.__get__(value)
                    except AttributeError:  # not set
                        continue
