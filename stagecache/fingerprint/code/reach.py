"""Decides what a piece of code reaches: a graph of functions, classes, values and packages.

Only its parts and how they hang together are found here; ``code`` makes a digest of them.
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from stagecache.errors import FingerprintError
from stagecache.fingerprint.code.annotated import (
    OF_CLASSES,
    OF_FUNCTIONS,
    is_read_by,
    wrapped_by_readers,
)
from stagecache.fingerprint.code.attributes import add_attributes
from stagecache.fingerprint.code.classes import build_class
from stagecache.fingerprint.code.concerns import Reached
from stagecache.fingerprint.code.edges import edge_to
from stagecache.fingerprint.code.filled import filled_in, knows_any
from stagecache.fingerprint.code.foreign import is_container
from stagecache.fingerprint.code.functions import add_facts, build_function, build_setting
from stagecache.fingerprint.code.held import fingerprint_held
from stagecache.fingerprint.code.items import contents_of
from stagecache.fingerprint.code.living import IN_MEMORY, is_database
from stagecache.fingerprint.code.lookups import is_of_a_notebook
from stagecache.fingerprint.code.nodes import Edge, Followed, Node, Value, foreign
from stagecache.fingerprint.code.queries import only_reads
from stagecache.fingerprint.code.registries import held_in
from stagecache.fingerprint.code.resolve import Slot
from stagecache.fingerprint.code.settings import in_force
from stagecache.fingerprint.code.uncounted import Uncounted
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.scalars import plain_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CodeType

    from stagecache.fingerprint.code.mentions import Mention


class Graph(Uncounted):
    """What a few pieces of code reach together.

    Parameters
    ----------
    roots : iterable of object
        Functions, classes or whatever else code names.
    defaults : bool
        Whether the defaults of the roots themselves count; those of a stage are arguments.
    as_filled : bool, optional
        Whether objects count as they are, also if it makes no difference that they are filled.
    """

    def __init__(self, roots: Iterable[Any], *, defaults: bool, as_filled: bool = False) -> None:
        super().__init__()
        self.nodes: dict[int, Node] = {}
        self.values: dict[int, Value] = {}
        self.seen: list[tuple[Slot, Any]] = []
        self.whole: list[Mapping[str, Any]] = []
        self.environment: dict[str, str | None] = {}
        self.unresolved: dict[str, None] = {}
        self.told: set[str] = set()
        """Facts such as ``__name__`` that are asked of functions and classes not known here."""
        self.registered: dict[tuple[int, str], list[tuple[Any, Edge]]] = {}
        """The user's code in what code fills or assigns, that is reached in no other way."""
        self.registries: list[tuple[Slot, list[tuple[Any, Any]]]] = []
        """Where such things are held, and all code in them."""
        self.growing: list[tuple[FunctionType, list[Any]]] = []
        """Wrappers that may be given more of the user's code, with what they hold."""
        self.settings: list[Edge] = []
        """To what was set in libraries that the code reaches."""
        self.followed: dict[tuple[int, int], dict[Mention, Followed]] = {}
        self.is_fleeting = False
        """Whether something counts whose change nothing here would notice."""
        self._work: list[Node] = []
        self._waiting: list[Edge] = []
        self._taken_by: dict[int, Edge] = {}
        roots = tuple(roots)
        self._without_defaults = () if defaults else tuple(map(id, roots))
        self.roots = [self.edge(root, "") for root in roots]
        self._run()
        if not as_filled:
            self._settle()
        self.reached = Reached(list(self.nodes.values()), list(self.values.values()), self.roots)
        self.in_force = in_force()
        self._add_settings()

    def _run(self) -> None:
        while True:
            self._look_into_all()
            roots = {id(root.target) for root in self.roots}
            news = [
                add_facts(self, node, self.told)
                for node in list(self.nodes.values())
                if self.told and node.sort in ("function", "class") and id(node) not in roots
            ]
            news += [
                add_facts(self, node, OF_FUNCTIONS)
                for node in list(wrapped_by_readers(self.nodes.values()))
            ]
            if add_attributes(self, list(self.nodes.values())) or any(news):
                continue
            self._note_databases()
            if not self._take_again() and not self._take_registered():
                return

    def _note_databases(self) -> None:
        """Note that code fills the databases in memory which it does not only ask."""
        found = [
            identity
            for identity, one in self.values.items()
            if one.has_database or is_database(one.value)
        ]
        if found:
            held = [one.value for one in self.values.values() if type(one.value) is str]
            if not only_reads(self.codes(), held):
                for identity in found:
                    self.parts.setdefault(identity, set()).add(IN_MEMORY)

    def _take_again(self) -> bool:
        """Take values anew of which more parts are known to be filled; tell whether any were."""
        found = [
            identity
            for identity, parts in self.parts.items()
            if identity in self.values and not self.values[identity].parts.issuperset(parts)
        ]
        for identity in found:
            del self.values[identity]
            self._waiting.append(self._taken_by[identity])
        return bool(found)

    def _look_into_all(self) -> None:
        """Look into nodes first and take values last: by then it is known which do not count."""
        while self._work or self._waiting:
            while self._work:
                node = self._work.pop()
                if node.sort == "function":
                    with_defaults = id(node.obj) not in self._without_defaults
                    build_function(self, node, with_defaults=with_defaults)
                elif node.sort == "class":
                    build_class(self, node)
                elif node.sort == "module":
                    self._build_module(node)
            if self._waiting:
                edge = self._waiting.pop()
                self._take_as_whole(edge)
                if self.is_counted(edge):
                    self._take_value(edge)
                    self._take_asked(edge)
                elif not self.is_assigned(edge):
                    self.edge(type(edge.target), "")  # an object that is filled keeps its class

    def _add_settings(self) -> None:
        felt = self.reached.of(self.in_force)
        for one in felt:
            node = self.nodes[id(one)] = Node("setting", one, one.setting.group.strip())
            self.settings.append(Edge("node", node, one.text))
            build_setting(self, node)
        if felt:
            self._run()

    def _take_registered(self) -> bool:
        """Take the functions and classes that code may have been given to keep.

        A registry looks like a memo: both are filled by code. What lies in it does not count,
        but for code that nothing else leads to.
        """
        if not (self.assigned or self.filled):
            return False
        reached, uncounted = self._reached()
        found = False
        for edge in uncounted:
            assert edge.slot is not None
            if edge.slot.key in self.registered:
                continue
            target = edge.target.obj if edge.sort == "node" else edge.target
            held = held_in(target)
            self.registries.append((edge.slot, held))
            self.registered[edge.slot.key] = [
                (key, self.edge(code, code.__qualname__))
                for key, code in held
                if id(code) not in reached
            ]
            found = True
        return found

    def _reached(self) -> tuple[set[int], list[Edge]]:
        """Return the ids of the code that counts, and the edges on the way that do not."""
        reached: set[int] = set()
        uncounted: list[Edge] = []
        work = [*self.roots, *self.settings]
        while work:
            edge = work.pop()
            if not self.is_counted(edge):
                uncounted.append(edge)
                assert edge.slot is not None
                work.extend(held for _, held in self.registered.get(edge.slot.key, ()))
            elif edge.sort == "value":
                work.extend(self.values[id(edge.target)].edges)
            elif edge.sort == "node" and id(edge.target.obj) not in reached:
                reached.add(id(edge.target.obj))
                work.extend(edge.target.edges)
        return reached, uncounted

    # How things are tied --------------------------------------------------------------------------

    def edge(
        self, value: Any, label: str, slot: Slot | None = None, rest: tuple[str, ...] = ()
    ) -> Edge:
        """Return how a node is tied to `value`, which is found at `slot`."""
        try:
            return edge_to(self, value, label, slot, rest)
        except Exception as error:  # noqa: BLE001 - whatever a user's object does when looked at
            self.unresolved[f"{label}: {type(error).__name__}: {error}"] = None
            return self.later(value, label, slot, rest)

    def later(
        self, value: Any, label: str, slot: Slot | None = None, rest: tuple[str, ...] = ()
    ) -> Edge:
        """Return the edge to a value, which is taken once it is known what does not count."""
        edge = Edge("value", value, label, slot, rest)
        self._waiting.append(edge)
        return edge

    def node(
        self,
        sort: str,
        obj: Any,
        label: str,
        slot: Slot | None = None,
        rest: tuple[str, ...] = (),
    ) -> Edge:
        """Return the edge to something of the user's, which is looked into."""
        identity = id(obj.__dict__) if sort == "module" else id(obj)
        node = self.nodes.get(identity)
        if node is None:
            node = self.nodes[identity] = Node(sort, obj, label)
            self._work.append(node)
        return Edge("node", node, label, slot, rest)

    def made(
        self,
        obj: Any,
        sort: str,
        parts: Iterable[Any],
        label: str,
        slot: Slot | None,
        *edges: Edge,
    ) -> Edge:
        """Return the edge to something that is made of `parts`, and has `edges` beside them."""
        node = self.nodes.get(id(obj))
        if node is None:
            node = self.nodes[id(obj)] = Node(sort, obj, label)
            node.edges.extend(edges)
            node.edges.extend(self.edge(part, label) for part in parts)
        return Edge("node", node, label, slot)

    # What a thing is made of ------------------------------------------------------------------

    def whole_module(self, module: Any, label: str) -> Edge:
        """Return the edge to a module of which everything counts."""
        return self.node("module", module, label)

    def _build_module(self, node: Node) -> None:
        """Take all of a module that is used as a whole, such as ``getattr(mod, name)``."""
        namespace = node.obj.__dict__
        self.whole.append(namespace)
        for name in sorted(namespace):
            value = namespace[name]
            if name.startswith("__") or is_of_a_notebook(name, namespace):
                continue
            if isinstance(value, ModuleType) and value.__name__ != f"{node.obj.__name__}.{name}":
                continue
            slot = Slot(namespace, name)
            self.seen.append((slot, value))
            node.edges.append(Edge("bound", name, name, slot))
            node.edges.append(self.edge(value, f"{node.obj.__name__}.{name}", slot))

    def _take_value(self, edge: Edge) -> None:
        value = edge.target
        identity = id(value)
        if identity in self.values:
            return
        self._taken_by[identity] = edge
        parts = frozenset(self.parts.get(identity, ()))
        try:
            digest = None if parts else plain_digest(value)
            if digest is not None:
                self.values[identity] = Value(value, digest, (), [])
                return
            of_it = "".join(f".{name}" for name in edge.rest)
            label = edge.label.removesuffix(of_it)
            found, left_out, has_database = fingerprint_held(value, label, parts)
        except Exception as error:  # noqa: BLE001 - a File may be gone, an object may refuse
            problem = error.problem if isinstance(error, FingerprintError) else str(error)
            self.unresolved[f"{edge.label}: {problem}"] = None
            edges = [self.edge(type(value), edge.label)]
            self.values[identity] = Value(value, b"", (), edges, parts)
            return
        self.unresolved.update(dict.fromkeys(left_out))
        edges = [self.edge(ref, edge.label) for ref in found.refs]
        package = foreign(type(value), edge.label)
        if package.sort == "package":
            edges.append(package)
            if is_read_by(package):
                self.told.add(OF_CLASSES)
        taken = Value(value, found.digest, found.refs, edges, parts, has_database=has_database)
        self.values[identity] = taken

    def _take_asked(self, edge: Edge) -> None:
        """Take what is asked of a value that cannot be taken itself: ``app.config``."""
        value = self.values[id(edge.target)]
        holder, slot, rest = value.value, edge.slot, edge.rest
        if value.now or type(own_names(holder)) is not dict:
            return
        while rest and rest[0] in own_names(holder):
            slot, rest = Slot(own_names(holder), rest[0]), rest[1:]
            holder = slot.content()
            self.seen.append((slot, holder))
        if holder is not value.value and (not rest or is_container(holder)):
            value.edges.append(self.edge(holder, edge.label, slot, rest))

    def _take_as_whole(self, edge: Edge) -> None:
        """Let nothing count of a registry of which the code fills single items with code."""
        if edge.slot is None or not self.parts:
            return
        parts = self.parts.get(id(edge.target), ())
        if any(held_in(contents_of(edge.target).get(part)) for part in parts):
            self.filled.add(edge.slot.key)

    def _settle(self) -> None:
        """Take objects that were filled for what they were before, where it makes no difference."""
        if not knows_any():
            return
        codes = self.codes()
        for identity, value in self.values.items():
            found = filled_in(value.now, value.refs, codes)
            if found is not None:
                named = set(map(id, found.refs))
                edges = [
                    edge
                    for edge in value.edges
                    if edge.sort == "package" or id(getattr(edge.target, "obj", None)) in named
                ]
                self.values[identity] = value._replace(edges=edges, filled=found)

    def codes(self) -> list[CodeType]:
        """Return the code of the functions that were reached."""
        return [node.obj.__code__ for node in self.nodes.values() if node.sort == "function"]
