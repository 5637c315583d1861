"""Several stores as one: the order of lookups, promotion, write-through, and trouble as a warning.

What a tier below cannot keep is kept in memory. The job never fails because of a store.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from stagecache.errors import StagecacheWarning, StoreError
from stagecache.model import Provenance
from stagecache.stores.base import (
    Catalog,
    Collectable,
    GcReport,
    Preparable,
    Remembers,
    Snapshots,
    StageStats,
    StoreStats,
    Versioned,
)
from stagecache.stores.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, RunRecord
    from stagecache.stores.base import Sections, Store
    from stagecache.stores.memory import MemoryStore

P = ParamSpec("P")
T = TypeVar("T")

_warned: set[tuple[str, str, object]] = set()
"""Stores and causes that this process has been told of."""


class Tiered:
    """A memory tier over others, each slower and wider than the one before.

    Parameters
    ----------
    memory : MemoryStore
        The first tier.
    lower : sequence of stores
        In the order of lookups.

    Examples
    --------
    >>> from stagecache.stores.memory import MemoryStore
    >>> tiers = Tiered(MemoryStore(), [])
    >>> print(tiers.get(bytes(16)))
    None
    """

    def __init__(self, memory: MemoryStore, lower: Sequence[Store] = ()) -> None:
        self._memory = memory
        self._lower = tuple(lower)
        self._versioned = tuple(store for store in lower if isinstance(store, Versioned))
        self._snapshots = tuple(store for store in lower if isinstance(store, Snapshots))
        self._catalogs = tuple(store for store in lower if isinstance(store, Catalog))
        self._memos = tuple(store for store in lower if isinstance(store, Remembers))
        self._preparables = tuple(store for store in lower if isinstance(store, Preparable))
        self._collectables = tuple(store for store in lower if isinstance(store, Collectable))
        self._ledger = Ledger()
        self._block = _Block()

    def prepare(self) -> None:
        """Make what has to exist before a lease is taken: two cold processes must meet there."""
        for store in self._preparables:
            self._ask(store, None, store.prepare)

    # --- entries and values

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key` from the first tier that has it."""
        version = self._block.version
        if version is None:
            version = self._trust()
        entry = self._memory.get(key)
        if entry is not None:
            return entry
        for store in self._lower:
            try:
                entry = store.get(key)
            except StoreError as error:
                self._warn(store, error)
                continue
            if entry is not None:
                self._memory.copy(entry, version)
                return entry
        return None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that some tier has."""
        version = self._block.version
        if version is None:
            version = self._trust()
        found = self._memory.get_many(keys)
        none: dict[Key, Entry] = {}
        for store in self._lower:
            missing = [key for key in keys if key not in found]
            if not missing:
                break
            for key, entry in self._ask(store, none, store.get_many, missing).items():
                self._memory.copy(entry, version)
                found[key] = entry
        return found

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result in every tier below, or else in memory; return the one that stands.

        An entry that comes back with neither ``inline`` nor ``blob`` is kept nowhere.
        """
        version = self._version()
        winner = None
        troubles = []
        for store in self._lower:
            try:
                standing = store.put(entry, sections, provenance, manifest)
            except StoreError as error:
                troubles.append((store, error))
            else:
                winner = winner or standing
        if winner is None:
            winner = self._memory.put(entry, sections, provenance, manifest)
        else:
            self._memory.remove([winner.key])
            self._memory.copy(winner, version)
        for store, trouble in troubles:
            self._warn(store, trouble)
        return winner

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, or None if no tier can give them."""
        sections = self._memory.load(entry)
        if sections is not None:
            return sections
        for position, store in enumerate(self._lower):
            sections = self._ask(store, None, store.load, entry)
            if sections is not None:
                if position:
                    self._promote(entry, sections, self._lower[:position])
                return sections
        self._memory.remove([entry.key])
        return None

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`, in all tiers; return how many there were."""
        wanted = list(keys)
        removed = max(
            (self._ask(store, 0, store.remove, wanted) for store in self._lower),
            default=0,
        )
        return removed + self._memory.remove(wanted)

    def close(self) -> None:
        """Close all tiers."""
        for store in self._lower:
            self._ask(store, None, store.close)
        self._memory.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let this thread's lookups in the block see one state. Short, re-entrant."""
        if self._block.version is not None:
            yield
            return
        with ExitStack() as stack:
            for store in self._snapshots:
                self._ask(store, None, stack.enter_context, store.reading())
            self._block.version = self._trust()
            try:
                yield
            finally:
                self._block.version = None

    # --- what is kept, for people

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
                        yield entry, provenance
            except StoreError as error:
                self._warn(store, error)

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of."""
        found = self._memory.manifest(code)
        for store in self._catalogs:
            found = found or self._ask(store, None, store.manifest, code)
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
            found.update(dict.fromkeys(self._ask(store, no_keys, store.find, prefix)))
        return list(found)

    def stages(self) -> list[StageStats]:
        """Return what is kept of each stage, by name."""
        sums: dict[str, StageStats] = {}
        no_stages: list[StageStats] = []
        for stats in self._stages_in_memory():
            sums[stats.stage] = _sum(sums.get(stats.stage), stats)
        for store in self._catalogs:
            for stats in self._ask(store, no_stages, store.stages):
                sums[stats.stage] = _sum(sums.get(stats.stage), stats)
        return [sums[stage] for stage in sorted(sums)]

    def record_run(self, run: RunRecord) -> None:
        """Keep the record of a run: below, or else in memory."""
        for store in self._catalogs:
            try:
                store.record_run(run)
            except StoreError as error:
                self._warn(store, error)
            else:
                return
        self._ledger.record_run(run)

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the records of the last runs, newest first."""
        found = self._ledger.runs()
        no_runs: list[RunRecord] = []
        for store in self._catalogs:
            found += self._ask(store, no_runs, store.runs, limit)
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
        parts += [self._ask(store, nothing, store.stats) for store in self._catalogs]
        return StoreStats(*map(sum, zip(*parts, strict=True)))

    def count_use(self, key: Key, saved_seconds: float) -> None:
        """Note that a result was used in place of computing it."""
        for store in self._catalogs:
            store.count_use(key, saved_seconds)
            return
        self._ledger.count_use(key, saved_seconds)

    def total_saved(self) -> float:
        """Return the seconds that all uses saved."""
        return self._ledger.total_saved() + sum(
            self._ask(store, 0.0, store.total_saved) for store in self._catalogs
        )

    # --- facts, rubbish

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

    def gc(self, *, dry_run: bool = False) -> GcReport:
        """Remove what no entry refers to, in all tiers."""
        total = nothing = GcReport(0, 0, 0, 0, dry_run)
        for store in self._collectables:
            report = self._ask(store, nothing, store.gc, dry_run=dry_run)
            total = GcReport(
                total.blobs + report.blobs,
                total.temporary + report.temporary,
                total.trash + report.trash,
                total.bytes + report.bytes,
                dry_run,
            )
        return total

    def verify(self) -> list[str]:
        """Check every entry and every value; return the problems found."""
        problems = []
        for store in self._collectables:
            try:
                problems += store.verify()
            except StoreError as error:
                problems.append(str(error))
        return problems

    # --- shared

    def _version(self) -> object:
        """Return what copies in memory are stamped with."""
        if len(self._versioned) == 1 == len(self._lower):
            return self._ask(self._versioned[0], 0, self._versioned[0].version)
        if len(self._versioned) < len(self._lower):
            return object()  # never the same again: what such a tier has is not remembered
        return tuple(self._ask(store, 0, store.version) for store in self._versioned)

    def _trust(self) -> object:
        version = self._version()
        self._memory.trust(version)
        return version

    def _promote(self, entry: Entry, sections: Sections, stores: Sequence[Store]) -> None:
        bare = entry._replace(inline=None, blob=None)
        unknown = Provenance(entry.key, (), "", 0, "")
        for store in stores:
            self._ask(store, bare, store.put, bare, sections, unknown, None)

    def _stages_in_memory(self) -> Iterator[StageStats]:
        for entry, *_ in self._memory.refuges():
            uses, saved = self._ledger.uses(entry.key)
            yield StageStats(entry.stage, 1, entry.size, uses, saved, 0.0)

    def _ask(
        self,
        store: object,
        otherwise: T,
        question: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        try:
            return question(*args, **kwargs)
        except StoreError as error:
            self._warn(store, error)
            return otherwise

    def _warn(self, store: object, error: StoreError) -> None:
        """Warn once a store and cause in this process."""
        cause = error.__cause__
        kind = (repr(store), type(cause).__name__, getattr(cause, "errno", None))
        if kind in _warned:
            return
        _warned.add(kind)
        warnings.warn(
            f"{error} Until then results are kept in this process's memory only, within its "
            "bound, and may be computed again by the next process.",
            StagecacheWarning,
            stacklevel=3,
        )


class _Block(threading.local):
    """The reading block of each thread."""

    version: object = None
    """What its copies are stamped with; None outside a block."""


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
