"""Knows which cached properties hold what was made while stages were at work: it is no data.

Of what code holds, that is whatever was not there when the process first looked at the object. Of
what a body gets, it is what a body worked out of nothing but its arguments: what somebody assigned
to the property, or read a file for, stays an input.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from stagecache.fingerprint.looking import cached_properties, own_names

_MOST = 1000
_NONE: frozenset[str] = frozenset()
_Place = tuple[int, str]

_first: dict[int, tuple[weakref.ref[Any], frozenset[str]]] = {}
"""Objects that code holds, by identity -> which of their properties were not there at first."""
_cold: dict[int, tuple[weakref.ref[Any], tuple[str, ...]]] = {}
"""Objects that were inputs when some of their cached properties were not worked out yet."""
_made: dict[_Place, tuple[weakref.ref[Any], object]] = {}
"""What a body worked out, by the identity of the object and the name."""


class _Looking(threading.local):
    at_inputs = False


looking = _Looking()
"""Whether what is fingerprinted in this thread is what a body gets, and no result."""


def without_made_since(value: Any, kind: type, state: Any) -> Any:
    """Return the state of an object that code holds without what was made since the first look."""
    names = cached_properties(kind)
    if not names or not (state is None or type(state) is dict):
        return state
    state = state or {}
    inner = state.get("__dict__")
    if type(inner) is dict:  # as models of pydantic word it
        return {**state, "__dict__": without_made_since(value, kind, inner)}
    dropped = _made_since(value, names, state)
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


def without_warm(value: Any, state: Any) -> Any:
    """Return the state of an object that is an input without what bodies worked out."""
    kind: type = type(value)
    names = cached_properties(kind)
    if not names or type(state) is not dict:
        return state
    cold = tuple(name for name in names if name not in state)
    if cold:
        _note_cold(value, cold)
    warm = {name for name in names if name in state and _is_made(value, name, state[name])}
    return {name: held for name, held in state.items() if name not in warm} if warm else state


def _note_cold(value: Any, names: tuple[str, ...]) -> None:
    identity = id(value)
    if len(_cold) >= _MOST:  # what is forgotten counts as any other attribute
        _cold.clear()
    try:
        _cold[identity] = weakref.ref(value, lambda _: _cold.pop(identity, None)), names
    except TypeError:  # its class has no room for that
        return


def _is_made(value: Any, name: str, held: object) -> bool:
    made = _made.get((id(value), name))
    return made is not None and made[0]() is value and made[1] is held


class Warming:
    """What a body works out of the cached properties that nobody asked for before it.

    Make it just before the body runs.
    """

    def __init__(self) -> None:
        found = [(ref(), names) for ref, names in list(_cold.values())]
        self._cold = [
            (value, name)
            for value, names in found
            if value is not None
            for name in names
            if name not in own_names(value)
        ]

    def keep(self) -> None:
        """Let what was worked out since then be no input; call it if the body read nothing."""
        for value, name in self._cold:
            names = own_names(value)
            if name in names:
                _note_made(value, name, names[name])


def _note_made(value: Any, name: str, held: object) -> None:
    place = id(value), name
    _made[place] = weakref.ref(value, lambda _: _made.pop(place, None)), held
