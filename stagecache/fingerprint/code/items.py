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
        if found.get(name, ABSENT) is since:
            found[name] = before
    return {name: held for name, held in found.items() if held is not ABSENT}


def note_changes(value: Any, before: dict[Any, Any]) -> None:
    """Remember what a body changed of a value since it had the contents `before`."""
    now = contents_of(value)
    changes = dict(_changes_of(value))
    for name in {**before, **now}:
        was, held = before.get(name, ABSENT), now.get(name, ABSENT)
        if was is not held:
            first, since = changes.get(name, (ABSENT, None))
            changes[name] = (first if since is was else was), held
    if changes:
        if len(_changed) >= _MOST:  # what is forgotten counts as it is
            _changed.clear()
        _changed[id(value)] = value, changes


def _changes_of(value: Any) -> dict[Any, tuple[Any, Any]]:
    known = _changed.get(id(value))
    return known[1] if known is not None and known[0] is value else {}
