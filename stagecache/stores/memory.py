"""The store in memory: entries by least recent use within a bound of bytes, nothing on disk.

It is the first tier, where entries of the tiers below are remembered (*copies*, trusted only as
long as the tier says), and the refuge of results that nobody else could keep.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from stagecache.stores.base import INLINE_LIMIT
from stagecache.stores.forking import hold_over_forks
from stagecache.stores.sections import address, flat, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.base import Sections

_OVERHEAD = 700
"""Bytes that an entry takes besides its value, about."""


class Refuge(NamedTuple):
    """What is kept of a result that is kept nowhere else."""

    entry: Entry
    provenance: Provenance
    sections: tuple[bytes, ...] | None
    """The value if it is not inline."""


class MemoryStore:
    """Keeps results in this process.

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
        self._manifests: dict[Digest, CodeManifest] = {}
        self._size = 0
        self._version: object = None
        hold_over_forks(self)

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`; takes no lock."""
        entry = self._entries.get(key)
        if entry is not None:
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
            standing = self._refuges.get(entry.key)
            if standing is not None and standing.entry.generation >= entry.generation:
                return standing.entry
            if manifest is not None:
                self._manifests[manifest.digest] = manifest
            self._refuges[entry.key] = Refuge(entry, provenance, kept)
            self._add(entry, size if kept is not None else 0)
        return entry

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, read-only, or None if they are not here."""
        if entry.inline is not None:
            return unseal(entry)
        refuge = self._refuges.get(entry.key)
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
            self._costs.clear()
            self._size = 0

    # --- copies of what a tier below keeps

    def trust(self, version: object) -> None:
        """Forget all copies if they were made under another version."""
        if version != self._version:
            with self._lock:
                for key in [key for key in self._entries if key not in self._refuges]:
                    self._drop(key)
                self._version = version

    def copy(self, entry: Entry, version: object) -> None:
        """Remember an entry that a tier below has, if it was read under the present version."""
        with self._lock:
            if version == self._version and entry.key not in self._refuges:
                self._add(entry)

    # --- what is kept only here

    def refuges(self) -> list[Refuge]:
        """Return what is kept only here, newest first."""
        with self._lock:
            kept = list(self._refuges.values())
        return sorted(kept, key=lambda refuge: refuge.entry.created, reverse=True)

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of, if it came with a result kept here."""
        return self._manifests.get(code)

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
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        self._entries.pop(key, None)
        self._refuges.pop(key, None)
        self._size -= self._costs.pop(key, 0)
