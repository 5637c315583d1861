"""`FanoutCache` of diskcache: one cache, and named ones in directories below it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stagecache.integrations.diskcache.cache import Cache
from stagecache.integrations.diskcache.deque import Deque
from stagecache.integrations.diskcache.disk import Disk
from stagecache.integrations.diskcache.index import Index
from stagecache.integrations.diskcache.memoizing import Memoizing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class FanoutCache(Memoizing):
    """A cache with the face of one that is spread over shards; here it is one, in one file.

    Writers take turns and none is let down, so there is nothing to spread, and nothing to lose
    when it is opened with another number of shards. `size_limit` is that of each shard, as it is
    in diskcache: all of them together are the bound.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Where it lies; by default in a new temporary directory.
    shards : int, optional
        By what `size_limit` is divided; it is kept.
    timeout : float, optional
        Seconds to wait for other writers before :class:`Timeout` is raised: it is not swallowed.
    disk, **settings
        As of :class:`Cache`.

    Examples
    --------
    >>> with FanoutCache(shards=4) as cache:
    ...     cache["a"] = 1
    ...     cache["a"], cache.size_limit == 2**28
    (1, True)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        shards: int | None = None,
        timeout: float = 60,
        disk: type[Disk] = Disk,
        **settings: Any,
    ) -> None:
        if shards is not None:
            if type(shards) is not int or shards < 1:
                raise ValueError(f"shards is a number of at least 1, not {shards!r}")
            settings["shards"] = shards
        self._opened: dict[tuple[str, str], Any] = {}
        super().__init__(directory, timeout, disk, **settings)
        self._per_limit = self.shards

    def _wanted(self, kept: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        wanted = super()._wanted(kept, settings)
        wanted.setdefault("shards", 8)
        if "size_limit" in settings or "shards" not in kept:
            wanted["size_limit"] /= wanted["shards"]
        elif wanted["shards"] != kept["shards"]:
            wanted["size_limit"] *= kept["shards"] / wanted["shards"]
        return wanted

    def cache(
        self,
        name: str,
        timeout: float = 60,
        disk: type[Disk] | None = None,
        **settings: Any,
    ) -> Cache:
        """Return the cache of that name, in a directory below this one.

        Parameters
        ----------
        name : str
            Which one; with ``/`` for directories in directories.
        timeout, disk, **settings
            As of :class:`Cache`; the disk is by default that of this cache.
        """
        where = "cache", name
        if where not in self._opened:
            self._opened[where] = Cache(
                self._below("cache", name), timeout, disk or type(self.disk), **settings
            )
        return self._opened[where]  # type: ignore[no-any-return]

    def deque(self, name: str, maxlen: int | None = None) -> Deque:
        """Return the deque of that name, in a directory below this one."""
        where = "deque", name
        if where not in self._opened:
            self._opened[where] = Deque.fromcache(self._unbounded(*where), maxlen=maxlen)
        return self._opened[where]  # type: ignore[no-any-return]

    def index(self, name: str) -> Index:
        """Return the index of that name, in a directory below this one."""
        where = "index", name
        if where not in self._opened:
            self._opened[where] = Index.fromcache(self._unbounded(*where))
        return self._opened[where]  # type: ignore[no-any-return]

    @contextmanager
    def transact(self, retry: bool = True) -> Iterator[None]:
        """Let what this thread does in the block be one, as :meth:`Cache.transact` does."""
        with super().transact(retry):
            yield

    def expire(self, retry: bool = False) -> int:  # type: ignore[override]
        """Forget what has expired; return how many items that were."""
        return super().expire(retry=retry)

    def close(self) -> None:
        """Close what is open of the directory, and of those below it."""
        super().close()
        for each in self._opened.values():
            (each if isinstance(each, Cache) else each.cache).close()
        self._opened.clear()

    def _unbounded(self, kind: str, name: str) -> Cache:
        return Cache(self._below(kind, name), disk=type(self.disk), eviction_policy="none")

    def _below(self, kind: str, name: str) -> str:
        return os.path.join(self.directory, kind, *name.split("/"))

    def __getstate__(self) -> tuple[Any, ...]:
        return self.directory, self.shards, self.timeout, type(self.disk)
