"""A machine of a team in the test's own process: a directory, a clock and a shelf."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import stagecache
from stagecache import Cache
from stagecache.engine import Context, Engine
from stagecache.stores.book import Book
from stagecache.stores.disk import DiskStore
from stagecache.stores.memory import MemoryStore
from stagecache.stores.shared.store import SharedStore
from stagecache.stores.tiered import Tiered
from stagecache.testing.clock import FakeClock


class Machine(Cache):
    """A cache with a directory and a clock of its own, and a shelf that it shares."""

    def __init__(self, directory, shelf, *, role="writer", now=1_700_000_000.0, coherence=0.0):
        super().__init__(directory)
        self.clock = FakeClock(now)
        self.shared = SharedStore(shelf, namespace="stagecache", role=role, clock=self.clock)
        stores = [DiskStore(directory), self.shared]
        self._store.close()
        self._store = Tiered(MemoryStore(), stores, Book.over(stores, coherence))
        old = self.engine.context
        self.engine = Engine(
            Context(
                store=self._store, leases=old.leases, flight=old.flight, clock=self.clock,
                settings=old.settings,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let what is called in the block be called on this machine."""
        token = stagecache.model.conductor.set(self.engine)
        try:
            yield
        finally:
            stagecache.model.conductor.reset(token)

    def call(self, stage: Any, *args: Any) -> Any:
        """Call a stage here."""
        with self.entered():
            return stage(*args)
