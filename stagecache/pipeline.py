"""The decorator `pipeline`: traces a function of stage calls into a graph; running is the engine's.

Inside the pipeline function a :class:`Tracer` conducts, so that each stage call makes a
:class:`~stagecache.node.Node`. Everything else in the function runs as ordinary Python, at
every call: it is cheap, it may look at the file system, and it holds no result.
"""

from __future__ import annotations

import types
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from stagecache import model
from stagecache.errors import StageDefinitionError, TraceError
from stagecache.node import Node, nodes_in
from stagecache.parameters import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    import networkx

    from stagecache.records import Plan, Run
    from stagecache.stage import Stage

P = ParamSpec("P")
R = TypeVar("R")


class How(NamedTuple):
    """How a pipeline is to be run: options never mix with the pipeline's own parameters."""

    executor: str | Executor | None = None
    jobs: int | None = None
    keep_going: bool = True


DEFAULT = How()


class Graph(NamedTuple):
    """A traced pipeline: its nodes in the order of their calls, which is topological."""

    pipeline: str
    nodes: tuple[Node, ...]
    output: Any
    """What the pipeline function returned, with nodes in it."""


class Runner(Protocol):
    """What a pipeline asks of the engine beside conducting."""

    def run(self, graph: Graph, how: How) -> Run[Any]:
        """Run what is needed and return the record."""

    def plan(self, graph: Graph) -> Plan:
        """Say what would run, and why; nothing runs."""


class Tracer:
    """The conductor inside a pipeline function: each stage call becomes a node."""

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self.nodes: list[Node] = []
        self.open = True

    def call(self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
        """Make a node of the call."""
        bound = stage.bind(args, kwargs)
        upstream: list[int] = []
        for value in bound.values():
            if type(value) not in _LEAVES:
                for used in nodes_in(value):
                    self._check_own(used, stage)
                    upstream.append(used._index)
        node = Node(self, stage, bound, len(self.nodes), tuple(dict.fromkeys(upstream)))
        self.nodes.append(node)
        return node

    call_async = call

    def map(
        self, stage: Stage[..., Any], calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
    ) -> list[Node]:
        """Make a node of each call."""
        return [self.call(stage, args, kwargs) for args, kwargs in calls]

    def _check_own(self, node: Node, stage: Stage[..., Any]) -> None:
        if node._owner is not self:
            raise TraceError(
                f"{node!r}, passed to `{stage.name}`, belongs to another pipeline call. Pass "
                "that pipeline's result instead, or call it inside this pipeline function."
            )

    def _refuse(self, stage: Stage[..., Any], *_: Any, **__: Any) -> NoReturn:
        raise TraceError(
            f"`{stage.name}` is asked about its results inside the pipeline function "
            f"`{self.pipeline}`, where nothing has run yet. Ask outside of it; "
            "`pipeline.plan(...)` tells what would run."
        )

    explain = is_cached = refresh = forget = forget_all = invalidate = accept = _refuse


_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})


