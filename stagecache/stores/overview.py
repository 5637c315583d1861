"""What several tiers hold together, for people; and the notes that go to the first tier able to.

What no tier below lists or notes, because there is none or it is in trouble, is in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import StoreError
from stagecache.stores.asking import ask, warn_once
from stagecache.stores.base import Bounded, Catalog, Collectable, Remembers, Vouching
from stagecache.stores.ledger import Ledger
from stagecache.stores.reports import Bound, GcReport, Problem, StageStats, StoreStats
from stagecache.stores.vouching import vouched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance, RunRecord
    from stagecache.stores.base import Store
    from stagecache.stores.memory import MemoryStats, MemoryStore
    from stagecache.stores.reports import Checked


class Overview:
    """A catalog of a memory tier and those below it.

    Parameters
    ----------
    memory : MemoryStore
        The first tier.
    lower : sequence of stores
        Those without a catalog are left out.
    """

    def __init__(self, memory: MemoryStore, lower: Sequence[Store]) -> None:
        self._memory = memory
        self._catalogs = tuple(store for store in lower if isinstance(store, Catalog))
        self._memos = tuple(store for store in lower if isinstance(store, Remembers))
        self._bounded = tuple(store for store in lower if isinstance(store, Bounded))
        self._collectables = tuple(store for store in lower if isinstance(store, Collectable))
        self._ledger = Ledger()

    def entries(
        self, stage: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[Entry, Provenance]]:
        """Yield what is kept, newest first in each tier, of one stage or of all."""
        seen: set[Key] = set()
        for refuge in self._memory.refuges():
            if stage is None or refuge.entry.stage == stage:
                if limit is not None and len(seen) >= limit:
                    return
                seen.add(refuge.entry.key)
                yield refuge.entry, refuge.provenance
        for store in self._catalogs:
            try:
                for entry, provenance in store.entries(stage, limit):
                    if limit is not None and len(seen) >= limit:
                        return
                    if entry.key not in seen:
                        seen.add(entry.key)
                        yield vouched(store, entry), provenance
            except StoreError as error:
                warn_once(store, error)

    def listed(self, key: Key) -> tuple[Entry, Provenance] | None:
        """Return what is kept under `key`, with its provenance."""
        for refuge in self._memory.refuges():
            if refuge.entry.key == key:
                return refuge.entry, refuge.provenance
        for store in self._catalogs:
            found = ask(store, None, store.listed, key)
            if found is not None:
                return vouched(store, found[0]), found[1]
        return None

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of."""
        found = self._memory.manifest(code)
        for store in self._catalogs:
            found = found or ask(store, None, store.manifest, code)
        return found

    def find(self, prefix: str) -> list[Key]:
        """Return the keys that begin with the hexadecimal `prefix`."""
        prefix = prefix.lower()
        found = {
            refuge.entry.key: None
            for refuge in self._memory.refuges()
            if refuge.entry.key.hex().startswith(prefix)
        }
        no_keys: list[Key] = []
        for store in self._catalogs:
            found.update(dict.fromkeys(ask(store, no_keys, store.find, prefix)))
        return list(found)

    def stages(self) -> list[StageStats]:
        """Return what is kept of each stage, by name."""
        sums: dict[str, StageStats] = {}
        no_stages: list[StageStats] = []
        for stats in self._stages_in_memory():
            sums[stats.stage] = _sum(sums.get(stats.stage), stats)
        for store in self._catalogs:
            for stats in ask(store, no_stages, store.stages):
                sums[stats.stage] = _sum(sums.get(stats.stage), stats)
        return [sums[stage] for stage in sorted(sums)]

    def record_run(self, run: RunRecord) -> None:
        """Keep the record of a run: below, or else in memory."""
        for store in self._catalogs:
            if isinstance(store, Vouching) and not store.writable:
                continue
            try:
                store.record_run(run)
            except StoreError as error:
                warn_once(store, error)
            else:
                return
        self._ledger.record_run(run)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the records of the last runs, newest first."""
        found = self._ledger.runs()
        no_runs: list[RunRecord] = []
        for store in self._catalogs:
            found += ask(store, no_runs, store.runs, limit)
        return sorted(found, key=lambda run: run.started, reverse=True)[:limit]

    def stats(self) -> StoreStats:
        """Return counts and sizes: of the tiers below, and of what is kept only in memory."""
        refuges = self._memory.refuges()
        parts = [
            StoreStats(
                len(refuges),
                sum(refuge.entry.size for refuge in refuges),
                sum(refuge.entry.blob is not None for refuge in refuges),
                0,
            )
        ]
        nothing = StoreStats(0, 0, 0, 0)
        parts += [ask(store, nothing, store.stats) for store in self._catalogs]
        return StoreStats(*map(sum, zip(*parts, strict=True)))

    def memory_stats(self) -> MemoryStats:
        """Return what the memory tier holds, and how it was used."""
        return self._memory.stats()

    def count_use(self, key: Key, saved_seconds: float) -> None:
        """Note that a result was used in place of computing it."""
        for store in self._catalogs:
            store.count_use(key, saved_seconds)
            return
        self._ledger.count_use(key, saved_seconds)

    def total_saved(self) -> float:
        """Return the seconds that all uses saved."""
        return self._ledger.total_saved() + sum(
            ask(store, 0.0, store.total_saved) for store in self._catalogs
        )

    def recall(self, kind: str, key: bytes) -> bytes | None:
        """Return what was remembered under `key`, or None."""
        for store in self._memos:
            return store.recall(kind, key)
        return self._ledger.recall(kind, key)

    def remember(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep a small fact; see :class:`~stagecache.model.Memo`."""
        for store in self._memos:
            store.remember(kind, key, value)
            return
        self._ledger.remember(kind, key, value)

    def bound(self) -> Bound | None:
        """Return how much the first store that has a bound may hold, and holds."""
        for store in self._bounded:
            return ask(store, None, store.bound)
        return None

    def gc(
        self,
        *,
        dry_run: bool = False,
        max_size: int | None = None,
        older_than: float | None = None,
        stages: Collection[str] | None = None,
    ) -> GcReport:
        """Remove what no entry refers to, and what is named, in all tiers."""
        total = GcReport(0, 0, 0, 0, dry_run)
        nothing = total._replace(is_done=False)
        for store in self._collectables:
            report = ask(
                store,
                nothing,
                store.gc,
                dry_run=dry_run,
                max_size=max_size,
                older_than=older_than,
                stages=stages,
            )
            total = GcReport(
                total.blobs + report.blobs,
                total.temporary + report.temporary,
                total.trash + report.trash,
                total.bytes + report.bytes,
                dry_run,
                total.results + report.results,
                total.values + report.values,
                total.is_done and report.is_done,
            )
        return total

    def verify(
        self, *, repair: bool = False, progress: Callable[[Checked], None] | None = None
    ) -> list[Problem]:
        """Check every entry and every value, tier by tier; return the problems found."""
        problems: list[Problem] = []
        for store in self._collectables:
            try:
                problems += store.verify(repair=repair, progress=progress)
            except StoreError as error:
                problems.append(Problem("store", str(error)))
        return problems

    def _stages_in_memory(self) -> Iterator[StageStats]:
        for entry, *_ in self._memory.refuges():
            uses, saved = self._ledger.uses(entry.key)
            yield StageStats(entry.stage, 1, entry.size, uses, saved, 0.0)


def _sum(one: StageStats | None, other: StageStats) -> StageStats:
    if one is None:
        return other
    return StageStats(
        one.stage,
        one.entries + other.entries,
        one.bytes + other.bytes,
        one.uses + other.uses,
        one.seconds_saved + other.seconds_saved,
        max(one.last_used, other.last_used),
    )
