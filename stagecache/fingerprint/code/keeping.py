"""Finds the functions that keep what they made: memos of ``functools``, and those made by hand."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.fills import MUTATORS
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.lazy import fills_where_empty

if TYPE_CHECKING:
    from types import CodeType

    from stagecache.fingerprint.code.nodes import Node
    from stagecache.fingerprint.code.reach import Graph

_OUTSIDE = ("global", "free")


class Memo(NamedTuple):
    """A function that may give again what it made once, and all such that it calls."""

    wrapper: Any
    """The memo of ``functools`` around it; None: it fills something outside of itself."""
    codes: tuple[CodeType, ...]

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
    form = form_of(code)
    return any(fill.slot.kind in _OUTSIDE for fill in form.fills) or any(
        mention.kind in _OUTSIDE and mention.attributes[-1:] and mention.attributes[-1] in MUTATORS
        for mention in form.mentions
    )


def keeps(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether a function may keep what it makes, outside of itself or in its object.

    Parameters
    ----------
    code : CodeType
        Of the function.
    namespace : dict
        Its globals.
    """
    return fills_outside(code) or fills_where_empty(code, namespace)


def memos_in(graph: Graph) -> tuple[Memo, ...]:
    """Return the functions that keep what they made and that are reached from a stage's own."""
    roots = {id(root.target) for root in graph.roots}
    keepers = {
        id(node): keeper for node in graph.nodes.values() if (keeper := _keeper(node)) is not None
    }
    return tuple(
        Memo(wrapper, tuple(keepers[each][1] for each in _reached(node) if each in keepers))
        for node in graph.nodes.values()
        if id(node) in keepers and id(node) not in roots
        for wrapper, _ in [keepers[id(node)]]
    )


def _reached(start: Node) -> set[int]:
    """Return the identities of a node and of all that are reached from it."""
    met: set[int] = set()
    work = [start]
    while work:
        node = work.pop()
        if id(node) not in met:
            met.add(id(node))
            work.extend(edge.target for edge in node.edges if edge.sort == "node")
    return met


def _keeper(node: Node) -> tuple[Any, CodeType] | None:
    """Return a node's memo and code, if it keeps what it makes."""
    if isinstance(node.obj, functools._lru_cache_wrapper):
        inner = node.obj.__wrapped__
        return (node.obj, inner.__code__) if isinstance(inner, FunctionType) else None
    if isinstance(node.obj, functools.cached_property):
        maker = node.obj.func
        return (None, maker.__code__) if isinstance(maker, FunctionType) else None
    if node.sort == "function" and keeps(node.obj.__code__, node.obj.__globals__):
        return None, node.obj.__code__
    return None
