"""Decides the digest of a graph of code: of what counts in it, without names and places."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from stagecache.model import Digest

if TYPE_CHECKING:
    from stagecache.fingerprint.code.nodes import Edge, Node
    from stagecache.fingerprint.code.reach import Graph

_WHOLE = frozenset({"name", "bound", "package", "environment"})
"""Sorts of edges whose targets say all that counts."""


def graph_digest(graph: Graph) -> Digest:
    """Return the digest of a graph.

    Nodes are numbered as they are first reached, and each is written with the numbers of what it
    reaches.

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
