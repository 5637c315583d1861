"""Keeps what stands for values of a type: what people registered, and whom `dispatch` found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

takers: dict[type, Callable[[Any], Any]] = {}
"""Type -> who takes its values apart: what ``dispatch`` worked out. Void after a registration."""

_registered: dict[type, Callable[[Any], object]] = {}
_BUILT_IN = (int, str, float, bool, bytes, list, tuple, dict, set, frozenset, type, object)


def register_fingerprint(type_: type[T], function: Callable[[T], object]) -> None:
    """Say what stands for values of a type when they are fingerprinted.

    A class of your own can offer a method ``__stagecache_fingerprint__(self)`` instead.

    Parameters
    ----------
    type_ : type
        The class; its subclasses are meant too, unless they are registered themselves.
    function : callable
        Value -> something that can be fingerprinted and that changes whenever results computed
        from the value could.

    Raises
    ------
    TypeError
        If `type_` is no class, is built in, or `function` cannot be called.

    Examples
    --------
    >>> class Connection:
    ...     def __init__(self, url):
    ...         self.url, self.socket = url, None
    >>> register_fingerprint(Connection, lambda connection: connection.url)
    >>> from stagecache.fingerprint.values import fingerprint
    >>> fingerprint(Connection("db:1")).digest == fingerprint(Connection("db:2")).digest
    False
    """
    if not isinstance(type_, type):
        raise TypeError(f"a fingerprint is registered for a class, not for {type_!r}")
    if type_ in _BUILT_IN:
        raise TypeError(f"the fingerprint of {type_.__name__} is built in; subclass it")
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called with a value")
    _registered[type_] = function
    takers.clear()


def registered_for(kind: type) -> Callable[[Any], object] | None:
    """Return what was registered for `kind` or for the nearest of its bases."""
    for base in kind.__mro__:
        if base in _registered:
            return _registered[base]
    return None
