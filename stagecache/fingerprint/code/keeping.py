"""Finds the functions that keep what they made: memos of any library, and those made by hand."""

from __future__ import annotations

import functools
import sys
from types import FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.given import fills_default
from stagecache.fingerprint.code.mutating import MUTATORS, may_fill
from stagecache.fingerprint.looking import has_by_itself, names_of, own_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType

    from stagecache.fingerprint.code.bytecode import Form
    from stagecache.fingerprint.code.fills import Fill
    from stagecache.fingerprint.code.nodes import Node
    from stagecache.fingerprint.code.reach import Graph

_OUTSIDE = ("global", "free", "first")
_GENERATORS = 0x20 | 0x200
_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


class Memo(NamedTuple):
    """A function that may give again what it made once, and all such that it calls."""

    wrapper: Any
    """What is around it and tells how often it gave something again; None: nothing is."""
    codes: tuple[CodeType, ...]
    names: tuple[str, ...] = ()
    """Of the functions whose code that is, as ``module:qualname``: other processes have others."""
    stages: frozenset[str] = frozenset()
    """Names of the stages that it may call itself."""

    @property
    def counts(self) -> bool:
        """Whether it can be asked how often it gave something again."""
        return self.wrapper is not None

    def hits(self) -> int:
        """Return how often it gave something again, as far as that is counted."""
        return self.wrapper.cache_info().hits if self.counts else 0


def fills_outside(code: CodeType) -> bool:
    """Tell whether code assigns or fills what it did not make itself.

    Examples
    --------
    >>> def config():
    ...     global KEPT
    ...     KEPT = 1
    >>> fills_outside(config.__code__)
    True
    """
    if not may_fill(code):
        return False
    from stagecache.fingerprint.code.forms import form_of

    return _fills_outside(form_of(code))


def _fills_outside(form: Form) -> bool:
    return any(fill.slot.kind in _OUTSIDE for fill in form.fills) or any(
        mention.kind in _OUTSIDE and mention.attributes[-1:] and mention.attributes[-1] in MUTATORS
        for mention in form.mentions
    )


