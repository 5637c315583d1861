"""In which order results give way when a store is full: pure functions of what is known of each.

A policy says what a result is worth; those of the least worth go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

OVERHEAD = 512
"""Bytes that a result takes beside its value, about."""
_SHORTEST = 1e-3
"""Seconds: what takes less to compute counts as if it took this; a lookup takes as long."""


class Held(NamedTuple):
    """What is known of a result that holds a value."""

    size: int
    """Bytes of the value."""
    seconds: float
    """What it took to compute."""
    uses: int
    """How often it was found, not counting the time it was made."""
    last: float
    """When it was last found, in seconds since the epoch; 0.0 if never."""
    created: float
    """Seconds since the epoch."""


Worth: TypeAlias = "Callable[[Held, float], tuple[float, float]]"
"""Of a result, at a time in seconds since the epoch: what it is worth, and what breaks a tie."""


def by_cost(held: Held, now: float) -> tuple[float, float]:
    """Keep what saves the most time per byte: slow to compute, small, in use.

    Examples
    --------
    >>> slow = Held(size=1000, seconds=60.0, uses=0, last=0.0, created=0.0)
    >>> by_cost(slow, 100.0) > by_cost(slow._replace(seconds=1.0), 100.0)
    True
    >>> by_cost(slow, 100.0) > by_cost(slow._replace(size=100_000), 100.0)
    True
    """
    age = max(now - held.created, 0.0) + 60.0
    rate = (held.uses + 1) / age
    worth = rate * max(held.seconds, _SHORTEST) / (held.size + OVERHEAD)
    return worth, _touched(held)


def by_recency(held: Held, now: float) -> tuple[float, float]:  # noqa: ARG001 - as of all policies
    """Keep what was used or made last."""
    return _touched(held), held.created


def by_frequency(held: Held, now: float) -> tuple[float, float]:  # noqa: ARG001
    """Keep what was used most often."""
    return held.uses, _touched(held)


def by_age(held: Held, now: float) -> tuple[float, float]:  # noqa: ARG001
    """Keep what was made last."""
    return held.created, _touched(held)


def _touched(held: Held) -> float:
    return max(held.last, held.created)


POLICIES: dict[str, Worth] = {
    "cost": by_cost,
    "lru": by_recency,
    "lfu": by_frequency,
    "lrs": by_age,
}
"""By the names of the setting ``eviction``; ``none``, under which nothing gives way, has none."""
