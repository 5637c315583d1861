"""What people get back beside values: record of a run, plan, explanation; how they read as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.model import Outcome, Reason

R = TypeVar("R")


class Run(NamedTuple, Generic[R]):
    """One execution of a pipeline and its record."""

    pipeline: str
    value: R
    """What the pipeline returned; None if it failed."""
    outcomes: tuple[Outcome, ...]
    """One for each node, in the order of the calls."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    """Wall time of the run, without tracing."""

    @property
    def ran(self) -> tuple[str, ...]:
        """Names of the nodes that ran."""
        return self._named("ran")

    @property
    def hit(self) -> tuple[str, ...]:
        """Names of the nodes whose kept result was good."""
        return self._named("hit")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the nodes that raised."""
        return self._named("failed")

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the nodes that could not run because something before them failed."""
        return self._named("skipped")

    @property
    def unkept(self) -> tuple[str, ...]:
        """Names of the nodes that ran and whose results are not kept for later runs.

        There was no room, or no way to keep them; a warning said why.
        """
        return tuple(o.node for o in self.outcomes if o.is_unkept)

    @property
    def saved_seconds(self) -> float:
        """Time that the hits took when they were computed."""
        return sum(outcome.saved for outcome in self.outcomes)

    def outcome(self, node: str) -> Outcome:
        """Return the outcome of the node of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for outcome in self.outcomes:
            if outcome.node == node:
                return outcome
        raise KeyError(node)

    def summary(self) -> str:
        """Return a few lines for people: what ran and why, what hit, time saved."""
        return "\n".join([self.headline, *_grouped(self.outcomes)])

    def to_dict(self) -> dict[str, Any]:
        """Return what ``stagecache run --json`` prints."""
        return {
            "ran": list(self.ran),
            "hit": list(self.hit),
            "failed": list(self.failed),
            "unkept": list(self.unkept),
            "seconds": round(self.seconds, 6),
            "saved_seconds": round(self.saved_seconds, 6),
            "reasons": {o.node: str(o.reason) for o in self.outcomes if o.reason is not None},
        }

    def __repr__(self) -> str:
        return f"<run of {self.pipeline}: {len(self.ran)} ran, {len(self.hit)} hit>"

    def _repr_html_(self) -> str:
        from stagecache.markup import Line, nodes

        lines = [
            Line(
                outcome.node,
                outcome.status,
                duration(outcome.seconds) if outcome.status == "ran" else "",
                _why(outcome),
                _detail(outcome.reason),
            )
            for outcome in self.outcomes
            if outcome.status != "hit" or outcome.reason is not None
        ]
        return nodes(self.headline, lines, {"hit": _plain_hits(self.outcomes)})

    @property
    def headline(self) -> str:
        """The first line of :meth:`summary`: how many ran, hit and failed, and the time."""
        return (
            f"{self.pipeline}: {len(self.ran)} ran, {len(self.hit)} hit"
            + (f", {len(self.failed)} failed" if self.failed else "")
            + (f", {len(self.skipped)} skipped" if self.skipped else "")
            + (f", {len(self.unkept)} not kept" if self.unkept else "")
            + f" in {duration(self.seconds)}"
            + (f"; {duration(self.saved_seconds)} saved" if self.saved_seconds else "")
        )

    def _named(self, status: str) -> tuple[str, ...]:
        return tuple(o.node for o in self.outcomes if o.status == status)


class Step(NamedTuple):
    """What would become of one node."""

    node: str
    stage: str
    status: str
    """``hit``, ``run``, or ``unknown`` until what it depends on has run."""
    reason: Reason | None = None
    others: tuple[Reason, ...] = ()
    """What else is true: the first reason alone would make it run."""
    after: tuple[str, ...] = ()
    """The nodes that have to run before it is known."""

    def __str__(self) -> str:
        if self.after:
            shown = ", ".join(self.after[:3]) + (", ..." if self.after[3:] else "")
            verb = "have" if self.after[1:] else "has"
            return f"{self.node}: {self.status} until {shown} {verb} run"
        return f"{self.node}: {self.status}" + (f" ({self.reason})" if self.reason else "")


class Plan(NamedTuple):
    """What a run would do now."""

    pipeline: str
    steps: tuple[Step, ...]

    def named(self, status: str) -> tuple[str, ...]:
        """Return the names of the nodes with this status."""
        return tuple(step.node for step in self.steps if step.status == status)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {
            "run": list(self.named("run")),
            "hit": list(self.named("hit")),
            "unknown": list(self.named("unknown")),
            "reasons": {s.node: str(s.reason) for s in self.steps if s.reason is not None},
            "after": {s.node: list(s.after) for s in self.steps if s.after},
        }

    def __str__(self) -> str:
        return "\n".join([self._headline(), *(f"  {step}" for step in self.steps)])

    def _repr_html_(self) -> str:
        from stagecache.markup import Line, nodes

        lines = [
            Line(
                step.node,
                step.status,
                "",
                str(step.reason or ""),
                _detail(step.reason),
                tuple((str(reason), reason.detail) for reason in step.others),
            )
            for step in self.steps
            if step.status == "run"
        ]
        others = {
            status: _counted(step.stage for step in self.steps if step.status == status)
            for status in ("hit", "unknown")
        }
        return nodes(self._headline(), lines, others)

    def _headline(self) -> str:
        counts = ", ".join(
            f"{len(self.named(status))} {word}"
            for status, word in (("run", "to run"), ("hit", "hit"), ("unknown", "unknown"))
        )
        return f"{self.pipeline}: {counts}"


