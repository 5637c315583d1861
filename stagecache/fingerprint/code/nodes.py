"""The words in which ``reach`` and ``classes`` say what code is made of."""

from __future__ import annotations

import builtins
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from stagecache.fingerprint.code.foreign import name_of
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.origin import distribution_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from types import CodeType

    from stagecache.fingerprint.code.bytecode import Form
    from stagecache.fingerprint.code.fills import Fill
    from stagecache.fingerprint.code.mentions import Mention
    from stagecache.fingerprint.code.resolve import Found, Slot


class Edge(NamedTuple):
    """One thing that a node is made of."""

    sort: Literal["node", "value", "package", "name", "environment", "missing", "bound"]
    target: Any
    label: str
    """How a person would call it."""
    slot: Slot | None = None
    """Where it is held; None: nowhere that code could assign."""
    rest: tuple[str, ...] = ()
    """Attributes that are taken of the target without our looking into it."""


class Followed(NamedTuple):
    """What a mention leads to in any code of a module."""

    edges: list[Edge]
    asked: Edge | None = None
    """What leads elsewhere by what the code that mentions it asks of it."""


class Node:
    """A function, class or other thing that has parts.

    Two nodes are the same if their sorts, data and edges are, and those of all they reach.
    """

    __slots__ = ("data", "edges", "facts", "form", "label", "obj", "sort")

    def __init__(self, sort: str, obj: Any, label: str) -> None:
        self.sort = sort
        self.obj = obj
        self.label = label
        self.data: tuple[Any, ...] = ()
        self.form: Form | None = None
        """The normal form of a function, once it is looked into."""
        self.edges: list[Edge] = []
        self.facts: set[str] = set()
        """What it says of itself that counts, for somebody asks."""


class _Held(Protocol):
    def holds(self) -> bool:
        """Tell whether everything is still as it was."""


class Filled(NamedTuple):
    """That a state is another one with what was filled."""

    digest: bytes
    """Of the other one."""
    refs: tuple[object, ...]
    """The classes and functions that the other one names."""
    names: frozenset[str]
    """The attributes that were filled."""
    codes: frozenset[CodeType]
    """All code that may mention these."""
    reached: _Held
    """What the code of the objects was and reached."""


class Value(NamedTuple):
    """What a value of a global, a default or an attribute came to."""

    value: Any
    now: bytes
    """Its fingerprint as it is; empty: it has none."""
    refs: tuple[object, ...]
    edges: list[Edge]
    """To the classes and functions that it names, and to the package of its type."""
    parts: frozenset[str] = frozenset()
    """Its items or attributes that the code itself fills: of the rest is the fingerprint."""
    filled: Filled | None = None
    """Of which state it is known that this is the same, with what was filled there."""
    has_database: bool = False
    """Whether a database in memory lies in it."""

    @property
    def digest(self) -> bytes:
        """What counts of it."""
        return self.now if self.filled is None else self.filled.digest


class Builder(Protocol):
    """What a graph offers to those who build its nodes."""

    seen: list[tuple[Slot, Any]]
    """Every place that was looked at with what it held."""
    whole: list[Mapping[str, Any]]
    """Namespaces of which everything counts, also what is added later."""
    told: set[str]
    assigned: set[tuple[int, str]]
    """Places that the code itself assigns."""
    put: dict[tuple[int, str], Slot | None]
    """Places in libraries where the user put data, and where the way to each starts."""
    environment: dict[str, str | None]
    unresolved: dict[str, None]
    followed: dict[tuple[int, int], dict[Mention, Followed]]
    """What mentions came to, by the globals and builtins in which they are looked up."""
    growing: list[tuple[FunctionType, list[Any]]]
    is_fleeting: bool
    methods: dict[int, str]
    """Functions that are reached for they are in a class, by identity: their names there."""

    def edge(
        self, value: Any, label: str, slot: Slot | None = None, rest: tuple[str, ...] = ()
    ) -> Edge:
        """Return how a node is tied to `value`."""

    def later(
        self, value: Any, label: str, slot: Slot | None = None, rest: tuple[str, ...] = ()
    ) -> Edge:
        """Return the edge to a value, which is taken once it is known what does not count."""

    def node(
        self,
        sort: str,
        obj: Any,
        label: str,
        slot: Slot | None = None,
        rest: tuple[str, ...] = (),
    ) -> Edge:
        """Return the edge to something of the user's, which is looked into."""

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

    def whole_module(self, module: Any, label: str) -> Edge:
        """Return the edge to a module of which everything counts."""

    def note_fill(self, found: Found, fill: Fill) -> None:
        """Remember that code assigns or fills what was found, or an item of it."""

    def note_mutation(self, found: Found) -> None:
        """Remember that a container is filled by a method such as ``CACHE.append``."""

    def note_names(self, names: AbstractSet[str]) -> None:
        """Remember that code mentions `names`: methods of these names may be called."""

    def note_if_called(self, method: str, note: Callable[[], None]) -> None:
        """Note what a method does as soon as it is known that it may be called; others, at once."""

    def note_class_fill(self, cls: type, name: str, *, assigned: bool) -> None:
        """Remember that code assigns or fills an attribute of a class."""


_builtins: dict[int, tuple[Any, str]] = {}
"""Builtins by identity, held here so that it stays theirs, with the name that stands for each."""


def known_builtin(obj: Any) -> str | None:
    """Return the name that stands for a builtin that was met before; most mentions are of those."""
    known = _builtins.get(id(obj))
    return None if known is None else known[1]


def foreign(obj: Any, label: str, slot: Slot | None = None, rest: tuple[str, ...] = ()) -> Edge:
    """Return the edge to something of a library or of Python: its name, and the version."""
    module, name = name_of(obj)
    dotted = ".".join(part for part in (module, name, *rest) if part)
    package = distribution_of(module)
    if package is None:
        target = dotted.removeprefix("builtins.")
        if not rest and vars(builtins).get(target) is obj:
            _builtins[id(obj)] = obj, target
        return Edge("name", target, label, slot)
    return Edge("package", (*package, dotted), label, slot)


def passed_on(value: Any, rest: tuple[str, ...]) -> Any:
    """Return the function or class behind attributes of a library, which may be of another one.

    None: there is none, or a module on the way makes its attributes when they are asked for, so
    that it would not be the same before and after.
    """
    for name in rest:
        names = own_names(value)
        if "__getattr__" in names or name not in names:
            return None
        value = names[name]
    return value if isinstance(value, (FunctionType, type)) else None
