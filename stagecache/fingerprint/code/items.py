"""Decides what counts of a dict or an object of which code itself fills single items.

The others do, as they are: but what bodies changed of them counts as it was before, for a hit does
not change it. What is changed between bodies counts as changed.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from stagecache.fingerprint.derived import ABSENT
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.origin import is_user_class

_MOST = 1000
_MOST_COPIED = 10_000
_DEEPEST = 4
_CONTAINERS = (list, dict, set)

_changed: dict[int, tuple[Any, dict[Any, tuple[Any, Any]]]] = {}
"""By the identity of a thing: the thing and, by the name of an item, what was there before a body
changed it, and what is there since."""


def has_contents(value: Any) -> bool:
    """Tell whether a value is a dict, or an object of the user's with attributes."""
    kind: type = type(value)
    return kind is dict or (
        (kind is SimpleNamespace or is_user_class(kind)) and type(own_names(value)) is dict
    )


def contents_of(value: Any) -> dict[Any, Any]:
    """Return the items of a dict, or the attributes of an object, by name."""
    found: dict[Any, Any] = value if type(value) is dict else own_names(value)
    return found


def counted_in(value: Any) -> dict[Any, Any]:
    """Return the contents of a value as they would be had no body changed them."""
    found = dict(contents_of(value))
    for name, (before, since) in _changes_of(value).items():
        if _is_same(since, found.get(name, ABSENT)):
            found[name] = before
    return {name: held for name, held in found.items() if held is not ABSENT}


def snapshot(value: Any) -> dict[Any, Any]:
    """Return the contents of a value for :func:`note_changes`, with copies of small containers."""
    left = [_MOST_COPIED]
    return {name: _copied(held, left) for name, held in contents_of(value).items()}


def _copied(held: Any, left: list[int], depth: int = 0) -> Any:
    kind = type(held)
    if kind not in _CONTAINERS or depth == _DEEPEST or len(held) > left[0]:
        return held
    left[0] -= len(held)
    if kind is dict:
        return {key: _copied(one, left, depth + 1) for key, one in held.items()}
    return set(held) if kind is set else [_copied(one, left, depth + 1) for one in held]


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether containers hold the same, and anything else is the same."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other) or kind not in _CONTAINERS or len(one) != len(other):
        return False
    if kind is list:
        return all(map(_is_same, one, other))
    if kind is set:
        return bool(one == other)
    return all(_is_same(held, other.get(key, ABSENT)) for key, held in one.items())


def note_changes(value: Any, before: dict[Any, Any]) -> None:
    """Remember what a body changed of a value since it had the contents `before`.

    Parameters
    ----------
    value : object
        What :func:`has_contents`.
    before : dict
        What :func:`snapshot` gave of it.
    """
    now = contents_of(value)
    changes = dict(_changes_of(value))
    for name in {**before, **now}:
        was, held = before.get(name, ABSENT), now.get(name, ABSENT)
        if not _is_same(was, held):
            first, since = changes.get(name, (ABSENT, None))
            changes[name] = (first if _is_same(since, was) else was), _copied(held, [_MOST_COPIED])
    if changes:
        if len(_changed) >= _MOST:  # what is forgotten counts as it is
            _changed.clear()
        _changed[id(value)] = value, changes


def _changes_of(value: Any) -> dict[Any, tuple[Any, Any]]:
    known = _changed.get(id(value))
    return known[1] if known is not None and known[0] is value else {}
