"""Turns the nodes of a graph into requests, from what is known of their inputs so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.engine.handing import HandingFilesUp
from stagecache.engine.request import (
    Request,
    argument_digest,
    make_request,
    node_digest,
    result_fingerprint,
    stage_code,
)
from stagecache.errors import FingerprintError
from stagecache.fingerprint.values import Fingerprint, fingerprint, item_digest
from stagecache.node import Item, Node, holds_nodes, substitute
from stagecache.replay import untouched

if TYPE_CHECKING:
    from stagecache.engine.compute import Computer
    from stagecache.model import Digest, Entry
    from stagecache.pipeline import Graph
    from stagecache.stage import Stage


class ValueMissing(Exception):  # noqa: N818 - not an error: the node has to run after all
    """The kept value of a node cannot be loaded."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class Resolver:
    """Turns the nodes of a graph into requests, from the entries found so far.

    Parameters
    ----------
    computer : Computer
        Loads values.
    graph : Graph
        The traced pipeline.
    """

    def __init__(self, computer: Computer, graph: Graph) -> None:
        self.computer = computer
        self.graph = graph
        self.entries: list[Entry | None] = [None] * len(graph.nodes)
        self.values: dict[int, Any] = {}
        """Results that no store holds."""
        self._codes: dict[int, Digest] = {}

    def request(self, node: Node) -> Request:
        """Return the request for a node whose inputs are known.

        Raises
        ------
        FingerprintError
            If an argument has no fingerprint.
        ValueMissing
            If a value must be looked into and cannot be loaded.
        """
        stage, bound = node._stage, node._bound
        code = self._codes.get(id(stage))
        if code is None:
            code = self._codes[id(stage)] = stage_code(stage)
        digests = tuple([self._digest(stage, name, bound[name], node) for name in stage.counted])
        return make_request(
            stage, bound, code, digests, node._name,
            lambda value: substitute(value, self.value), self.fingerprint,
        )  # fmt: skip

    def _digest(self, stage: Stage[..., Any], name: str, value: Any, node: Node) -> Digest:
        if not node._upstream or not holds_nodes(value):  # what a node gives, others have made
            with HandingFilesUp():
                return argument_digest(stage, name, value)
        if name in stage.parameters.files:
            loaded = stage.parameters.files[name](substitute(value, self.value))
            return argument_digest(stage, name, loaded)
        if type(value) is Node:
            entry = self.entries[value._index]
            assert entry is not None, "a node is asked for only when its inputs are known"
            if entry.result and not entry.refs:
                return entry.result
        return node_digest(stage, name, value, self.fingerprint)

    def fingerprint(self, node: Node) -> Fingerprint:
        """Return the fingerprint of a node's result or of an element of it."""
        if isinstance(node, Item):
            if type(node._parent) is Node:
                entry = self.entries[node._index]
                assert entry is not None
                if entry.items is not None:
                    digest = item_digest(entry.items, node._at)
                    if digest is not None:
                        return Fingerprint(digest)
            return fingerprint(self.value(node))
        entry = self.entries[node._index]
        assert entry is not None
        if not entry.result:  # it has no fingerprint: let the error name the argument
            return fingerprint(self.value(node), name=repr(node))
        try:
            return result_fingerprint(entry)
        except FingerprintError:  # a class inside a function, found by no name: ask the value
            return fingerprint(self.value(node))

    def value(self, node: Node) -> Any:
        """Return a node's value, decoded afresh for each caller.

        Raises
        ------
        ValueMissing
            If it cannot be loaded.
        """
        if isinstance(node, Item):
            return self.value(node._parent)[node._at]
        index = node._index
        if index in self.values:
            return untouched(self.values[index])
        entry = self.entries[index]
        assert entry is not None

        def again() -> tuple[Request, dict[str, Any]]:
            request = self.request(node)
            return request, self.bind(request)

        is_loaded, value = self.computer.load(entry, node._stage.settings, again)
        if not is_loaded:
            raise ValueMissing(index)
        return value

    def bind(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a request with their nodes replaced by values."""
        bound = dict(request.bound)
        for name, value in bound.items():
            loaded = substitute(value, self.value)
            if loaded is not value:
                convert = request.stage.parameters.files.get(name)
                bound[name] = convert(loaded) if convert else loaded
        return bound
