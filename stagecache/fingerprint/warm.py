"""Knows which cached properties a body worked out of nothing but its arguments: they are no input.

Whoever comes second would else get other arguments than in a run where the first one hits, and
works out nothing. What somebody assigned to the property, or read a file for, stays an input.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from stagecache.fingerprint.looking import cached_properties, own_names

_MOST = 1000
_Place = tuple[int, str]

_cold: dict[int, tuple[weakref.ref[Any], tuple[str, ...]]] = {}
"""Objects that were inputs when some of their cached properties were not worked out yet."""
_made: dict[_Place, tuple[weakref.ref[Any], object]] = {}
"""What a body worked out, by the identity of the object and the name."""


class _Looking(threading.local):
    at_inputs = False


looking = _Looking()
"""Whether what is fingerprinted in this thread is what a body gets, and no result."""


def without_warm(value: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object that is an input.

    Parameters
    ----------
    value : object
        An object.
    state : dict
        All of its attributes.
    """
    kind: type = type(value)
    names = cached_properties(kind)
    if not names or not looking.at_inputs:
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
