"""Decides the fingerprint of code, and whether one that was taken before still holds.

What counts is found by ``reach``; here its parts are put together and watched.
"""

from __future__ import annotations

import os
import sys
from gc import get_referents
from operator import is_
from types import CellType
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache.fingerprint.code.filled import filled_in
from stagecache.fingerprint.code.foreign import held_by, is_fixed
from stagecache.fingerprint.code.held import fingerprint_held
from stagecache.fingerprint.code.items import has_contents
from stagecache.fingerprint.code.keeping import memos_in
from stagecache.fingerprint.code.reach import Graph
from stagecache.fingerprint.code.registries import held_in
from stagecache.fingerprint.code.resolve import MISSING
from stagecache.fingerprint.code.settings import in_force
from stagecache.fingerprint.looking import names_of, things_in
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stagecache.fingerprint.code.keeping import Memo
    from stagecache.fingerprint.code.nodes import Edge, Node, Value
    from stagecache.fingerprint.code.resolve import Slot
    from stagecache.fingerprint.values import Fingerprint
    from stagecache.model import CodeManifest

_MOST_KEPT = 4096
_WHOLE = frozenset({"name", "bound", "package", "environment"})
"""Sorts of edges whose targets say all that counts."""

_kept: dict[int | tuple[int, ...], _Taken] = {}


def fingerprint_code(fn: Callable[..., Any]) -> Digest:
    """Return the fingerprint of a function and of everything of the user's that it reaches.

    The names of its arguments count, its own defaults do not: they are bound arguments.

    Parameters
    ----------
    fn : callable
        Usually a function; whatever has code will do.

    Returns
    -------
    Digest
        Equal for equal code in a script, a module and a notebook.

    Examples
    --------
    >>> def scaled(x):
    ...     "Documented."
    ...     return FACTOR * x
    >>> before = fingerprint_code(scaled)
    >>> FACTOR = 2
    >>> fingerprint_code(scaled) == before
    False
    """
    taken = _kept.get(id(fn))
    if taken is None or not taken.holds():
        taken = _keep(id(fn), _Taken((fn,), Graph((fn,), defaults=False)))
    return taken.digest


def counted_by(fn: Callable[..., Any]) -> frozenset[str]:
    """Return the environment variables and modules that the fingerprint of `fn` has counted.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return frozenset() if taken is None else taken.counted


def texts_of(fn: Callable[..., Any]) -> Iterator[str]:
    """Yield the texts and paths among the constants and globals of the code which `fn` reaches.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    from pathlib import PurePath

    taken = _kept.get(id(fn))
    return (
        value if isinstance(value, str) else os.fspath(value)
        for value in things_in(() if taken is None else taken.sources())
        if issubclass(type(value), str | PurePath)
    )


def packages_of(fn: Callable[..., Any]) -> frozenset[tuple[str, str]]:
    """Return the distributions that code which `fn` reaches mentions, each with what of it.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return frozenset() if taken is None else taken.packages


def kept_by(fn: Callable[..., Any]) -> tuple[Memo, ...]:
    """Return the functions that `fn` reaches and that keep what they made.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return () if taken is None else taken.memos


