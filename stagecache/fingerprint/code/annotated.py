"""Decides where annotations are more than words: for libraries that make values by them.

What their texts name is followed, for a class may name what comes after it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.lookups import looked_up
from stagecache.fingerprint.code.resolve import Scope, resolve
from stagecache.fingerprint.looking import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.code.nodes import Builder, Edge, Node

OF_FUNCTIONS = frozenset({"__annotations__"})
OF_CLASSES = "__annotations__ of a class"
_READING = frozenset({
    "apischema", "beartype", "cattrs", "dacite", "dataclasses-json", "databind", "jsonargparse",
    "mashumaro", "msgspec", "omegaconf", "pydantic", "pyserde", "simple-parsing", "typedload",
    "typeguard", "tyro",
})  # fmt: skip
"""Distributions that make dataclasses and other values from plain data, or check them."""


def is_read_by(edge: Edge) -> bool:
    """Tell whether what an edge leads to is of a library that reads annotations of classes."""
    return edge.sort == "package" and edge.target[0] in _READING


def wrapped_by_readers(nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield the functions that such a library wraps: it reads theirs, too."""
    for node in nodes:
        if node.sort == "wrapper" and any(map(is_read_by, node.edges)):
            for edge in node.edges:
                if edge.sort == "node" and edge.target.sort == "function":
                    yield edge.target


def named_in(graph: Builder, owner: Any, annotation: object) -> Iterator[Edge]:
    """Yield how something is tied to what an annotation names that is a text.

    Parameters
    ----------
    graph : Builder
        What it is in.
    owner : function or class
        Whose annotation it is.
    annotation : object
        One of them.
    """
    if type(annotation) is not str:
        return
    scope = Scope(_globals_of(owner), {}, {})
    for mention in looked_up("eval", [annotation], scope).mentions:
        found = resolve(mention, scope)
        graph.seen.extend(found.seen)
        yield graph.edge(found.value, mention.dotted, found.slot, found.rest)


def _globals_of(owner: Any) -> dict[str, Any]:
    if isinstance(owner, FunctionType):
        return owner.__globals__
    return getattr(sys.modules.get(str(owner.__module__)), "__dict__", {})


def complete(cls: Any) -> None:
    """Let pydantic finish a model that names what came after it, as its first use does.

    It is another one by that, and would count as such in the run that uses it.
    """
    if names_of(cls).get("__pydantic_complete__") is not False:
        return
    with suppress(Exception):  # some of it is still not there
        if "model_rebuild" in dir(cls):
            cls.model_rebuild(raise_errors=False, _types_namespace={})
        else:
            from pydantic.dataclasses import rebuild_dataclass

            rebuild_dataclass(cls, raise_errors=False, _types_namespace={})