def may_keep(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether anything can outlast a call of code, by what is known when it is first met.

    Whatever is around a function may: so may one that is not found by its name, as that of a
    decorator's, and a generator, which goes on where it was.

    Parameters
    ----------
    code : code
        Of a function.
    namespace : dict
        Its globals.

    Examples
    --------
    >>> import functools
    >>> def plain(): ...
    >>> @functools.cache
    ... def kept(): ...
    >>> may_keep(plain.__code__, globals()), may_keep(kept.__wrapped__.__code__, globals())
    (False, True)
    """
    if code.co_name in _COMPREHENSIONS:
        return False
    if code.co_flags & _GENERATORS or fills_outside(code):
        return True
    first, *others = code.co_qualname.split(".")
    found: Any = namespace.get(first)
    for name in others:
        found = names_of(found).get(name) if issubclass(type(found), type) else None
    kind = type(found)
    if kind is staticmethod or kind is classmethod:
        found = found.__func__
    if type(found) is FunctionType:
        return found.__code__ is not code or _is_wrapped(found, namespace) or fills_default(found)
    if kind is property:
        return all(getattr(each, "__code__", None) is not code for each in _of_property(found))
    return not has_by_itself(kind, "__stagecache_code__") or _is_counting(found)


def _is_wrapped(fn: FunctionType, namespace: dict[str, Any]) -> bool:
    """Tell whether something else by another name is around a function."""
    return any(own_names(value).get("__wrapped__") is fn for value in list(namespace.values()))


def memos_in(graph: Graph) -> tuple[Memo, ...]:
    """Return the functions that keep what they made and that are reached from a stage's own."""
    roots = [root.target for root in graph.roots]
    bodies = {
        edge.target for node in graph.nodes.values() if _name_of_stage(node) for edge in node.edges
    }
    keepers = {node: kept for node in graph.nodes.values() if (kept := _kept_by(node))}
    return tuple(
        _memo(
            node.obj if _is_counting(node.obj) else None,
            [function for each in _reached(node) for function in keepers.get(each, ())],
            _stages_called_by(node, bodies),
        )
        for node in keepers
        if node not in roots
    ) + tuple(
        Memo(None, (taken.value.gi_code,))
        for taken in graph.values.values()
        if type(taken.value) is GeneratorType
    )


def memo_named(names: Sequence[str]) -> Memo:
    """Return what another process has as a memo, as it is in this one.

    Parameters
    ----------
    names : sequence of str
        As of the memo there.

    Examples
    --------
    >>> memo_named(["functools:wraps"]).codes == (functools.wraps.__code__,)
    True
    """
    around, functions = None, []
    for name in names:
        found = _named(name)
        around = around or (found if _is_counting(found) else None)
        while type(found) is not FunctionType and found is not None:
            found = getattr(found, "__wrapped__", None)
        if found is not None:
            functions.append(found)
    return _memo(around, functions)


def memos_of(name: str) -> tuple[Memo, ...]:
    """Return a function that was called for what it fills, and those that it reaches, as memos.

    Parameters
    ----------
    name : str
        As ``module:qualname``.
    """
    from stagecache.fingerprint.code.reach import Graph

    found = _named(name)
    if type(found) is not FunctionType:
        return ()
    return (_memo(None, [found]), *memos_in(Graph((found,), defaults=True)))


def _named(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _memo(
    around: Any, functions: Iterable[FunctionType], stages: frozenset[str] = frozenset()
) -> Memo:
    named = {fn.__code__: f"{fn.__module__}:{fn.__qualname__}" for fn in functions}
    return Memo(around, tuple(named), tuple(named.values()), stages)


def _reached(start: Node) -> set[Node]:
    """Return a node and all that are reached from it."""
    met: set[Node] = set()
    work = [start]
    while work:
        node = work.pop()
        if node not in met:
            met.add(node)
            work.extend(edge.target for edge in node.edges if edge.sort == "node")
    return met


def _kept_by(node: Node) -> tuple[FunctionType, ...]:
    """Return the functions whose results a node may keep: itself, or what it is around."""
    if node.sort == "function":
        is_filling = node.form is not None and (
            _fills_outside(node.form)
            or (any(map(_is_of_parameter, node.form.fills)) and fills_default(node.obj))
        )
        return (node.obj,) if is_filling else ()
    is_around = node.sort in ("wrapper", "cached_property") or _is_counting(node.obj)
    parts = [edge.target for edge in node.edges if edge.sort == "node"] if is_around else ()
    return tuple(part.obj for part in parts if part.sort == "function")


def _stages_called_by(start: Node, bodies: set[Node]) -> frozenset[str]:
    """Return the names of stages that may be called by a function which is no stage's own.

    What these call, they hand up.
    """
    met: set[Node] = set()
    work = [] if start in bodies else [start]
    while work:
        node = work.pop()
        if node not in met:
            met.add(node)
            if _name_of_stage(node) is None:
                work.extend(edge.target for edge in node.edges if edge.sort == "node")
    return frozenset(filter(None, map(_name_of_stage, met)))


def _name_of_stage(node: Node) -> str | None:
    return getattr(node.obj, "qualified_name", None) if node.sort == "offers" else None


def _is_counting(obj: Any) -> bool:
    """Tell whether something is a memo that counts its hits as those of ``functools`` do."""
    kind = type(obj)  # what an object says itself of its class may be anything
    return issubclass(kind, functools._lru_cache_wrapper) or (
        has_by_itself(kind, "cache_info") and has_by_itself(kind, "__stagecache_code__")
    )


def _is_of_parameter(fill: Fill) -> bool:
    return fill.slot.kind == "parameter"


def _of_property(found: property) -> tuple[Any, ...]:
    return found.fget, found.fset, found.fdel