def values_of(fn: Callable[..., Any]) -> list[Value]:
    """Return the values that the code which `fn` reaches holds, as far as they may change.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    return [] if taken is None else taken.values


def filled_by(fn: Callable[..., Any]) -> Iterator[Any]:
    """Yield the dicts and objects that the code which `fn` reaches fills, in all or in part.

    Parameters
    ----------
    fn : callable
        As it was given to :func:`fingerprint_code`.
    """
    taken = _kept.get(id(fn))
    if taken is not None:
        yield from (value.value for value in taken.values if value.parts)
        yield from filter(has_contents, (slot.content() for slot in taken.filled))


def reached_by(refs: tuple[object, ...]) -> _Taken:
    """Return all that classes and functions reach, to be asked whether it is still the same."""
    return _Taken(refs, Graph(refs, defaults=True, as_filled=True))


def fingerprint_references(refs: tuple[object, ...]) -> Digest:
    """Return the fingerprint of the code of classes and functions that a value names.

    Parameters
    ----------
    refs : tuple of object
        As in :attr:`Fingerprint.refs`.
    """
    key = tuple(map(id, refs))
    taken = _kept.get(key)
    if taken is None or not taken.holds():
        taken = _keep(key, _Taken(refs, Graph(refs, defaults=True)))
    return taken.digest


def complete(fp: Fingerprint) -> Digest:
    """Return the fingerprint of a value with the code of the classes that it names."""
    if not fp.refs:
        return fp.digest
    return Digest(xxh3_128_digest(fp.digest + fingerprint_references(fp.refs)))


def describe_code(fn: Callable[..., Any]) -> CodeManifest:
    """Return what the fingerprint of `fn` is made of, with source texts as far as there are any.

    Examples
    --------
    >>> def area(radius):
    ...     return PI * radius**2
    >>> PI = 3.14
    >>> [(part.name, part.kind) for part in describe_code(area).parts]
    [('area', 'function'), ('PI', 'value'), ('python', 'version')]
    """
    from stagecache.fingerprint.code.manifest import manifest_of

    graph = Graph((fn,), defaults=False)
    return manifest_of(graph, _digest(graph))


def _keep(key: int | tuple[int, ...], taken: _Taken) -> _Taken:
    if len(_kept) >= _MOST_KEPT:  # a notebook that defines its functions over and over
        _kept.clear()
    _kept[key] = taken
    return taken


class _Taken:
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
        self.digest = _digest(graph)
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
                now, _ = fingerprint_held(taken.value, parts=taken.parts)
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


def _digest(graph: Graph) -> Digest:
    """Number nodes as they are first reached and write each with the numbers of what it reaches.

    That says as much of a graph as digests of its strongly connected components would, and
    needs no recursion: two functions that call each other are just two numbers.
    """
    numbers: dict[Node, int] = {}
    order: list[Node] = []

    def number(node: Node) -> int:
        found = numbers.get(node)
        if found is None:
            found = numbers[node] = len(order)
            order.append(node)
        return found

    are_all_counted = not (graph.assigned or graph.filled)

    def written(edge: Edge) -> Any:
        if not (are_all_counted or graph.is_counted(edge)):
            assert edge.slot is not None
            held = [
                (ascii(key) if isinstance(key, str | int | tuple) else "", written(code))
                for key, code in graph.registered.get(edge.slot.key, ())
            ]
            node = graph.nodes.get(id(type(edge.target)))
            if node is None or edge.sort != "value" or graph.is_assigned(edge):
                return "uncounted", held
            return "uncounted", held, number(node)
        if edge.sort in _WHOLE:
            return edge.sort, edge.target
        if edge.sort == "node":
            if edge.rest and graph.is_attribute_assigned(edge):
                return "uncounted", []  # as it is once it is there
            return "node", number(edge.target), edge.rest
        if edge.sort == "value":
            taken = graph.values[id(edge.target)]
            return "value", taken.digest, [written(other) for other in taken.edges], edge.rest
        return "missing", edge.label

    def counted(node: Node) -> list[Edge]:
        # Of a function it counts that there is a name; of a class it does not, if code makes it.
        if node.sort == "function":
            if graph.put:
                return [edge for edge in node.edges if not graph.is_made_by_code(edge)]
            return node.edges
        return [edge for edge in node.edges if not graph.is_assigned(edge) or is_kept_by(edge)]

    def is_kept_by(edge: Edge) -> bool:
        return bool(
            edge.slot is not None and graph.registered and graph.registered.get(edge.slot.key)
        )

    tokens: list[Any] = [sys.version_info[:2], [written(root) for root in graph.roots]]
    if graph.settings:
        tokens.append([written(edge) for edge in graph.settings])
    tokens.extend(  # `order` grows while it is read
        (node.sort, node.data, [written(edge) for edge in counted(node)]) for node in order
    )
    return Digest(xxh3_128_digest(ascii(tokens).encode()))
