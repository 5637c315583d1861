"""Runs a traced graph: every node is looked up as soon as its inputs are known, misses are run.

No value is loaded unless a body needs it or the caller asked for it. All state changes on the
conducting thread; executors only run :meth:`GraphRun._work`.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stagecache.codecs.files import may_hold
from stagecache.engine.freshness import early_reason, is_due, renew
from stagecache.engine.handing import Given, hand_up_results
from stagecache.engine.lookup import Found, look_up
from stagecache.engine.resolve import Resolver, ValueMissing
from stagecache.engine.why import Witness
from stagecache.model import Digest, Event, Outcome, Reason, RunRecord
from stagecache.node import Item, Node, nodes_in, substitute
from stagecache.records import Run
from stagecache.replay import untouched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor
    from queue import SimpleQueue

    from stagecache.engine.compute import Computer
    from stagecache.engine.publish import Produced
    from stagecache.engine.request import Request
    from stagecache.model import Entry, Key
    from stagecache.pipeline import Graph, How


class Task(NamedTuple):
    """A node that has to run."""

    position: int
    request: Request
    better_than: Entry | None
    due: Found | None = None
    """What may be served if somebody else computes it anew."""


class Finished(NamedTuple):
    """What came of a task: a result, an error, or the inputs that must run first."""

    task: Task
    produced: Produced | None = None
    error: BaseException | None = None
    missing: int | None = None


class GraphRun(Resolver):
    """One execution of a graph.

    Parameters
    ----------
    computer : Computer
        Runs bodies and loads values.
    graph : Graph
        The traced pipeline.
    how : How
        Executor, jobs, whether to go on after a failure.
    """

    def __init__(self, computer: Computer, graph: Graph, how: How) -> None:
        super().__init__(computer, graph)
        self._context = computer.context
        size = len(graph.nodes)
        self._how = how
        self._outcomes: list[Outcome | None] = [None] * size
        self._given: dict[int, tuple[Key, Digest]] = {}
        """Under which keys nodes were asked for, and the fingerprints of what they gave."""
        self._reasons: dict[int, Reason | None] = {}
        self._waits = [len(node._upstream) for node in graph.nodes]
        self._dependents: list[list[int]] = [[] for _ in graph.nodes]
        for node in graph.nodes:
            for upstream in node._upstream:
                self._dependents[upstream].append(node._index)
        self._ready = deque(index for index in range(size) if not self._waits[index])
        self._must_run: dict[int, Entry] = {}
        self._awaiting: dict[int, list[int]] = {}
        """Node whose value is missing -> nodes that cannot start without it."""
        self._wanted = {node._index for node in nodes_in(graph.output)}
        self._finals: dict[int, Any] = {}
        """What bodies returned just now, of the nodes that the caller asked for."""
        self._unchecked: list[tuple[Request, Entry]] = []
        self._error: BaseException | None = None
        self._witness = Witness(computer.context.store, computer.context.clock)
        self._running = 0
        self._executor: Executor | None = None
        self._owns_executor = False
        self._done: SimpleQueue[Finished] | None = None

    def execute(self) -> Run[Any]:
        """Run what is needed; return the record or raise what a stage raised."""
        clock = self._context.clock
        started, began = clock.now(), clock.monotonic()
        value = None
        try:
            while True:
                self._settle(started)
                if self._error is not None:
                    break
                try:
                    value = substitute(self.graph.output, self._final)
                    self._put_files_back()
                    break
                except ValueMissing as missing:
                    self._rerun(missing.index)
        except BaseException:  # Ctrl-C: bodies that run go on alone, nobody waits for them
            self._close_executor(wait=False)
            raise
        self._close_executor(wait=True)
        outcomes = tuple(
            outcome or Outcome(node._name, node._stage.qualified_name, "skipped")
            for outcome, node in zip(self._outcomes, self.graph.nodes, strict=True)
        )
        run = Run(self.graph.pipeline, value, outcomes, started, clock.monotonic() - began)
        self._context.store.record_run(
            RunRecord(
                run.pipeline, started, run.seconds, run.ran, len(run.hit), run.failed,
                run.saved_seconds,
            )
        )  # fmt: skip
        hand_up_results(self._results(), self._context.home, clock)  # a body may run this pipeline
        if self._error is not None:
            self._error.__stagecache_run__ = run  # type: ignore[attr-defined]
            raise self._error
        return run

    def _results(self) -> Iterator[Given]:
        for entry, node in zip(self.entries, self.graph.nodes, strict=True):
            if entry is not None:
                yield Given(entry, node._stage, *self._given[node._index])

    def _put_files_back(self) -> None:
        """Let the files of hits be in place that nobody takes: who writes them runs for them."""
        for node, dependents in zip(self.graph.nodes, self._dependents, strict=True):
            outcome, entry = self._outcomes[node._index], self.entries[node._index]
            if dependents or node._index in self._wanted or entry is None or outcome is None:
                continue
            if outcome.status == "hit" and may_hold(entry.codec):
                try:
                    self.value(node)
                except ValueMissing:
                    if entry.codec == "file":  # of others nobody knows that they hold one
                        raise

    def _close_executor(self, *, wait: bool) -> None:
        if self._owns_executor and self._executor is not None:
            self._executor.shutdown(wait=wait, cancel_futures=True)

    def _settle(self, now: float) -> None:
        """Look up and run until nothing is left to do."""
        while self._ready or self._running:
            tasks = self._look_up(now)
            self._check()
            for task in tasks:
                if self._error is None or self._how.keep_going:
                    self._launch(task)
            while self._running and not self._ready:
                assert self._done is not None
                self._running -= 1
                self._take(self._done.get())

    def _look_up(self, now: float) -> list[Task]:
        """Resolve every node that is ready, and those that become so; return the misses."""
        misses = []
        store, nodes, ready = self._context.store, self.graph.nodes, self._ready
        with store.reading():
            while ready:
                index = ready.popleft()
                node = nodes[index]
                try:
                    request = self.request(node)
                except ValueMissing as missing:
                    self._wait_for(index, missing.index)
                    continue
                except Exception as error:  # noqa: BLE001 - of fingerprints, also users' own
                    self._fail(index, error)
                    continue
                found = look_up(store, request, now)
                unfit = self._must_run.get(index)
                due = (found.is_stale or node._stage.settings.ttl is not None) and (
                    found.is_stale if unfit else is_due(self._context, request, found, now)
                )
                if found.is_good and unfit is None and not due:
                    assert found.entry is not None
                    self._hit(index, request, found.entry)
                else:
                    misses.append(Task(index, request, unfit, found if due else None))
                    self._reasons[index] = self._reason(request, found, unfit, now)
        return misses

    def _reason(
        self, request: Request, found: Found, unfit: Entry | None, now: float
    ) -> Reason | None:
        if unfit is not None:
            found = Found(unfit, False, is_loadable=False)
        elif found.is_good:
            return early_reason(found, request.stage.settings, now)
        return self._witness.first_reason(request, found)

    def _hit(self, index: int, request: Request, entry: Entry) -> None:
        node = self.graph.nodes[index]
        if node._stage.settings.determinism == "check":
            self._unchecked.append((request, entry))
        self.entries[index] = entry
        self._given[index] = request.key, entry.result
        outcome = Outcome(
            node._name, node._stage.qualified_name, "hit", entry.key, None, 0.0, entry.seconds
        )
        self._outcomes[index] = outcome
        self._context.store.count_use(entry.key, entry.seconds)
        if self._context.listeners:
            self._context.tell(Event("hit", node._name, self._context.clock.now(), outcome))
        self._release(self._dependents[index])

    def _check(self) -> None:
        """Run the bodies of the hits that are to be checked; here, where no lookup is under way."""
        while self._unchecked:
            request, entry = self._unchecked.pop(0)
            with suppress(ValueMissing):  # what a body needs is not kept: the hit stands
                self.computer.check(request, self.bind(request), entry)

    def _release(self, dependents: Iterable[int]) -> None:
        for dependent in dependents:
            self._waits[dependent] -= 1
            if not self._waits[dependent]:
                self._ready.append(dependent)

    def _launch(self, task: Task) -> None:
        context, node = self._context, self.graph.nodes[task.position]
        if context.listeners:
            context.tell(Event("started", node._name, context.clock.now()))
        name = self._how.executor or context.settings.executor
        if name == "inline":
            self._take(self._work(task))
            return
        if self._executor is None:
            from queue import SimpleQueue

            from stagecache.executors.base import make

            self._executor, self._owns_executor = make(
                name, self._how.jobs or context.settings.jobs
            )
            self._done = SimpleQueue()
        self._running += 1
        done = self._done
        assert done is not None
        # Whoever runs it, a body finds the cache and the settings of this context.
        body_context = copy_context()
        self._executor.submit(body_context.run, self._work, task).add_done_callback(
            lambda future: done.put(
                future.result()
                if future.exception() is None
                else Finished(task, error=future.exception())
            )
        )

    def _work(self, task: Task) -> Finished:
        """Load the inputs and run the body: the only part that runs on an executor."""
        try:
            with self._context.working():
                if task.due is not None:
                    request = task.request
                    produced = renew(
                        self.computer,
                        request,
                        lambda: self.bind(request),
                        task.due,
                        wait=task.better_than is not None,
                    )
                else:
                    bound = self.bind(task.request)
                    produced = self.computer.obtain(
                        task.request, bound, better_than=task.better_than
                    )
        except ValueMissing as missing:
            return Finished(task, missing=missing.index)
        except Exception as error:  # noqa: BLE001 - whatever a stage raises
            return Finished(task, error=error)
        return Finished(task, produced)

    def _take(self, finished: Finished) -> None:
        task = finished.task
        if finished.missing is not None:
            self._wait_for(task.position, finished.missing)
        elif finished.error is not None:
            self._fail(task.position, finished.error)
        else:
            assert finished.produced is not None
            self._succeed(task, finished.produced)

    def _succeed(self, task: Task, produced: Produced) -> None:
        index, node, context = task.position, self.graph.nodes[task.position], self._context
        self.entries[index] = produced.entry
        result = produced.result or produced.entry.result
        self._given[index] = task.request.key, result if produced.is_kept else Digest(b"")
        # A value that could not be loaded once is not trusted to a store again in this run.
        if not produced.is_kept or (produced.ran and index in self._must_run):
            self.values[index] = produced.value
        if index in self._wanted and produced.ran:
            self._finals[index] = produced.value
        self._must_run.pop(index, None)
        if produced.ran:
            reason = self._reasons.get(index)
            if reason is not None and reason.kind == "argument":  # its values were at hand since
                self._reasons[index] = self._witness.first_reason(
                    task.request, Found(None, is_good=False), produced.arguments
                )
            outcome = Outcome(
                node._name, node._stage.qualified_name, "ran", produced.entry.key,
                self._reasons.get(index), produced.seconds,
                lasts=produced.is_kept and context.store.lasts(produced.entry.key),
            )  # fmt: skip
        else:
            outcome = Outcome(
                node._name, node._stage.qualified_name, "hit", produced.entry.key, produced.why,
                0.0, produced.entry.seconds,
            )  # fmt: skip
        is_first_time = self._outcomes[index] is None
        self._outcomes[index] = outcome
        if context.listeners:
            kind: Literal["ran", "hit"] = "ran" if produced.ran else "hit"
            context.tell(Event(kind, node._name, context.clock.now(), outcome))
        # After a second run only those are waiting that could not load the value of the first.
        self._release(self._dependents[index] if is_first_time else self._awaiting.pop(index, ()))

    def _wait_for(self, index: int, missing: int) -> None:
        """Let `index` start again when the node whose value is `missing` has run."""
        if missing in self.values:  # it has run meanwhile
            self._ready.append(index)
            return
        self._waits[index] += 1
        self._awaiting.setdefault(missing, []).append(index)
        self._rerun(missing)

    def _rerun(self, index: int) -> None:
        if index not in self._must_run:
            entry = self.entries[index]
            assert entry is not None
            self._must_run[index] = entry
            self._ready.append(index)

    def _fail(self, index: int, error: BaseException) -> None:
        node = self.graph.nodes[index]
        note = f"stagecache: raised by node {node._name} of pipeline {self.graph.pipeline}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        outcome = Outcome(
            node._name, node._stage.qualified_name, "failed", None, self._reasons.get(index),
            error=error,
        )  # fmt: skip
        self._outcomes[index] = outcome
        self._must_run.pop(index, None)
        self._awaiting.pop(index, None)  # these and all dependents stay without an outcome
        if self._error is None:
            self._error = error
        if self._context.listeners:
            self._context.tell(Event("failed", node._name, self._context.clock.now(), outcome))

    def _final(self, node: Node) -> Any:
        if node._index not in self._finals:
            return self.value(node)
        if isinstance(node, Item):
            return self._final(node._parent)[node._at]
        return untouched(self._finals[node._index])
