"""The conductor: lookup -> lease -> look again -> run -> inputs still the same? -> publish."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from stagecache.engine.accept import accept
from stagecache.engine.compute import Computer
from stagecache.engine.freshness import is_due, renew, renew_async
from stagecache.engine.graphs import GraphRun
from stagecache.engine.handing import (
    Given,
    HandingFilesUp,
    callers,
    hand_up_results,
)
from stagecache.engine.lookup import look_up
from stagecache.engine.noted import is_noted
from stagecache.engine.request import argument_digest, make_key, make_request, stage_code
from stagecache.engine.resolve import Resolver, ValueMissing
from stagecache.engine.variants import of_the_world
from stagecache.engine.why import Witness, is_loadable_hit
from stagecache.marks import key_scope, results_scope
from stagecache.model import Digest, Event, Outcome
from stagecache.records import Plan, Step
from stagecache.replay import untouched

if TYPE_CHECKING:
    from stagecache.engine.context import Context
    from stagecache.engine.lookup import Found
    from stagecache.engine.publish import Produced
    from stagecache.engine.request import Request
    from stagecache.model import Entry, Reason
    from stagecache.pipeline import Graph, How
    from stagecache.records import Explanation, Run
    from stagecache.stage import Stage


_NOWHERE = Digest(b"")
"""Of a result that is kept nowhere."""


class Engine:
    """Conducts eager calls and pipelines over one set of stores.

    Parameters
    ----------
    context : Context
        Its means.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._store = context.store
        self._clock = context.clock
        self.computer = Computer(context)

    # --- eager calls

    def call(self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the stage's value, from a store or by running it."""
        with self.context.working():
            request = self._request(stage, args, kwargs)
            found = self.computer.look_up(request)
            if is_due(self.context, request, found):
                for wait in (False, True):
                    produced = renew(
                        self.computer, request, lambda: request.bound, found, wait=wait
                    )
                    is_there, value = self._taken(request, produced)
                    if is_there:
                        return value
                return self._value(request, produced.entry)
            is_hit, value, unfit = self._hit(request, found)
            if is_hit:
                return value
            return self._value(request, unfit, self._reason(request, found))

    async def call_async(
        self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Do the same for an ``async def`` stage."""
        with self.context.working():
            request = self._request(stage, args, kwargs)
            found = self.computer.look_up(request)
            due = is_due(self.context, request, found)
            is_hit, value, unfit = (False, None, None) if due else self._hit(request, found)
            why = None if due or is_hit else self._reason(request, found)
        if is_hit:
            return value
        for wait in (False, True) if due else ():
            produced = await renew_async(self.computer, request, found, wait=wait)
            is_there, value = self._taken(request, produced)
            if is_there:
                return value
            unfit = produced.entry
        return await self._value_async(request, unfit, why)

    def map(
        self, stage: Stage[..., Any], calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
    ) -> list[Any]:
        """Call the stage once for each (args, kwargs)."""
        if stage.is_async:
            return [self.call_async(stage, args, kwargs) for args, kwargs in calls]
        return [self.call(stage, args, kwargs) for args, kwargs in calls]

    def refresh(self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the stage now and keep the new result in place of the old one."""
        if stage.is_async:
            return self._refresh_async(stage, args, kwargs)
        with self.context.working():
            request = self._request(stage, args, kwargs)
            old = self._outdated(request)
            value = self._value(request, old)
            self._say_replaced(request, old)
        return value

    async def _refresh_async(
        self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        with self.context.working():
            request = self._request(stage, args, kwargs)
            old = self._outdated(request)
        value = await self._value_async(request, old)
        with self.context.working():
            self._say_replaced(request, old)
        return value

    def _outdated(self, request: Request) -> Entry | None:
        """Let others look for a newer result of `request` than the one that is kept; return it.

        Softly: they go on with the old one until there is one, and if the body fails.
        """
        if self._store.book.has_team:
            self.context.spread([key_scope(request.key)], soft=True)
        return self.computer.look_up(request).entry

    def _say_replaced(self, request: Request, old: Entry | None) -> None:
        """Let those know who got more results of the stage than they can name."""
        new = None if old is None else self._store.get(request.key)
        if old is not None and new is not None and new.result != old.result:
            self.context.spread([results_scope(request.stage.qualified_name)])

    def is_cached(
        self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        """Tell whether the call would be a hit."""
        with self.context.working():
            request = self._request(stage, args, kwargs)
            return is_loadable_hit(self._store, self.computer.look_up(request))

    def explain(
        self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Explanation:
        """Say whether the call would be a hit and, if not, everything that changed."""
        with self.context.working():
            request = self._request(stage, args, kwargs)
            found = self.computer.look_up(request)
            return Witness(self._store, self._clock).explain(request, found)

    def forget(self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Drop what is kept for the call."""
        self.context.refuse_if_read_only("forget a result")
        with self.context.working():
            return self.context.forget([self._request(stage, args, kwargs).key]) > 0

    def forget_all(self, stage: Stage[..., Any]) -> int:
        """Drop everything that the stage computed, by provenance; return how many results."""
        self.context.refuse_if_read_only("forget results")
        calls, keys = set(), []
        for entry, provenance in self._store.entries(stage=stage.qualified_name):
            keys.append(entry.key)
            # A result whose body read files has two rows.
            calls.add(make_key(entry.code, tuple(a.digest for a in provenance.arguments)))
        # Others may have results of it that are not listed here.
        self.context.forget(keys, stage.scopes[:1])
        return len(calls)

    def invalidate(self, stage: Stage[..., Any], *, soft: bool) -> None:
        """Let nobody who shares results take what the stage computed before for good."""
        self.context.invalidate(stage.scopes[:1], soft=soft)

    def accept(self, stage: Stage[..., Any]) -> int:
        """Keep the results of the stage's earlier code as those of its code now."""
        with self.context.working():
            return accept(self._store, stage)

    # --- pipelines

    def run(self, graph: Graph, how: How) -> Run[Any]:
        """Run what is needed of a traced pipeline."""
        with self.context.working():
            return GraphRun(self.computer, graph, how).execute()

    def plan(self, graph: Graph) -> Plan:
        """Say what a run would do; nothing runs."""
        resolver, witness = (
            Resolver(self.computer, graph),
            Witness(self._store, self._clock),
        )
        now = self._clock.now()
        with self.context.working(), self._store.reading():
            steps: list[Step] = []
            for node in graph.nodes:
                before = [steps[index] for index in node._upstream]
                steps.append(self._step(resolver, witness, node, before, now))
        return Plan(graph.pipeline, tuple(steps))

    def _step(
        self, resolver: Resolver, witness: Witness, node: Any, before: list[Step], now: float
    ) -> Step:
        name, stage = node._name, node._stage
        if any(step.status != "hit" for step in before):
            waits = {
                other: None
                for step in before
                for other in ((step.node,) if step.status == "run" else step.after)
            }
            return Step(name, stage.qualified_name, "unknown", after=tuple(waits))
        try:
            request = resolver.request(node)
        except ValueMissing:
            return Step(name, stage.qualified_name, "unknown")
        found = look_up(self._store, request, now)
        if found.is_good:
            resolver.entries[node._index] = found.entry
            return Step(name, stage.qualified_name, "hit")
        first, *others = witness.all_reasons(request, found) or (None,)
        return Step(name, stage.qualified_name, "run", first, tuple(filter(None, others)))

    # --- shared

    def _request(
        self, stage: Stage[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Request:
        bound = stage.bind(args, kwargs)
        code = stage_code(stage)
        with HandingFilesUp():
            digests = tuple([argument_digest(stage, name, bound[name]) for name in stage.counted])
        return make_request(stage, bound, code, digests, stage.name)

    def _hit(self, request: Request, found: Found) -> tuple[bool, Any, Entry | None]:
        """Return (True, value, None) of a good result, else (False, None, what is unfit)."""
        entry = found.entry
        if not found.is_good or entry is None:
            return False, None, None
        is_loaded, value = self.computer.load_of(request, entry)
        if not is_loaded:
            return False, None, entry
        if request.stage.settings.determinism == "check":
            self.computer.check(request, request.bound, entry)
        self._store.count_use(entry.key, entry.seconds)
        self._tell_of(request, entry, value, entry.result)
        return True, value, None

    def _reason(self, request: Request, found: Found) -> Reason | None:
        """Return why a body has to run, if anybody listens."""
        if not self.context.listeners:
            return None
        return Witness(self._store, self._clock).first_reason(request, found)

    def _value(self, request: Request, unfit: Entry | None, why: Reason | None = None) -> Any:
        while True:
            produced = self.computer.obtain(request, request.bound, better_than=unfit, loads=True)
            is_there, value = self._taken(request, produced, why)
            if is_there:
                return value
            # Gone between another's publish and our load: now only a newer one will do.
            unfit = produced.entry

    async def _value_async(
        self, request: Request, unfit: Entry | None, why: Reason | None = None
    ) -> Any:
        while True:
            produced = await self.computer.obtain_async(
                request, request.bound, better_than=unfit, loads=True
            )
            is_there, value = self._taken(request, produced, why)
            if is_there:
                return value
            unfit = produced.entry

    def _taken(
        self, request: Request, produced: Produced, why: Reason | None = None
    ) -> tuple[bool, Any]:
        """Return (True, value) of what was produced, unless a store lost it meanwhile."""
        entry, handout = produced.entry, produced.handout
        if handout is not None and handout.again is not None:  # one of a crowd
            value = handout.again()
            self._tell_of(request, entry, value, entry.result, why=produced.why)
            return True, value
        value, is_there = produced.value, True
        if produced.is_kept and not produced.ran:
            load = partial(self.computer.load_of, request, entry)
            is_there, value = load() if handout is None else handout.take(load)
        if is_there:
            result = _NOWHERE if not produced.is_kept else produced.result or entry.result
            if produced.ran:
                self._tell_of(request, entry, value, result, produced.seconds, produced.why or why)
            else:
                self._tell_of(request, entry, value, result, why=produced.why)
        return is_there, untouched(value)

    def _tell_of(
        self,
        request: Request,
        entry: Entry,
        value: Any,
        result: Digest,
        ran: float | None = None,
        why: Reason | None = None,
    ) -> None:
        """Tell the body that made the call, if one did, and whoever listens.

        Parameters
        ----------
        request, entry, value
            The call and what it gave.
        result : Digest
            The fingerprint of what it gave; empty if nobody would find that again.
        ran : float, optional
            Seconds that its body took; None for a hit.
        why : Reason, optional
            Why an expired result was served, or why its body ran.
        """
        reads, home = entry.reads, self.context.home
        if of_the_world(reads) or callers() or not is_noted(request.key, result, home, reads):
            given = Given(entry, request.stage, request.key, result, value)
            hand_up_results((given,), home, self._clock)
        if self.context.listeners:
            kind: Literal["hit", "ran"] = "hit" if ran is None else "ran"
            outcome = Outcome(
                request.node,
                request.stage.qualified_name,
                kind,
                entry.key,
                why,
                seconds=ran or 0.0,
                saved=entry.seconds if ran is None else 0.0,
            )
            self.context.tell(Event(kind, request.node, self._clock.now(), outcome))
