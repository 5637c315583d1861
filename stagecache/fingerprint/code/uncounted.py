"""Decides what does not count of all that code reaches: what it assigns or fills itself."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.foreign import is_container
from stagecache.fingerprint.code.items import AS_BEFORE, AS_FOUND, has_contents, is_memo
from stagecache.fingerprint.code.living import is_filled_by, is_living
from stagecache.fingerprint.code.mutating import MUTATORS
from stagecache.fingerprint.code.put import places_of
from stagecache.fingerprint.looking import names_of, own_names
from stagecache.fingerprint.scalars import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.code.fills import Fill
    from stagecache.fingerprint.code.nodes import Edge
    from stagecache.fingerprint.code.resolve import Found, Slot

_BY_ANY_NAME = frozenset({"getattr", "methodcaller", "vars", "__dict__", "getmembers"})
"""By which code may come to methods whose names only running tells."""


class Uncounted:
    """The places that code itself assigns, or fills as containers, as they come to be known."""

    def __init__(self) -> None:
        self.assigned: set[tuple[int, str]] = set()
        self.filled: set[tuple[int, str]] = set()
        self.parts: dict[int, set[str]] = {}
        """Items and attributes that the code fills, of the things with these identities."""
        self.put: dict[tuple[int, str], Slot | None] = {}
        self.methods: dict[int, str] = {}
        """Functions that are reached for they are in a class, by identity: their names there."""
        self._named: set[str] = set()
        """Names that code mentions which may be called."""
        self._uncalled: dict[str, list[Callable[[], None]]] = {}
        """What methods do that nothing calls, as far as is known."""

    def note_names(self, names: AbstractSet[str]) -> None:
        """Remember that code mentions `names`: methods of these names may be called."""
        self._named |= names
        for name in [name for name in self._uncalled if self._is_called(name)]:
            for note in self._uncalled.pop(name, ()):
                note()

    def note_if_called(self, method: str, note: Callable[[], None]) -> None:
        """Note what a method does as soon as it is known that it may be called; others, at once.

        What configures a class before any body runs is no memo, for no body calls it.
        """
        if not method or self._is_called(method):
            note()
        else:
            self._uncalled.setdefault(method, []).append(note)

    def _is_called(self, method: str) -> bool:
        return method in self._named or not self._named.isdisjoint(_BY_ANY_NAME)

    def is_counted(self, edge: Edge) -> bool:
        """Tell whether an edge counts.

        What the code itself assigns does not, nor the contents of what it fills.
        """
        if edge.slot is None or not (self.assigned or self.filled):
            return True
        key = edge.slot.key
        return key not in self.assigned and (edge.sort != "value" or key not in self.filled)

    def is_made_by_code(self, edge: Edge) -> bool:
        """Tell whether an edge leads to data on a library that the code itself puts there.

        Before it has run there is none, which may not make a difference.
        """
        if edge.slot is None or edge.slot.key not in self.put:
            return False
        start = self.put[edge.slot.key]
        return not self.is_counted(edge) or (start is not None and start.key in self.assigned)

    def is_assigned(self, edge: Edge) -> bool:
        """Tell whether the code itself assigns what an edge leads to."""
        return edge.slot is not None and bool(self.assigned) and edge.slot.key in self.assigned

    def is_attribute_assigned(self, edge: Edge) -> bool:
        """Tell whether the code itself assigns the attribute that an edge takes of a function."""
        fn = edge.target.obj
        return type(fn) is FunctionType and (id(fn.__dict__), edge.rest[0]) in self.assigned

    def note_fill(self, found: Found, fill: Fill) -> None:
        """Remember that code assigns or fills what was found, or an item of it."""
        value, slot, assigned = found.value, found.slot, fill.assigned
        if found.rest and isinstance(value, type):
            self._note_fill_in_class(found, fill)
        elif found.rest and isinstance(value, ModuleType):
            for place, _ in places_of(value, found.rest):
                if place.name == found.rest[-1]:
                    (self.assigned if assigned else self.filled).add(place.key)
        elif found.rest and isinstance(value, FunctionType):
            self.assigned.add((id(value.__dict__), found.rest[0]))
        elif slot is not None and (part := _part(found, fill)):
            self.parts.setdefault(id(value), set()).add(part)
        elif slot is not None and assigned and not found.rest:
            self.assigned.add(slot.key)
        elif slot is not None and not fill.inside:
            self._note_whole(value, slot)

    def _note_fill_in_class(self, found: Found, fill: Fill) -> None:
        name, *rest = found.rest
        owner = next((c for c in found.value.__mro__ if name in names_of(c)), None)
        held = None if owner is None else names_of(owner)[name]
        inner = found._replace(value=held, rest=tuple(rest))
        part = _part(inner, fill) if rest or not fill.assigned else ""
        if part:
            self.parts.setdefault(id(held), set()).add(part)
        elif not fill.inside:
            self.note_class_fill(found.value, name, assigned=fill.assigned)

    def note_class_fill(self, cls: type, name: str, *, assigned: bool) -> None:
        """Remember that code assigns or fills an attribute of a class."""
        owner = next((c for c in cls.__mro__ if name in names_of(c)), cls)
        (self.assigned if assigned else self.filled).add((id(owner), name))

    def note_mutation(self, found: Found) -> None:
        """Remember that a container is filled by a method such as ``CACHE.append``."""
        if found.slot is None or not found.rest:
            return
        value = found.value
        if is_filled_by(value, found.rest[0]):
            self.filled.add(found.slot.key)
        if found.rest[-1] not in MUTATORS:
            return
        for name in found.rest[:-1]:
            value = own_names(value).get(name)
        if not is_container(value):
            return
        if isinstance(found.value, type):
            self.note_class_fill(found.value, found.rest[0], assigned=False)
        elif found.rest[1:] and has_contents(found.value):
            part = AS_FOUND if found.rest[2:] else found.rest[0]
            self.parts.setdefault(id(found.value), set()).add(part)
        else:
            self._note_whole(found.value, found.slot)

    def _note_whole(self, value: Any, slot: Slot) -> None:
        if is_memo(value) or is_living(value) or type(value) in SCALARS:
            self.filled.add(slot.key)
        else:
            self.parts.setdefault(id(value), set()).add(AS_BEFORE)


def _part(found: Found, fill: Fill) -> str:
    """Return which item or attribute of a thing is filled, if it is no more than that."""
    value, rest = found.value, found.rest
    if not has_contents(value):
        return ""
    kind = type(value)
    if issubclass(kind, dict):
        if fill.assigned:
            return rest[0] if rest and kind is not dict else ""
        return "" if rest else AS_FOUND if fill.named else fill.item
    if rest[1:] or (rest and fill.item):
        return AS_FOUND
    return rest[0] if rest else ""
