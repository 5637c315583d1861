"""Decides what counts of a dict or an object of which code itself fills single items.

The others do, as they are: but what bodies changed of them counts as it was before, for a hit does
not change it. What is changed between bodies counts as changed. So it is with a frame, or whatever
else has no items that could be left out.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import MutableMapping, MutableSequence, MutableSet
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.foreign import is_container
from stagecache.fingerprint.derived import ABSENT
from stagecache.fingerprint.looking import has_by_itself, is_one_of, own_names
from stagecache.fingerprint.origin import is_user_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from stagecache.model import Digest

AS_BEFORE = "as before bodies changed it"
"""The part of what code changes that is taken as a whole."""
AS_FOUND = "as bodies found it"
"""The part of a dict or an object of which code changes what lies in it: nothing is left out."""
_MOST = 1000
_MOST_COPIED = 100_000
_DEEPEST = 4
_FILLED = (MutableMapping, MutableSequence, MutableSet)
_CONTAINERS = (list, dict, set)

_changed: dict[int, tuple[Any, dict[Any, tuple[Any, Any]]]] = {}
"""By the identity of a thing: the thing and, by the name of an item, what was there before a body
changed it, and what is there since."""


def has_contents(value: Any) -> bool:
    """Tell whether a value is a dict, or an object of the user's with attributes."""
    kind: type = type(value)
    return issubclass(kind, dict) or (
        (kind is SimpleNamespace or (is_user_class(kind) and not _words_state(kind)))
        and kind.__dictoffset__ != 0  # what has only slots shows no items
        and type(own_names(value)) is dict
    )


def _words_state(kind: type) -> bool:
    """Tell whether a class says itself what the state of its objects is, as pydantic's do."""
    return any(
        has_by_itself(kind, name) and getattr(kind, name) is not getattr(object, name)
        for name in ("__getstate__", "__reduce__", "__reduce_ex__")
    )


def is_memo(value: Any) -> bool:
    """Tell whether nothing counts of a value that code fills by what it works out."""
    return is_container(value) or issubclass(type(value), _FILLED)


def contents_of(value: Any) -> dict[Any, Any]:
    """Return the items of a dict, or the attributes of an object, by name."""
    kind: type = type(value)
    is_another = kind is not dict and issubclass(kind, dict)  # which may answer as it likes
    found: dict[Any, Any] = (
        dict.copy(value) if is_another else value if kind is dict else own_names(value)
    )
    return found


def without_items(value: Any, parts: AbstractSet[str]) -> Any:
    """Return what counts of a dict without the items that code fills."""
    left = {item: held for item, held in counted_in(value).items() if item not in parts}
    kind: type = type(value)
    if kind is dict:
        return left
    more = {name: held for name, held in own_names(value).items() if name not in parts}
    return kind, left, more, value.default_factory if issubclass(kind, defaultdict) else None


def state_before(value: Any, digest: Digest) -> Digest:
    """Return the digest of what a value was before bodies made it one with this digest."""
    known = _states.get(id(value))
    return known[1].get(digest, digest) if known is not None and known[0]() is value else digest


def note_state(value: Any, before: Digest, after: Digest) -> None:
    """Remember that a body made of a value another one."""
    identity = id(value)
    known = _states.get(identity)
    if known is None or known[0]() is not value:
        reference: Callable[[], Any]
        try:
            reference = weakref.ref(value, lambda _: _states.pop(identity, None))
        except TypeError:  # an object with slots: it is small
            reference = partial(_itself, value)
        if len(_states) >= _MOST:
            _states.clear()
        known = _states[identity] = reference, {}
    if len(known[1]) >= _MOST:
        known[1].clear()
    known[1][after] = before


def _itself(value: Any) -> Any:
    return value


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
    if depth == _DEEPEST:
        return held
    if not is_one_of(kind, _CONTAINERS):
        is_open = not issubclass(kind, dict) and has_contents(held)
        return _copied_object(held, left, depth) if is_open else held
    if len(held) > left[0]:
        return held
    left[0] -= len(held)
    if kind is dict:
        return {key: _copied(one, left, depth + 1) for key, one in held.items()}
    return set(held) if kind is set else [_copied(one, left, depth + 1) for one in held]


def _copied_object(held: Any, left: list[int], depth: int) -> Any:
    kind: Any = type(held)
    try:
        copied = kind() if kind is SimpleNamespace else object.__new__(kind)
    except TypeError:  # a class of another making
        return held
    own_names(copied).update(_copied(own_names(held), left, depth))
    return copied


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether containers hold the same, and anything else is the same."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if not is_one_of(kind, _CONTAINERS):
        is_open = not issubclass(kind, dict) and has_contents(one)
        return is_open and _is_same(own_names(one), own_names(other))
    if len(one) != len(other):
        return False
    if kind is list:
        return all(map(_is_same, one, other))
    if kind is set:
        return bool(one == other)
    return all(_is_same(held, other.get(key, ABSENT)) for key, held in one.items())


_states: dict[int, tuple[Callable[[], Any], dict[Digest, Digest]]] = {}
"""By the identity of a value: it, and of what bodies left the digest, with that of before."""


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
