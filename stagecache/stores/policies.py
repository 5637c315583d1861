"""In which order results give way when a store is full: pure functions of what is known of each.

A policy says what a result is worth; those of the least worth go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

OVERHEAD = 512
"""Bytes that a result takes beside its value, about."""
_SKEW = 60.0
"""Seconds that clocks of two machines may differ by."""
_SHORTEST = 1e-3
"""Seconds: what takes less to compute counts as if it took this; a lookup takes as long."""
_IDLE = 60.0
"""Seconds: who was used a moment ago and who a minute ago are much alike."""


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


def as_of(held: Held, now: float) -> Held:
    """Return what can be known at a time: a moment that is yet to come was told by a wrong clock.

    It counts as long past, or what it was told of would be the last to give way for years.

    Parameters
    ----------
    held : Held
        As it was noted.
    now : float
        Seconds since the epoch.

    Examples
    --------
    >>> as_of(Held(size=1, seconds=1.0, uses=2, last=5_000.0, created=900.0), now=1_000.0)
    Held(size=1, seconds=1.0, uses=2, last=0.0, created=900.0)
    """
    if max(held.last, held.created) <= now + _SKEW:
        return held
    last, created = (
        moment if moment <= now + _SKEW else 0.0 for moment in (held.last, held.created)
    )
    return held._replace(last=last, created=created)


Worth: TypeAlias = "Callable[[Held, float], tuple[float, float]]"
"""Of a result, at a time in seconds since the epoch: what it is worth, and what breaks a tie."""


def by_cost(held: Held, now: float) -> tuple[float, float]:
    """Keep what saves the most time per byte: slow to compute, small, in use.

    The time that a value saves per byte is weighed as in GreedyDual-Size-Frequency (Cherkasova,
    "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", 1998). In
    place of its inflating clock, worth decays with time as in hyperbolic caching (Blankstein, Sen,
    Freedman, "Hyperbolic Caching", 2017), here since the last use: the age of a result says
    little in a working set that shifts. The exponents are those that did well in jobs of
    ``benchmarks/eviction.py`` whose lookups come each half second and each half hour.

    Examples
    --------
    >>> slow = Held(size=1000, seconds=60.0, uses=0, last=0.0, created=0.0)
    >>> by_cost(slow, 100.0) > by_cost(slow._replace(seconds=1.0), 100.0)
    True
    >>> by_cost(slow, 100.0) > by_cost(slow._replace(size=100_000), 100.0)
    True
    """
    idle = max(now - _touched(held), 0.0) + _IDLE
    saved = max(held.seconds, _SHORTEST) / (held.size + OVERHEAD)
    return saved * (held.uses + 1) ** 0.5 / idle**0.9, _touched(held)


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
