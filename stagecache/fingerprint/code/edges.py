"""Decides what a thing is that code names, and with that how a node is tied to it."""

from __future__ import annotations

import os
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.foreign import (
    held_by,
    is_disguised,
    is_growing,
    is_inert,
    is_named,
    library_of,
    name_of,
    parts_of,
)
from stagecache.fingerprint.code.nodes import Edge, foreign, known_builtin
from stagecache.fingerprint.code.resolve import MISSING, Foreign
from stagecache.fingerprint.looking import has_by_itself
from stagecache.fingerprint.origin import is_user_class, is_user_code, is_user_module
from stagecache.fingerprint.scalars import SCALARS
from stagecache.fingerprint.stable import stable_version

if TYPE_CHECKING:
    from stagecache.fingerprint.code.nodes import Builder
    from stagecache.fingerprint.code.resolve import Slot

_PLAIN = SCALARS.keys() - {type(NotImplemented)}
"""Types of what is a value, whatever else it may be."""


def edge_to(
    graph: Builder, value: Any, label: str, slot: Slot | None, rest: tuple[str, ...]
) -> Edge:
    """Return how a node is tied to `value`, which is found at `slot`.

    Parameters
    ----------
    graph : Builder
        What the node is in.
    value : object
        What is named, or a part of it.
    label : str
        How a person would call it.
    slot : Slot or None
        Where it is held.
    rest : tuple of str
        Attributes that are taken of it without our looking into it.
    """
    if type(value) in _PLAIN:
        return graph.later(value, label, slot, rest)
    name = None if rest else known_builtin(value)
    if name is not None:
        return Edge("name", name, label, slot)
    if value is os.environ:
        return Edge("name", ".".join(("os.environ", *rest)), label, slot)
    if is_inert(value) and rest[:1] != ("extra",):  # of a LoggerAdapter it is data
        return Edge("name", f"any {type(value).__qualname__}", label, slot)
    if value is MISSING:
        return Edge("missing", ".".join(rest), label, slot)
    if isinstance(value, FunctionType) and not _is_in_disguise(value, FunctionType):
        return _function_edge(graph, value, label, slot, rest)
    if isinstance(value, type) and not _is_in_disguise(value, type):
        return _class_edge(graph, value, label, slot, rest)
    if isinstance(value, (ModuleType, Foreign)):
        return _module_edge(graph, value, label, slot, rest)
    if has_by_itself(type(value), "__stagecache_code__"):
        return graph.made(value, "offers", value.__stagecache_code__(), label, slot)
    parts = parts_of(value)
    if parts is not None:
        return graph.made(value, parts[0], parts[1], label, slot)
    if is_named(value):
        return foreign(value, label, slot)
    library = library_of(name_of(value)[0]) if callable(value) else None
    if library is not None:
        return Edge("name", f"{name_of(value)[1]} of library {library}", label, slot)
    return graph.later(value, label, slot, rest)


def _is_in_disguise(value: Any, kind: type) -> bool:
    return not issubclass(type(value), kind) and is_disguised(value)


def _function_edge(
    graph: Builder, fn: FunctionType, label: str, slot: Slot | None, rest: tuple[str, ...]
) -> Edge:
    version = stable_version(fn)
    if version is not None:
        return Edge("name", f"stable {version}", label, slot)
    if is_user_code(fn.__globals__):
        return graph.node("function", fn, label, slot, rest)
    held = held_by(fn)
    if held is None:
        return foreign(fn, label, slot)
    if is_growing(fn):
        graph.growing.append((fn, held))
    return graph.made(fn, "wrapper", held, label, slot, foreign(fn, label))


def _class_edge(
    graph: Builder, cls: type, label: str, slot: Slot | None, rest: tuple[str, ...]
) -> Edge:
    version = stable_version(cls)
    if version is not None:
        return Edge("name", f"stable {version}", label, slot)
    if is_user_class(cls):
        return graph.node("class", cls, label, slot, rest)
    return foreign(cls, label, slot, rest)


def _module_edge(
    graph: Builder,
    module: ModuleType | Foreign,
    label: str,
    slot: Slot | None,
    rest: tuple[str, ...],
) -> Edge:
    if isinstance(module, ModuleType) and is_user_module(module.__name__):
        return graph.node("module", module, label, slot, rest)
    return foreign(module, label, slot, rest)
