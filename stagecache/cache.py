"""The composition root and the user's facade: puts stores, leases and engine together.

It has no logic of its own: settings say what is wanted, the rooms do the work.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

from stagecache import model
from stagecache.clock import SystemClock
from stagecache.collections.opening import Opening
from stagecache.engine import Context, Engine
from stagecache.errors import SettingsError
from stagecache.fingerprint.reads.check import answers
from stagecache.leases.flight import Flight
from stagecache.leases.local import LocalLeases
from stagecache.locks.locking import Locking
from stagecache.marks import EVERYTHING, stage_scope, tag_scope
from stagecache.settings import (
    DEFAULT,
    MEMORY_ONLY,
    parse_duration,
    parse_size,
    resolve_and_say,
)
from stagecache.stores.book import Book
from stagecache.stores.mapped import memory_tier
from stagecache.stores.tiered import Tiered
from stagecache.team import team_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator
    from contextvars import Token
    from datetime import timedelta
    from types import TracebackType

    from stagecache.collections import Means
    from stagecache.engine.recompute import Sample
    from stagecache.locks.locks import Locks
    from stagecache.model import Entry, Event, Key, Provenance, RunRecord
    from stagecache.pipeline import Pipeline
    from stagecache.stage import Stage
    from stagecache.stores.disk.items import CollectionStats
    from stagecache.stores.disk.victims import Taken
    from stagecache.stores.mapped import Mapping
    from stagecache.stores.memory import MemoryStats
    from stagecache.stores.reports import Bound, Checked, GcReport, Problem, StageStats, StoreStats
    from stagecache.stores.shared.store import SharedStats


def _item_now(name: str) -> model.Digest:
    """Answer for reads of items: also where this process has opened no collection."""
    from stagecache.collections.noted import answer

    return answer(name)


answers["item"] = _item_now


class Cache(Opening, Locking):
    """A place where results are kept, with everything that keeps them.

    Stages hold no store: they find the cache that is current when they are called. That is
    the innermost ``with Cache(...)`` block of the context, else what :func:`configure` set,
    else one made from the settings.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Where results lie on disk; ``":memory:"`` for none. By default ``.stagecache`` at the
        project's root.
    memory : int or str or mapping, optional
        Bound of the memory tier in bytes, or as ``"256 MiB"`` (the default); or a mapping that
        says by its own policy what is kept there, such as ``cachetools.LFUCache(1000)`` or
        ``stagecache.memory.LFU(64 << 20, getsizeof=len)``.
    **settings
        Any other setting; see :class:`~stagecache.settings.Settings`. One name everywhere:
        an argument wins over ``STAGECACHE_<NAME>`` in the environment, over
        ``[tool.stagecache]`` in pyproject.toml, over the user's file.

    Raises
    ------
    SettingsError
        If a setting is unknown or its value unusable. A directory that cannot be used raises
        nothing: results are then kept in memory, with one warning.

    Examples
    --------
    >>> from stagecache import stage
    >>> @stage
    ... def triple(x: int) -> int:
    ...     return 3 * x
    >>> with Cache(":memory:") as cache:
    ...     triple(2)
    ...     triple.is_cached(2), triple.is_cached(3)
    6
    (True, False)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        memory: int | str | Mapping | None = None,
        **settings: Any,
    ) -> None:
        self.settings, origins = resolve_and_say(directory=directory, memory=memory, **settings)
        self._blocks = 0
        """In which it is current, of all threads."""
        in_memory = memory_tier(self.settings.memory, self.settings.memory_ttl)
        lock_file = None
        self._disk = None
        if self.settings.directory != MEMORY_ONLY:
            from stagecache.fingerprint.reads.ignored import ignore_all_in
            from stagecache.stores.disk import DiskStore

            ignore_all_in(self.settings.directory)
            self._disk = DiskStore(
                self.settings.directory,
                durable=self.settings.durable,
                limits={
                    name: getattr(self.settings, name)
                    for name in ("max_size", "eviction")
                    if origins[name] != DEFAULT
                },
                shared=self.settings.shared,
                read_only=self.settings.read_only,
                secret=self.settings.secret,
            )
            lock_file = None if self.settings.read_only else self._disk.lock_file
        clock = SystemClock()
        self._team = team = team_of(self.settings, clock)
        lower = [store for store in (self._disk, team.store) if store is not None]
        book = Book.over(lower, self.settings.coherence)
        self._store = Tiered(in_memory, lower, book)
        self._near = LocalLeases(lock_file)
        self._leases = team.over(self._near, self._disk)
        self._opened_locks: Locks | None = None
        self._opening = threading.Lock()
        self.engine = Engine(
            Context(
                store=self._store,
                leases=self._leases,
                flight=Flight(),
                clock=clock,
                settings=self.settings,
            )
        )

        if self._disk:
            self._disk.evicted.append(self._tell_of)

    def _tell_of(self, taken: Taken) -> None:
        context = self.engine.context
        if context.listeners:
            message = f"{taken.values} values, {taken.bytes:,} bytes"
            context.tell(model.Event("evicted", taken.stage, context.clock.now(), None, message))

    @property
    def _locks(self) -> Locks:
        with self._opening:  # two of one place would not know of what the other's callers have
            if self._opened_locks is None:
                from stagecache.locks.locks import Locks

                place, why_not = self._disk, "locks among processes need a `directory`"
                if self.settings.read_only:
                    place, why_not = None, "the setting `read_only` lets nobody lock anything"
                self._opened_locks = Locks(place, why_not, leases=self._team.leases)
            return self._opened_locks

    def collections(self) -> list[CollectionStats]:
        """Return what each persistent collection holds, by name: kind, items, bytes."""
        return [] if self._disk is None else self._disk.items.stats()

    def _means(self) -> Means:
        from stagecache.collections import Means

        if self._disk is None:
            raise SettingsError("collections last, so they need a `directory`")
        context = self.engine.context
        return Means(self._disk, context.flight, self._near, context.clock, context.draw)

    @property
    def directory(self) -> str:
        """Where results lie on disk, or ``":memory:"``."""
        return self.settings.directory

    @property
    def private(self) -> bool:
        """Whether only this user can have written in the directory, so that pickles are read."""
        return self._disk is None or self._disk.private

    def entries(
        self, stage: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[Entry, Provenance]]:
        """Yield what is kept, newest first, of one stage (``module:qualname``) or of all."""
        return self._store.entries(stage=stage, limit=limit)

    def listed(self, key: Key) -> tuple[Entry, Provenance] | None:
        """Return what is kept under `key`, if anything, as :meth:`entries` yields it."""
        return self._store.listed(key)

    def stages(self) -> list[StageStats]:
        """Return what is kept of each stage: entries, bytes, time saved."""
        return self._store.stages()

    def stats(self) -> StoreStats:
        """Return counts and sizes."""
        return self._store.stats()

    def shared_stats(self) -> SharedStats | None:
        """Return what is known of the tier that a team shares; None if nothing is shared."""
        return None if self._team.store is None else self._team.store.stats()

    def memory_stats(self) -> MemoryStats:
        """Return what the memory tier of this process holds, and how it was used."""
        return self._store.memory_stats()

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the records of the last runs of pipelines, newest first."""
        return self._store.runs(limit)

    def find(self, prefix: str) -> list[Key]:
        """Return the keys that begin with the hexadecimal `prefix`."""
        return self._store.find(prefix)

    def forget(self, keys: Iterable[Key]) -> int:
        """Drop what is kept under `keys`; return how many there were."""
        self.engine.context.refuse_if_read_only("forget results")
        return self.engine.context.forget(keys)

    def invalidate(
        self,
        *,
        stage: Stage[..., Any] | str | Collection[str] | None = None,
        tag: str | None = None,
        soft: bool = False,
    ) -> None:
        """Say that what was computed before now is not good any more.

        It reaches all who share a tier with this machine, those who are computing just now, and
        the results of stages whose bodies call what is invalidated. Nothing is removed.

        Parameters
        ----------
        stage : Stage, str or collection of str, optional
            Results of this stage, or these (``module:qualname``), in all versions.
        tag : str, optional
            Results of stages that carry this tag. With neither, all results.
        soft : bool, optional
            Whether old results are served, at once, while one caller computes a new one.

        Raises
        ------
        NotToldError
            If the tier that is shared cannot be reached. It is marked here, and others are
            told when that is possible again.
        SettingsError
            If the setting ``read_only`` lets nothing be changed.

        Examples
        --------
        >>> from stagecache import stage
        >>> @stage(tags=("fx",))
        ... def rate(currency: str) -> float:
        ...     return 1.25
        >>> with Cache(":memory:") as cache:
        ...     _ = rate("CHF")
        ...     cache.invalidate(tag="fx")
        ...     rate.is_cached("CHF")
        False
        """
        named = getattr(stage, "qualified_name", stage)
        names = [named] if isinstance(named, str) else named or ()
        scopes = [stage_scope(name) for name in names]
        if tag is not None:
            scopes.append(tag_scope(tag))
        self.engine.context.invalidate(scopes or [EVERYTHING], soft=soft)

    def gc(
        self,
        *,
        dry_run: bool = False,
        max_size: int | str | None = None,
        older_than: float | str | timedelta | None = None,
        stage: str | Collection[str] | None = None,
    ) -> GcReport:
        """Remove what no entry refers to, and results as asked; a read is never broken by it.

        Parameters
        ----------
        dry_run : bool, optional
            Only say what would go.
        max_size : int or str, optional
            Bytes, or as ``"2 GB"``: values give way until no more are taken, their records
            stay. By default what bounds the directory anyway.
        older_than : float or str or datetime.timedelta, optional
            Seconds, or as ``"30d"``: results that were neither made nor used for so long go.
        stage : str or collection of str, optional
            Results of these stages (``module:qualname``) go; with `older_than` the old ones.

        Raises
        ------
        SettingsError
            If a size or a duration cannot be read.
        """
        self.engine.context.refuse_if_read_only("collect leftovers")
        return self._store.gc(
            dry_run=dry_run,
            max_size=None if max_size is None else parse_size(max_size),
            older_than=None if older_than is None else parse_duration(older_than),
            stages=[stage] if isinstance(stage, str) else stage,
        )

    def bound(self) -> Bound | None:
        """Return how many bytes the directory may take, and takes; None if there is none."""
        return self._store.bound()

    def verify(
        self, *, repair: bool = False, progress: Callable[[Checked], None] | None = None
    ) -> list[Problem]:
        """Check every blob and row, in as many threads as there are processors.

        Parameters
        ----------
        repair : bool, optional
            Set aside what is damaged and forget the results that rest on it: they are computed
            again when they are asked for. Otherwise nothing is changed.
        progress : callable, optional
            Called now and then, in this thread, with what was checked so far. What it raises
            ends the check.

        Returns
        -------
        list of Problem
            Each with its ``kind``, ``stage``, ``key``, ``blob`` and ``detail``; ``str`` gives a
            line for people.

        Examples
        --------
        >>> with Cache(":memory:") as cache:
        ...     cache.verify()
        []
        """
        if repair:
            self.engine.context.refuse_if_read_only("repair what is kept")
        return self._store.verify(repair=repair, progress=progress)

    def recompute(
        self,
        pipeline: Pipeline[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        share: float = 0.05,
        seed: int | None = None,
    ) -> Sample:
        """Run some of a pipeline's hits again and compare; nothing is stored or replaced.

        Parameters
        ----------
        pipeline : Pipeline
            Whose hits.
        args, kwargs
            Its arguments.
        share : float, optional
            How many of the hits, above 0 and at most 1; at least one.
        seed : int, optional
            Chooses which; by default by chance.

        Examples
        --------
        >>> from stagecache import pipeline, stage
        >>> @stage
        ... def tripled(x: int) -> int:
        ...     return 3 * x
        >>> @pipeline
        ... def all_tripled(n: int) -> list[int]:
        ...     return tripled.map(range(n))
        >>> with Cache(":memory:") as cache:
        ...     _ = all_tripled(3)
        ...     sample = cache.recompute(all_tripled, (3,), share=1)
        >>> [(node.node, node.status) for node in sample.nodes]
        [('tripled[0]', 'same'), ('tripled[1]', 'same'), ('tripled[2]', 'same')]
        """
        graph = pipeline.trace(*args, **(kwargs or {}))
        from stagecache.engine.recompute import recompute

        return recompute(self.engine.context, graph, share, seed)

    def clear(self) -> int:
        """Drop everything that is kept; return how many results there were."""
        self.engine.context.refuse_if_read_only("forget results")
        keys = [entry.key for entry, _ in self.entries()]
        return self.engine.context.forget(keys, [EVERYTHING])

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event of this cache's engine; return what stops that."""
        self.engine.context.listeners.append(listener)
        return lambda: self.engine.context.listeners.remove(listener)

    def close(self) -> None:
        """Write out what is pending and close files; the cache can be used no more."""
        self._close_queues()
        if self._opened_locks is not None:
            self._opened_locks.close()
        self._leases.close()
        self._store.close()

    def __enter__(self) -> Cache:
        with _lock:
            self._blocks += 1
        entered.set((*entered.get(), (self, model.conductor.set(self.engine))))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        *others, (_, token) = entered.get()
        entered.set(tuple(others))
        model.conductor.reset(token)
        with _lock:
            self._blocks -= 1
            is_last = not self._blocks
        if is_last:
            self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Cache is a place, which cannot be copied or pickled: open it by its directory "
            "wherever it is used"
        )

    def __repr__(self) -> str:
        return f"<cache in {self.directory}>"


entered: ContextVar[tuple[tuple[Cache, Token[model.Conductor | None]], ...]] = ContextVar(
    "stagecache_entered", default=()
)
"""The blocks that a context is in, innermost last, and what ends each."""
_lock = threading.Lock()
