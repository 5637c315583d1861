"""Decides which attributes of an object are made from the others and kept: they are no data.

A ``functools.cached_property`` is a memo: whether it was asked before a stage is looked up must
not matter. One that was there when the process first looked at the object counts, for then nobody
knows what it was made from.
"""

from __future__ import annotations

import weakref
from typing import Any

from stagecache.fingerprint.looking import cached_properties

_OF_LIBRARIES = {("numpy", "vectorize"): frozenset({"_ufunc"})}
_NONE: frozenset[str] = frozenset()

_first: dict[int, tuple[weakref.ref[Any], frozenset[str]]] = {}
"""Objects by identity -> which of their cached properties were not there at first sight."""


def without_derived(value: Any, kind: type, state: Any) -> Any:
    """Return the state of an object that code holds without what it has made from the rest of it.

    Parameters
    ----------
    value : object
        Of the class `kind`.
    kind : type
        Its class.
    state : object
        What ``__reduce_ex__`` gives of it; what is no dict of attributes is returned as it is.
    """
    of_library = _OF_LIBRARIES.get((kind.__module__, kind.__qualname__), _NONE)
    names = of_library | cached_properties(kind)
    if not names or not (state is None or type(state) is dict):
        return state
    state = state or {}
    inner = state.get("__dict__")
    if type(inner) is dict:  # as models of pydantic word it
        return {**state, "__dict__": without_derived(value, kind, inner)}
    dropped = of_library | _made_since(value, names, state)
    # Python says None of an object without attributes.
    return {name: held for name, held in state.items() if name not in dropped} or None


def _made_since(value: Any, names: frozenset[str], state: dict[str, Any]) -> frozenset[str]:
    identity = id(value)
    known = _first.get(identity)
    if known is None or known[0]() is not value:
        try:
            reference = weakref.ref(value, lambda _: _first.pop(identity, None))
        except TypeError:
            return _NONE
        known = _first[identity] = reference, names - state.keys()
    return known[1]
