"""Tells whether the fingerprint of code that was taken before still holds."""

from __future__ import annotations

import os
from gc import get_referents
from operator import is_
from types import CellType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.filled import filled_in
from stagecache.fingerprint.code.foreign import held_by, is_fixed
from stagecache.fingerprint.code.held import fingerprint_held
from stagecache.fingerprint.code.keeping import memos_in
from stagecache.fingerprint.code.numbering import graph_digest
from stagecache.fingerprint.code.registries import held_in
from stagecache.fingerprint.code.resolve import MISSING
from stagecache.fingerprint.code.settings import in_force
from stagecache.fingerprint.looking import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecache.fingerprint.code.reach import Graph
    from stagecache.fingerprint.code.resolve import Slot


class Taken:
    """A digest with all that was seen when it was taken.

    Objects are compared by identity while they are held here, so that no other can take their
    place; what can change in place is fingerprinted anew each time.
    """

    __slots__ = (
        "_attributes",
        "_cells",
        "_environment",
        "_functions",
        "_growing",
        "_held",
        "_in_force",
        "_inside",
        "_is_fleeting",
        "_places",
        "_reached",
        "_registries",
        "_roots",
        "_settings",
        "_sizes",
        "counted",
        "digest",
        "filled",
        "memos",
        "packages",
        "values",
    )

    def __init__(self, roots: tuple[object, ...], graph: Graph) -> None:
        self.digest = graph_digest(graph)
        self._roots = roots
        self._is_fleeting = graph.is_fleeting
        self._functions = [node.obj for node in graph.nodes.values() if node.sort == "function"]
        self._attributes = [(names, len(names)) for names in map(vars, self._functions)]
        # One call for all: to ask a function for its code is an event for every audit hook.
        self._inside = get_referents(*self._functions)
        self.filled: list[Slot] = []
        """Places that the code assigns, or whose contents it fills."""
        self._cells: list[tuple[CellType, Any]] = []
        places: dict[tuple[int, str], tuple[Mapping[str, Any], str, Any]] = {}
        for slot, value in graph.seen:
            key = slot.key
            if key in places:
                continue
            if key in graph.assigned or key in graph.filled:
                self.filled.append(slot)
                continue
            if isinstance(slot.holder, CellType):
                self._cells.append((slot.holder, value))
            else:
                holder = names_of(slot.holder) if isinstance(slot.holder, type) else slot.holder
                places[key] = holder, slot.name, value
        self._places = list(places.values())
        self._sizes = [(namespace, len(namespace)) for namespace in graph.whole]
        self._environment = list(graph.environment.items())
        modules = [node.obj.__name__ for node in graph.nodes.values() if node.sort == "module"]
        self.counted = frozenset([*graph.environment, *modules])
        self.memos = memos_in(graph)
        self._registries = graph.registries
        self._growing = graph.growing
        self.packages = frozenset(
            (edge.target[0], edge.target[2])
            for node in graph.nodes.values()
            for edge in node.edges
            if edge.sort == "package"
        )
        self._held = [taken.value for taken in graph.values.values()]
        self._in_force = graph.in_force
        self._reached = graph.reached
        self._settings = [edge.target.obj.key for edge in graph.settings]
        self.values = [taken for taken in graph.values.values() if not is_fixed(taken.value)]

    def sources(self) -> list[Any]:
        """Return the code objects and the values that it is made of."""
        return [*(fn.__code__ for fn in self._functions), *self._held]

    def holds(self) -> bool:
        """Tell whether everything is still as it was."""
        inside = get_referents(*self._functions)
        if len(inside) != len(self._inside) or not all(map(is_, inside, self._inside)):
            return False
        for names, size in self._attributes:
            if len(names) != size:
                return False
        for holder, name, value in self._places:
            if holder.get(name, MISSING) is not value:
                return False
        for namespace, size in self._sizes:
            if len(namespace) != size:
                return False
        for cell, value in self._cells:
            try:
                if cell.cell_contents is not value:
                    return False
            except ValueError:
                if value is not MISSING:
                    return False
        for name, text in self._environment:
            if os.environ.get(name) != text:
                return False
        for wrapper, parts in self._growing:
            if list(map(id, held_by(wrapper) or ())) != list(map(id, parts)):
                return False
        for slot, held in self._registries:
            now = held_in(slot.content())
            if [(key, id(code)) for key, code in now] != [(key, id(code)) for key, code in held]:
                return False
        if not self._are_settings_equal():
            return False
        return not self._is_fleeting and (not self.values or self._are_values_equal())

    def _are_settings_equal(self) -> bool:
        now = in_force()
        if now is not self._in_force:
            if [one.key for one in self._reached.of(now)] != self._settings:
                return False
            self._in_force = now
        return True

    def _are_values_equal(self) -> bool:
        for taken in self.values:
            try:
                now = fingerprint_held(taken.value, parts=taken.parts).fingerprint
            except Exception:  # noqa: BLE001 - as when it was taken
                if taken.now:
                    return False
                continue
            # Digests hold only the names of functions and classes.
            if now.digest != taken.now or [*map(id, now.refs)] != [*map(id, taken.refs)]:
                return False
            if taken.filled and filled_in(taken.now, taken.refs) is not taken.filled:
                return False
        return True
