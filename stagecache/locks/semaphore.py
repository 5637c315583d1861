"""A lock that a number of callers have at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import NotHeldError
from stagecache.locks.acquiring import Acquirable

if TYPE_CHECKING:
    from stagecache.locks.holdings import Holding, Owner


class Semaphore(Acquirable):
    """What :class:`threading.BoundedSemaphore` is within a process, over processes.

    Any thread may release what its process has acquired. The permits of a process that ends,
    however it does, are free.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     connections = cache.semaphore("database", 2)
    ...     with connections, connections:
    ...         connections.acquire(timeout=0.01)
    False
    """

    def _holding(self, owner: Owner) -> Holding | None:
        return self._holdings.of(self._identity, owner) or self._holdings.of(self._identity)

    def is_lost(self) -> bool:
        """Tell whether this process has no permit, or somebody else may have one of its by now."""
        held = self._holdings.all_of(self._identity)
        return not held or any(holding.is_lost() for holding in held)

    def _not_held(self) -> NotHeldError:
        return NotHeldError(self.name, "released more often than this process has acquired it.")