class Explanation(NamedTuple):
    """Why one call would run, or that it would not."""

    stage: str
    is_hit: bool
    reasons: tuple[Reason, ...]
    """All that are true, the first one first."""
    compared_with: str = ""
    """Which kept result it was compared with, for people."""
    unresolved: tuple[str, ...] = ()
    """What the code reaches and could not be followed: it does not count."""
    uncounted: tuple[str, ...] = ()
    """Globals that the code itself fills; they do not count."""
    unseen: tuple[str, ...] = ()
    """Libraries that the code reaches and that may open files which nobody sees."""

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return {
            "stage": self.stage,
            "hit": self.is_hit,
            "reasons": [reason._asdict() for reason in self.reasons],
            "compared_with": self.compared_with,
            "unresolved": list(self.unresolved),
            "uncounted": list(self.uncounted),
            "unseen": list(self.unseen),
        }

    def __str__(self) -> str:
        lines = [self._headline()]
        for reason in self.reasons:
            lines.append(f"  {reason}")
            lines += [f"    {line}" for line in reason.detail.splitlines()]
        return "\n".join([*lines, *(f"  {note}" for note in self._notes())])

    def _repr_html_(self) -> str:
        from stagecache.markup import detail, fragment, paragraph

        pieces = [
            piece for reason in self.reasons for piece in (paragraph(reason), detail(reason.detail))
        ]
        return fragment(self._headline(), *pieces, *map(paragraph, self._notes()))

    def _headline(self) -> str:
        return f"{self.stage}: {'hit' if self.is_hit else 'would run'}"

    def _notes(self) -> list[str]:
        notes = [f"compared with {self.compared_with}"] if self.compared_with else []
        if self.unresolved:
            notes.append(
                f"could not follow: {', '.join(self.unresolved)}; it does not count, so make it in "
                "the stage or pass what it is made from"
            )
        if self.uncounted:
            notes.append(f"filled by the code itself, so not counted: {', '.join(self.uncounted)}")
        if self.unseen:
            notes.append(f"{', '.join(self.unseen)} may open files unseen: pass them as `File`")
        return notes


def duration(seconds: float) -> str:
    """Return a time span as people say it.

    Examples
    --------
    >>> duration(0.0123), duration(4.2), duration(75), duration(7500)
    ('12 ms', '4.2 s', '1 min 15 s', '2 h 5 min')
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _grouped(outcomes: Iterable[Outcome]) -> list[str]:
    """Return a line for each node that something happened to, and one for all other hits."""
    lines = []
    width = max((len(o.node) for o in outcomes), default=0)
    for outcome in outcomes:
        if outcome.status == "hit" and outcome.reason is None:
            continue
        text = f"  {outcome.status:<7} {outcome.node:<{width}}"
        if outcome.status == "ran":
            text += f"  {duration(outcome.seconds):>8}"
        if outcome.reason is not None:
            text += f"  {outcome.reason}"
            if outcome.status == "hit":
                text += f" ({outcome.reason.detail})"
        if outcome.error is not None:
            text += f"  {type(outcome.error).__name__}: {outcome.error}"
        if outcome.is_unkept:
            text += "; not kept"
        lines.append(text.rstrip())
    hits = _plain_hits(outcomes)
    if hits:
        lines.append(f"  hit     {', '.join(hits)}")
    return lines


def _plain_hits(outcomes: Iterable[Outcome]) -> list[str]:
    return _counted(o.stage for o in outcomes if o.status == "hit" and o.reason is None)


def _counted(stages: Iterable[str]) -> list[str]:
    """Return the short name of each stage, and how often it is there."""
    counts: dict[str, int] = {}
    for stage in stages:
        counts[stage] = counts.get(stage, 0) + 1
    return [
        stage.rpartition(":")[2] + (f" x{count}" if count > 1 else "")
        for stage, count in counts.items()
    ]


def _detail(reason: Reason | None) -> str:
    return "" if reason is None else reason.detail


def _why(outcome: Outcome) -> str:
    error = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error is not None else ""
    unkept = "not kept" if outcome.is_unkept else ""
    return "; ".join(filter(None, (str(outcome.reason or ""), error, unkept)))
