"""Runs a sample of a pipeline's hits again and compares; what is kept stays as it is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal, NamedTuple

from stagecache import model
from stagecache.engine.compute import Computer
from stagecache.engine.context import Context
from stagecache.engine.determinism import difference
from stagecache.engine.engine import Engine
from stagecache.engine.resolve import Resolver, ValueMissing
from stagecache.leases.flight import Flight
from stagecache.stores.memory import MemoryStore
from stagecache.stores.tiered import Tiered
from stagecache.stores.unwritten import Unwritten

if TYPE_CHECKING:
    from stagecache.engine.request import Request
    from stagecache.model import Entry
    from stagecache.pipeline import Graph


class Recomputed(NamedTuple):
    """One hit whose body was run again."""

    node: str
    stage: str
    status: Literal["same", "differs", "failed", "untried"]
    """``untried`` if its inputs are not kept any more."""
    detail: str = ""
    """What differs, or what it raised."""


class Sample(NamedTuple):
    """What came of running some hits again."""

    pipeline: str
    hits: int
    """How many there were to choose from."""
    seed: int
    """Takes the same sample again."""
    nodes: tuple[Recomputed, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no body gave another result, or none."""
        return all(node.status in ("same", "untried") for node in self.nodes)


def recompute(context: Context, graph: Graph, share: float, seed: int | None) -> Sample:
    """Run the bodies of some hits again, on the inputs that are kept, and compare the results.

    Parameters
    ----------
    context : Context
        Where the results are kept.
    graph : Graph
        A traced pipeline.
    share : float
        How many of its hits, above 0 and at most 1; at least one is taken if there is one.
    seed : int or None
        Chooses which; None: by chance.

    Notes
    -----
    Files that a body writes are written again. Stages that it calls are hits where their result
    is kept; what they compute is kept nowhere.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share is above 0 and at most 1, not {share!r}")
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    computer = Computer(context)
    resolver = Resolver(computer, graph)
    token = model.conductor.set(Engine(_keeping_nothing(context)))
    try:
        with context.working():
            hits = _hits(resolver)
            count = min(len(hits), max(1, round(share * len(hits))))
            places = sorted(random.Random(chosen).sample(range(len(hits)), count))  # noqa: S311
            nodes = tuple(_again(resolver, *hits[place]) for place in places)
    finally:
        model.conductor.reset(token)
    return Sample(graph.pipeline, len(hits), chosen, nodes)


def _keeping_nothing(context: Context) -> Context:
    return Context(
        store=Tiered(MemoryStore(), [Unwritten(context.store)], context.store.book),
        leases=context.leases,
        flight=Flight(),
        clock=context.clock,
        settings=context.settings,
    )


def _hits(resolver: Resolver) -> list[tuple[Request, Entry]]:
    found = []
    now = resolver.computer.context.clock.now()
    for node in resolver.graph.nodes:
        if any(resolver.entries[upstream] is None for upstream in node._upstream):
            continue
        try:
            request = resolver.request(node)
        except ValueMissing:
            continue
        kept = resolver.computer.look_up(request, now)
        if kept.is_good and kept.entry is not None:
            resolver.entries[node._index] = kept.entry
            found.append((request, kept.entry))
    return found


def _again(resolver: Resolver, request: Request, entry: Entry) -> Recomputed:
    said = Recomputed(request.node, request.stage.qualified_name, "same")
    try:
        bound = resolver.bind(request)
    except ValueMissing as missing:
        name = resolver.graph.nodes[missing.index]._name
        return said._replace(status="untried", detail=f"the value of {name} is not kept")
    try:
        value = resolver.computer.again(request, bound)
        where = difference(entry, value, resolver.computer.load)
    except Exception as error:  # noqa: BLE001 - whatever a body raises
        return said._replace(status="failed", detail=f"{type(error).__name__}: {error}")
    if where is None:
        return said
    return said._replace(status="differs", detail=where)
