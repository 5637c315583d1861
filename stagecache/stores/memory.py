"""The store in memory: entries by least recent use within a bound of bytes, nothing on disk.

It is the first tier, where entries of the tiers below are remembered (*copies*, trusted only as
long as the tier says), and the refuge of results that nobody else could keep.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from stagecache.forking import hold_over_forks
from stagecache.stores.base import INLINE_LIMIT
from stagecache.stores.held import HeldParts, Refuge
from stagecache.stores.sections import address, flat, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.base import Sections

_OVERHEAD = 700
"""Bytes that an entry takes besides its value, about."""


class MemoryStats(NamedTuple):
    """What the memory tier of a process holds, and how it was used."""

    entries: int
    bytes: int
    limit: int | None
    """Bytes; None: a mapping of the user's says what is kept."""
    policy: str
    """What gives way; or the name of the mapping's class."""
    hits: int
    """Lookups that were answered."""
    misses: int
    """Lookups that a tier below was asked for, or that found nothing."""
    evictions: int


class MemoryStore:
    """Keeps results in this process. Parts are never dropped before what holds them.

    Parameters
    ----------
    limit : int, optional
        Bytes that entries and values may take together.

    Examples
    --------
    >>> store = MemoryStore(1 << 20)
    >>> print(store.get(bytes(16)))
    None
    """

    def __init__(self, limit: int = 256 << 20) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._costs: dict[Key, int] = {}
        self._refuges: dict[Key, Refuge] = {}
        self._parts = HeldParts()
        self._manifests: dict[Digest, CodeManifest] = {}
        self._size = 0
        self.version: object = None
        """Under which copies are trusted at present."""
        self.policy = "lru"
        self.turnover = 0
        """How often something that is kept only here was put, replaced or dropped."""
        self.hits = self.misses = self.evictions = 0
        hold_over_forks(self)

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`; takes no lock."""
        entry = self._entries.get(key)
        if entry is None:
            part = self._parts.get(key)
            if part is None:
                self.misses += 1
                return None
            self.hits += 1
            return part.entry
        self.hits += 1
        try:  # noqa: SIM105 - suppress() would cost as much again as all the rest
            self._entries.move_to_end(key)
        except KeyError:  # dropped by another thread this very moment
            pass
        return entry

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are."""
        return {key: entry for key in keys if (entry := self.get(key)) is not None}

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result unless one is kept already, and return what stands afterwards.

        A value that does not fit is not kept: the entry comes back without ``inline`` and
        ``blob``.
        """
        views = flat(sections)
        size = sum(view.nbytes for view in views)
        entry = entry._replace(inline=None, blob=None, size=size)
        if _OVERHEAD + size > self._limit:
            return entry
        kept = None
        if size <= INLINE_LIMIT:
            entry = entry._replace(inline=seal(entry, views))
        else:
            entry = entry._replace(blob=address(entry.codec, views))
            kept = tuple(bytes(view) for view in views)
        with self._lock:
            if entry.is_part and provenance.key != entry.key:
                return self._put_part(Refuge(entry, provenance, kept))
            parts = [part for key in set(entry.parts) if (part := self.get(key)) is not None]
            entry = entry._replace(size=size + sum(part.size for part in parts))
            standing = self._refuges.get(entry.key)
            if standing is not None and standing.entry.generation >= entry.generation:
                return standing.entry
            if manifest is not None:
                self._manifests[manifest.digest] = manifest
            self._release(entry.key)
            self._parts.hold(entry.key, entry.parts)
            self._refuges[entry.key] = Refuge(entry, provenance, kept)
            self.turnover += 1
            self._add(entry, size if kept is not None else 0)
            if entry.key not in self._refuges:  # with its parts it found no room
                return entry._replace(inline=None, blob=None)
        return entry

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, read-only, or None if they are not here."""
        if entry.inline is not None:
            return unseal(entry)
        refuge = self._refuges.get(entry.key) or self._parts.get(entry.key)
        if refuge is None or refuge.sections is None or refuge.entry.blob != entry.blob:
            return None
        return [memoryview(section) for section in refuge.sections]

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`; return how many results were kept only here."""
        removed = 0
        with self._lock:
            for key in keys:
                removed += key in self._refuges
                self._drop(key)
        return removed

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self._refuges.clear()
            self._parts = HeldParts()
            self._costs.clear()
            self._size = 0

    # --- copies of what a tier below keeps

    def trust(self, version: object) -> None:
        """Forget all copies if they were made under another version."""
        if version != self.version:
            with self._lock:
                for key in [key for key in self._entries if key not in self._refuges]:
                    self._drop(key)
                self.version = version

    def copy(self, entry: Entry, version: object) -> None:
        """Remember an entry that a tier below has, if it was read under the present version."""
        with self._lock:
            if version == self.version and entry.key not in self._refuges:
                self._add(entry)

    # --- what is kept only here

    def results(self, keys: Iterable[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of those results under `keys` that are kept only here."""
        refuges = self._refuges
        return {key: kept.entry.result for key in keys if (kept := refuges.get(key)) is not None}

    def refuges(self) -> list[Refuge]:
        """Return what is kept only here, newest first."""
        with self._lock:
            kept = [refuge for refuge in self._refuges.values() if not refuge.entry.is_part]
        return sorted(kept, key=lambda refuge: refuge.entry.created, reverse=True)

    def keeps(self, entry: Entry) -> bool:
        """Tell whether the value of an entry is kept here, as this process has put it."""
        refuge = self._refuges.get(entry.key) or self._parts.get(entry.key)
        return refuge is not None and refuge.entry == entry

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of, if it came with a result kept here."""
        return self._manifests.get(code)

    def is_refuge(self, key: Key) -> bool:
        """Tell whether the result under `key` is kept here for want of another place."""
        return key in self._refuges

    @property
    def limit(self) -> int | None:
        """Bytes that may be taken; None: something else is the bound."""
        return self._limit

    def stats(self) -> MemoryStats:
        """Return what is here, and how it was used since this process began."""
        return MemoryStats(
            len(self._entries), self._size, self.limit, self.policy,
            self.hits, self.misses, self.evictions,
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Bytes taken, about."""
        return self._size

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002 - the same in both
        """Go on."""
        self._lock.release()

    def _add(self, entry: Entry, value: int = 0) -> None:
        key = entry.key
        self._entries[key] = entry
        self._entries.move_to_end(key)
        cost = _OVERHEAD + len(entry.inline or b"") + len(entry.items or b"") + value
        self._size += cost - self._costs.get(key, 0)
        self._costs[key] = cost
        self._make_room(0)

    def _put_part(self, refuge: Refuge) -> Entry:
        """Keep a part for who is at work on what shall hold it, or return it without a value."""
        entry = refuge.entry
        standing = self._parts.get(entry.key)
        if standing is not None:
            self._parts.hold(refuge.provenance.key, [entry.key])
            return standing.entry
        cost = _OVERHEAD + entry.size
        if not self._make_room(cost):
            return entry._replace(inline=None, blob=None)
        self._parts.add(entry.key, refuge, refuge.provenance.key)
        self._parts.hold(entry.key, entry.parts)
        self._costs[entry.key] = cost
        self._size += cost
        return entry

    def _make_room(self, wanted: int) -> bool:
        """Drop what was used least recently, until so many bytes are free or nothing is left."""
        while self._entries and self._size + wanted > self._limit:
            self.evictions += 1
            self._drop(next(iter(self._entries)))
        return self._size + wanted <= self._limit

    def _drop(self, key: Key) -> None:
        self._entries.pop(key, None)
        if self._refuges.pop(key, None) is not None:
            self.turnover += 1
        self._parts.remove(key)
        self._size -= self._costs.pop(key, 0)
        self._release(key)

    def _release(self, holder: Key) -> None:
        for part in self._parts.release(holder):
            self._drop(part)
