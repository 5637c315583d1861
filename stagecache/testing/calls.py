"""Assertions on what ran: told by a cache's events, worded for whoever reads a failed test."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from stagecache.records import duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.cache import Cache
    from stagecache.model import Event, Outcome
    from stagecache.records import Run


class StageCache:
    """A cache for one test, and what became of the calls made there.

    Nodes are named as everywhere: ``clean`` for a call, ``clean[3]`` for one of several in a
    pipeline. What counts is all calls and runs since the last :meth:`from_here`, at first since the
    beginning; or those of one run, if it is given.

    Parameters
    ----------
    cache : Cache
        The one to listen to.

    Attributes
    ----------
    cache : Cache
        The same.

    Examples
    --------
    >>> from stagecache import Cache, stage
    >>> @stage
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> with Cache(":memory:") as cache:
    ...     stage_cache = StageCache(cache)
    ...     _ = double(1)
    ...     stage_cache.assert_ran("double")
    ...     stage_cache.from_here()
    ...     _ = double(1)
    ...     stage_cache.assert_nothing_ran()
    ...     stage_cache.assert_hit("double")
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._outcomes: list[Outcome] = []
        cache.listen(self._take)

    @property
    def directory(self) -> str:
        """Where the results lie."""
        return self.cache.directory

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of each call that counts, in order."""
        return tuple(self._outcomes)

    @property
    def ran(self) -> tuple[str, ...]:
        """Names of the nodes whose bodies ran, in order."""
        return tuple(_names(self._outcomes, "ran", "failed"))

    @property
    def hit(self) -> tuple[str, ...]:
        """Names of the nodes whose kept result was good, in order."""
        return tuple(_names(self._outcomes, "hit"))

    def from_here(self) -> None:
        """Let only calls count that are made from here on."""
        self._outcomes.clear()

    def assert_ran(self, *nodes: str, run: Run[Any] | None = None) -> None:
        """Assert that exactly these bodies ran, each as often as it is named, in any order.

        Parameters
        ----------
        *nodes : str
            Names.
        run : Run, optional
            Look at this run of a pipeline only.

        Raises
        ------
        AssertionError
            If others ran, or these did not; it says what ran and why.
        TypeError
            If a name is no text.
        """
        __tracebackhide__ = True
        _refuse_other_than_text(nodes)
        outcomes = self._of(run)
        if Counter(nodes) != Counter(_names(outcomes, "ran", "failed")):
            wanted = f"exactly {', '.join(nodes)} to run" if nodes else "nothing to run"
            raise AssertionError(_told(wanted, nodes, outcomes))

    def assert_nothing_ran(self, *, run: Run[Any] | None = None) -> None:
        """Assert that no body ran.

        Parameters
        ----------
        run : Run, optional
            Look at this run of a pipeline only.

        Raises
        ------
        AssertionError
            If one did; it says which and why.
        """
        __tracebackhide__ = True
        self.assert_ran(run=run)

    def assert_hit(self, *nodes: str, run: Run[Any] | None = None) -> None:
        """Assert that each of these was answered by a kept result; others may have been, too.

        Parameters
        ----------
        *nodes : str
            Names.
        run : Run, optional
            Look at this run of a pipeline only.

        Raises
        ------
        AssertionError
            If one was not; it says what ran and why.
        TypeError
            If none is named, or a name is no text.
        """
        __tracebackhide__ = True
        _refuse_other_than_text(nodes)
        if not nodes:
            raise TypeError("name the nodes that are to be hits, such as 'clean[3]'")
        outcomes = self._of(run)
        if set(nodes) - set(_names(outcomes, "hit")):
            raise AssertionError(_told(f"{', '.join(nodes)} to be hits", nodes, outcomes))

    def _of(self, run: Run[Any] | None) -> Iterable[Outcome]:
        return self._outcomes if run is None else run.outcomes

    def _take(self, event: Event) -> None:
        if event.outcome is not None:
            self._outcomes.append(event.outcome)

    def __repr__(self) -> str:
        return f"<{len(self.ran)} ran, {len(self.hit)} hit in {self.cache!r}>"


def _names(outcomes: Iterable[Outcome], *statuses: str) -> list[str]:
    return [outcome.node for outcome in outcomes if outcome.status in statuses]


def _refuse_other_than_text(nodes: tuple[Any, ...]) -> None:
    __tracebackhide__ = True
    for node in nodes:
        if not isinstance(node, str):
            raise TypeError(f"nodes are named by texts such as 'clean' or 'clean[3]', not {node!r}")


def _told(wanted: str, nodes: tuple[str, ...], outcomes: Iterable[Outcome]) -> str:
    lines = [f"expected {wanted}, but"]
    known = sorted({outcome.node for outcome in outcomes})
    for node in dict.fromkeys(nodes):
        if known and node not in known:
            near = [each for each in known if each.startswith(f"{node}[")]
            near = near or get_close_matches(node, known)
            asked = f"; is {' or '.join(near[:3])} meant?" if near else ""
            lines.append(f"  no call is named {node}{asked}")
    for outcome in outcomes:
        if outcome.status in ("ran", "failed"):
            lines.append(f"  {outcome.status} {outcome.node} ({duration(outcome.seconds)})")
            if outcome.reason is not None:
                lines[-1] += f" because of {outcome.reason}"
                lines += [f"      {line}" for line in outcome.reason.detail.splitlines()]
            if outcome.error is not None:
                lines[-1] += f": {outcome.error!r}"
    if not _names(outcomes, "ran", "failed"):
        lines.append("  nothing ran")
    hits = _names(outcomes, "hit")
    if hits:
        lines.append(f"  hit: {', '.join(hits)}")
    return "\n".join(lines)
