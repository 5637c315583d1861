"""Decides what counts of what was put onto functions, as decorators do that register them.

Only what code may ask of a function that it gets from somewhere: ``sorted(STEPS, key=lambda f:
f.order)``. What it takes of a function by that one's name is mentioned, and followed as such.
"""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING

from stagecache.fingerprint.code.instructions import instructions
from stagecache.fingerprint.code.nodes import Edge
from stagecache.fingerprint.code.resolve import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.code.nodes import Builder, Node

_BY_ANY_NAME = frozenset({"getattr", "attrgetter", "vars", "__dict__"})
"""By which code may ask for attributes whose names only running tells."""
_NEVER = frozenset({"__wrapped__", "__stagecache_stable__"})
"""What is followed anyway, or says how to."""


def add_attributes(graph: Builder, nodes: Iterable[Node]) -> bool:
    """Let count what the functions carry that some of them asks for; tell whether that is new."""
    functions = [node for node in nodes if node.sort == "function"]
    if not any(node.obj.__dict__.keys() - _NEVER for node in functions):
        return False
    asked = {name for node in functions for name in _names(node.obj.__code__)}
    is_any = bool(_BY_ANY_NAME & asked)
    found = False
    for node in functions:
        own = node.obj.__dict__
        for name in sorted(own.keys() - _NEVER):
            fact, slot = f".{name}", Slot(own, name)
            if fact in node.facts or slot.key in graph.assigned or not (is_any or name in asked):
                continue
            found = True
            node.facts.add(fact)
            graph.seen.append((slot, own[name]))
            node.edges.append(Edge("bound", fact, name, slot))
            node.edges.append(graph.edge(own[name], f"{node.obj.__qualname__}{fact}", slot))
    return found


def _names(code: CodeType) -> Iterator[str]:
    """Yield the attributes that code takes of anything, and the texts by which it may ask."""
    for instruction in instructions(code):
        is_global = instruction.op == "LOAD_GLOBAL" and instruction.name in _BY_ANY_NAME
        if is_global or instruction.op == "LOAD_ATTR":
            yield instruction.name
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str):  # operator.attrgetter("a.b")
            yield from constant.split(".")