class Pipeline(Generic[P, R]):
    """A graph of stages, traced anew at each call: made by the decorator :func:`pipeline`.

    Attributes
    ----------
    fn : callable
        The undecorated function; the same as ``__wrapped__``.
    name : str
        Its short name.
    how : How
        How it is run; see :meth:`options`.
    """

    def __init__(self, fn: Callable[P, R], how: How = DEFAULT) -> None:
        if not isinstance(fn, types.FunctionType):
            raise StageDefinitionError(
                f"a pipeline is made of a function written in Python, not of {type(fn).__name__}"
            )
        if fn.__code__.co_flags & 0x2A0:
            raise StageDefinitionError(
                f"the pipeline function `{fn.__qualname__}` only connects stages: it cannot be "
                "async or a generator. Its stages may be async."
            )
        self.fn = fn
        self.__wrapped__ = fn
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__name__ = self.name = fn.__name__
        self.__qualname__ = fn.__qualname__
        self.how = how
        self.parameters = Parameters(fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run what is needed and return the value."""
        outer = model.conductor.get()
        if isinstance(outer, Tracer):  # a pipeline inside a pipeline: its nodes join the outer one
            return cast("R", self.parameters.call(self.parameters.bind(args, kwargs)))
        return self.run(*args, **kwargs).value

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Run what is needed and return the record: value, outcomes, summary.

        Returns
        -------
        Run
            ``run.value`` is what calling the pipeline returns.

        Raises
        ------
        Exception
            What a stage raised, with a note that names the node; the other branches' results
            are kept, so that a rerun resumes. ``error.__stagecache_run__`` is the record.
        """
        return self._runner().run(self.trace(*args, **kwargs), self.how)

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """Say which nodes would run, and why; nothing runs."""
        return self._runner().plan(self.trace(*args, **kwargs))

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> networkx.DiGraph[str]:
        """Return the graph: nodes by name with their ``stage``, edges along the data."""
        import networkx

        traced = self.trace(*args, **kwargs)
        graph: networkx.DiGraph[str] = networkx.DiGraph(name=self.name)
        for node in traced.nodes:
            graph.add_node(node._name, stage=node._stage.qualified_name)
        for node in traced.nodes:
            for upstream in node._upstream:
                graph.add_edge(traced.nodes[upstream]._name, node._name)
        return graph

    def options(
        self,
        *,
        executor: str | Executor | None = None,
        jobs: int | None = None,
        keep_going: bool | None = None,
    ) -> Pipeline[P, R]:
        """Return the same pipeline, run in another way.

        Parameters
        ----------
        executor : str or concurrent.futures.Executor, optional
            Where bodies run: ``"inline"``, ``"threads"``, or a pool of threads of yours.
        jobs : int, optional
            How many bodies may run at once.
        keep_going : bool, optional
            Whether the other branches go on after a stage has failed (default True).
        """
        how = How(
            self.how.executor if executor is None else executor,
            self.how.jobs if jobs is None else jobs,
            self.how.keep_going if keep_going is None else keep_going,
        )
        return Pipeline(self.fn, how)

    def trace(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """Call the function with a tracer as conductor and return the graph."""
        tracer = Tracer(self.name)
        token = model.conductor.set(tracer)
        try:
            output = self.parameters.call(self.parameters.bind(args, kwargs))
        finally:
            model.conductor.reset(token)
        for node in nodes_in(output):
            if node._owner is not tracer:
                raise TraceError(f"{node!r}, returned by `{self.name}`, is of another pipeline")
        _name_nodes(tracer.nodes)
        return Graph(self.name, tuple(tracer.nodes), output)

    def _runner(self) -> Runner:
        outer = model.current_conductor()
        if isinstance(outer, Tracer):
            raise TraceError(
                f"`{self.name}.run` or `.plan` is used inside the pipeline function "
                f"`{outer.pipeline}`; call `{self.name}(...)` there, so that its stages join in."
            )
        return cast("Runner", outer)

    def __repr__(self) -> str:
        return f"<pipeline {self.__module__}:{self.__qualname__}>"


@overload
def pipeline(fn: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(
    *, executor: str | Executor | None = None, jobs: int | None = None, keep_going: bool = True
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(fn: Callable[..., Any] | None = None, /, **how: Any) -> Any:
    """Decorate a function that connects stages, so that a call runs only what is needed.

    Parameters
    ----------
    fn : callable
        The function, when the decorator is used bare. Stage calls in it return nodes.
    **how
        Options as in :meth:`Pipeline.options`.

    Examples
    --------
    >>> from stagecache import Cache, stage
    >>> @stage
    ... def square(x: int) -> int:
    ...     return x * x
    >>> @stage
    ... def total(xs: list[int]) -> int:
    ...     return sum(xs)
    >>> @pipeline
    ... def sum_of_squares(n: int) -> int:
    ...     return total(square.map(range(n)))
    >>> with Cache(":memory:"):
    ...     first, again = sum_of_squares.run(3), sum_of_squares.run(3)
    >>> first.value, first.ran, again.ran
    (5, ('square[0]', 'square[1]', 'square[2]', 'total'), ())
    """
    if fn is not None:
        return Pipeline(fn)
    return lambda function: Pipeline(function, How(**how))


def _name_nodes(nodes: list[Node]) -> None:
    """Name nodes `stage`, or `stage[i]` where a stage is called more than once.

    Two stages of one short name are told apart by their modules.
    """
    owners: dict[str, Any] = {}
    for node in nodes:
        owners.setdefault(node._stage.name, node._stage.qualified_name)
    labels = [
        node._stage.name
        if owners[node._stage.name] == node._stage.qualified_name
        else node._stage.qualified_name.replace(":", ".")
        for node in nodes
    ]
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    seen: dict[str, int] = {}
    for node, label in zip(nodes, labels, strict=True):
        if counts[label] == 1:
            node._name = label
        else:
            position = seen.get(label, 0)
            seen[label] = position + 1
            node._name = f"{label}[{position}]"
