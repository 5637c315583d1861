"""What a collection works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.clock import Clock
    from stagecache.leases.base import Leases
    from stagecache.leases.flight import Flight
    from stagecache.stores.disk import DiskStore


class Means(NamedTuple):
    """The means of all collections of a directory."""

    store: DiskStore
    flight: Flight
    """Exclusion inside this process."""
    leases: Leases
    """Exclusion among processes."""
    clock: Clock
    draw: Callable[[], float]
    """Returns a random number from 0 up to but not 1."""
