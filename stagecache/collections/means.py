"""What a collection works with."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from stagecache.errors import StoreError

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

    def prepare(self) -> None:
        """Let there be a file for leases; without one, they hold in this process."""
        if self.store.writable:
            with suppress(StoreError):
                self.store.prepare()
