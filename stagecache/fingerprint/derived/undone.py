"""Looks at objects as they were before some of their attributes were filled."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.looking import own_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    Places = dict[tuple[int, str], Any]

ABSENT: Any = type("_Absent", (), {"__repr__": lambda _: "absent"})()


class _Undoing(threading.local):
    places: Places | None = None


_undoing = _Undoing()


@contextmanager
def undone(places: Places) -> Iterator[None]:
    """Let objects that are fingerprinted inside the block have other attributes.

    Parameters
    ----------
    places : dict
        The identity of an object and the name of an attribute -> what it held; ``ABSENT``: nothing.
    """
    before = _undoing.places
    _undoing.places = {**(before or {}), **places} or None
    try:
        yield
    finally:
        _undoing.places = before


def without_filled(value: Any, state: Any) -> Any:
    """Return the state of an object as it was before what is undone in this thread."""
    places = _undoing.places
    if places is None:
        return state
    mine = {name: held for (identity, name), held in places.items() if identity == id(value)}
    if not mine:
        return state
    if type(state) is tuple and len(state) == 2:  # __dict__ and __slots__
        in_slots = mine.keys() - own_names(value).keys()
        return (
            _with(state[0], {name: mine[name] for name in mine.keys() - in_slots}),
            _with(state[1], {name: mine[name] for name in in_slots}),
        )
    return _with(state, mine)


def _with(state: Any, mine: dict[str, Any]) -> Any:
    if not mine or not (state is None or type(state) is dict):
        return state
    held = {**(state or {}), **mine}
    return {name: one for name, one in held.items() if one is not ABSENT} or None
