"""Finds what a body fills in the objects that its code holds, where it makes no difference."""

from __future__ import annotations

from contextlib import suppress
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.errors import FingerprintError
from stagecache.fingerprint.code.classes import changed_by_methods
from stagecache.fingerprint.code.digest import filled_by, reached_by, values_of
from stagecache.fingerprint.code.filled import forget, remember
from stagecache.fingerprint.code.held import fingerprint_held
from stagecache.fingerprint.code.items import (
    AS_BEFORE,
    contents_of,
    has_contents,
    note_changes,
    note_state,
    snapshot,
)
from stagecache.fingerprint.code.lazy import fills_where_empty, lazy_in
from stagecache.fingerprint.code.living import is_endless, note_asked, standing_for
from stagecache.fingerprint.code.nodes import Filled
from stagecache.fingerprint.derived import ABSENT, undone
from stagecache.fingerprint.looking import has_by_itself, names_of, own_names, things_in
from stagecache.fingerprint.origin import is_user_class
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.fingerprint.code.nodes import Value

_MOST_ITEMS = 10_000
_RANDOM = ("random", "_random", "numpy.random")
_CONSTANTS = (type(None), bool, int, str, tuple)


class _Place(NamedTuple):
    """An attribute that was empty, or a memo, before a body ran."""

    owner: Any
    name: str
    held: Any
    """What it held; of a dict a copy."""

    def is_changed(self) -> bool:
        now = _attribute(self.owner, self.name)
        if type(now) is dict and type(self.held) is dict:
            return len(now) != len(self.held) or any(
                self.held.get(key, ABSENT) is not value for key, value in now.items()
            )
        return now is not self.held


class Filling:
    """What a body fills in the objects that its code holds.

    Make it just before the body runs.

    Parameters
    ----------
    fn : callable
        The body, of which the fingerprint was taken.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        values = values_of(fn)
        self._parted = [
            (one, snapshot(one))
            for one in filled_by(fn)
            if has_contents(one) and len(contents_of(one)) <= _MOST_ITEMS
        ]
        self._endless = [
            (value.value, standing_for(value.value)) for value in values if is_endless(value.value)
        ]
        self._changed = [(one.value, one.now) for one in values if AS_BEFORE in one.parts]
        noted = [
            (value, [*_places_in(value.value)])
            for value in values
            if value.refs and not value.parts
        ]
        self._noted = [(value, places) for value, places in noted if places or value.filled]

    def keep(self, *, has_read: bool) -> bool:
        """Remember what was filled since then; tell whether all else is as it was taken to be.

        Parameters
        ----------
        has_read : bool
            Whether the body has opened anything.
        """
        is_steady = True
        for thing, contents in self._parted:
            with suppress(Exception):  # keys of anybody's are compared
                note_changes(thing, contents)
        for iterator, before in self._endless:
            note_asked(iterator, before)
        for value, digest in self._changed:
            with suppress(FingerprintError):
                note_state(value, Digest(digest), fingerprint_held(value).fingerprint.digest)
        for value, places in self._noted:
            filled = [place for place in places if place.is_changed()]
            if not filled and value.filled is None:
                continue  # whatever else has changed counts
            try:
                now = fingerprint_held(value.value).fingerprint
                if now.digest == value.now:
                    continue
                before = _before(value, filled, has_read=has_read)
            except Exception:  # noqa: BLE001 - an object of anybody's: it counts as it is
                before = None
            if before is not None:
                remember(now.digest, now.refs, before)
            elif value.filled is not None:
                forget(value.now, value.refs)  # what was filled is changed by its use
                is_steady = False
        return is_steady


def _before(value: Value, filled: list[_Place], *, has_read: bool) -> Filled | None:
    """Return what the state of an object was before it was filled, if that is all that happened."""
    lazies = {kind: lazy_in(kind) for kind in {type(place.owner) for place in filled}}
    fillers = [fn for lazy in lazies.values() for fn in lazy.fillers]
    if any(
        place.name not in lazies[type(place.owner)].names
        or _advances(_attribute(place.owner, place.name))
        for place in filled
    ):
        return None
    if has_read and not all(fills_where_empty(fn.__code__, fn.__globals__) for fn in fillers):
        return None  # nobody would know what it was filled from
    with undone({(id(place.owner), place.name): place.held for place in filled}):
        before = fingerprint_held(value.value).fingerprint
    if before.digest != value.now or [*map(id, before.refs)] != [*map(id, value.refs)]:
        return None
    names = frozenset(place.name for place in filled)
    codes = frozenset(code for lazy in lazies.values() for code in lazy.codes)
    digest, refs = value.now, value.refs
    if value.filled is not None:
        digest, refs = value.filled.digest, value.filled.refs
        names, codes = names | value.filled.names, codes | value.filled.codes
    return Filled(digest, refs, names, codes, reached_by(refs))


def _places_in(value: Any) -> Iterator[_Place]:
    changing: dict[type, set[str]] = {}
    for thing in things_in([value]):
        kind = type(thing)
        if kind not in changing:
            changing[kind] = changed_by_methods(kind) if is_user_class(kind) else set()
        for name in changing[kind]:
            held = _attribute(thing, name)
            if type(held) is dict and len(held) <= _MOST_ITEMS:
                yield _Place(thing, name, dict(held))
            elif type(held) is list and not held:
                yield _Place(thing, name, [])
            elif held is ABSENT or (type(held) in _CONSTANTS and not held):
                yield _Place(thing, name, held)


def _attribute(owner: Any, name: str) -> Any:
    held = own_names(owner).get(name, ABSENT)
    if held is not ABSENT:
        return held
    for base in type(owner).__mro__:
        member = names_of(base).get(name)
        if type(member) is MemberDescriptorType:
            try:
                return member.__get__(owner)
            except AttributeError:
                return ABSENT
    return ABSENT


def _advances(value: Any) -> bool:
    """Tell whether something in a value is another after each use: a generator, a stream."""
    for thing in things_in([value]):
        kind = type(thing)
        if has_by_itself(kind, "__next__") or has_by_itself(kind, "seek"):
            return True
        homes = {str(base.__module__) for base in kind.__mro__}
        if not homes.isdisjoint(_RANDOM) or any(one.startswith("numpy.random.") for one in homes):
            return True
    return False
