"""What a directory says of what it keeps, and the notes that go there beside results.

Notes (uses, facts) gather in memory and are written with the next commit; to lose them costs a
statistic, or working a fact out again. Values are not known here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.stores.disk import catalog
from stagecache.stores.disk.blobs import scan
from stagecache.stores.disk.guard import TROUBLES
from stagecache.stores.reports import StageStats, StoreStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance, RunRecord
    from stagecache.stores.disk.rooms import Rooms

_MANY_FACTS = 32
"""Facts of one kind that are read one by one (5 us each) before all are read at once (1 us)."""
_FLUSH = 1_000
"""Results whose uses may wait to be written."""


class Listing:
    """The catalog and the notes of one directory.

    Parameters
    ----------
    rooms : Rooms
        What works on it.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._index = rooms.index
        self._pending = rooms.pending
        self._directory = rooms.directory
        self._blobs = rooms.blobs
        self._guard = rooms.guard
        self._trust = rooms.trust
        self._read_only = rooms.read_only
        self._items = rooms.items
        self._asked: dict[str, int] = {}

    def entries(
        self, stage: str | None = None, limit: int | None = None
    ) -> Iterator[tuple[Entry, Provenance]]:
        """Yield what is kept, newest first, of one stage or of all."""
        with self._guard.trouble("list results"):
            yield from catalog.entries(self._index, stage, limit)

    def listed(self, key: Key) -> tuple[Entry, Provenance] | None:
        """Return what is kept under `key`, with its provenance."""
        return self._guard.read(lambda: catalog.listed(self._index, key), None)

    def manifest(self, code: Digest) -> CodeManifest | None:
        """Return what a code fingerprint was made of."""
        return self._guard.read(lambda: catalog.manifest(self._index, code), None)

    def find(self, prefix: str) -> list[Key]:
        """Return the keys that begin with the hexadecimal `prefix`."""
        return self._guard.read(lambda: catalog.find(self._index, prefix), [])

    def stages(self) -> list[StageStats]:
        """Return what is kept of each stage, by name."""
        self._flush()
        return self._guard.read(lambda: catalog.stages(self._index), [])

    def record_run(self, run: RunRecord) -> None:
        """Keep the record of a run.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """
        with self._guard.trouble("record a run"):
            self._guard.repeat(lambda: catalog.record_run(self._index, run))

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the records of the last runs, newest first."""
        return self._guard.read(lambda: catalog.runs(self._index, limit), [])

    def stats(self) -> StoreStats:
        """Return counts, and bytes on disk.

        Raises
        ------
        StoreError
            If the files cannot be looked at.
        """
        sizes = []
        with self._guard.trouble("count what is kept"):
            for file in self._blobs.paths():
                with suppress(FileNotFoundError):  # it gave way a moment ago
                    sizes.append(file.stat().st_size)
            return StoreStats(
                entries=self._guard.read(lambda: catalog.count(self._index), 0),
                bytes=sum(sizes) + self._directory.index_size() + self._items.size(),
                blobs=len(sizes),
                quarantined=len(scan(self._directory.quarantine)),
            )

    def count_use(self, key: Key, saved_seconds: float) -> None:
        """Note that a result was used in place of computing it."""
        if self._pending.count(key, saved_seconds) >= _FLUSH and not self._index.is_reading():
            self._flush()

    def total_saved(self) -> float:
        """Return the seconds that all uses saved, also of results that are gone."""
        return self._guard.read(lambda: catalog.saved(self._index), 0.0) + self._pending.saved()

    def recall(self, kind: str, key: bytes) -> bytes | None:
        """Return what was remembered under `key`, or None.

        What lies in a directory that is not private is not believed: whoever says of a file or of
        code what it is decides what a hit is.
        """
        value = self._pending.known.get((kind, key))
        if value is not None or not self._trust.finds_private():
            return value
        self._asked[kind] = asked = self._asked.get(kind, 0) + 1
        nothing: list[tuple[bytes, bytes]] = []
        if asked == _MANY_FACTS:  # whoever asks so often will ask for most of them
            found = self._guard.read(lambda: catalog.facts(self._index, kind), nothing)
        else:
            found = self._guard.read(lambda: catalog.fact(self._index, kind, key), nothing)
        if self._trust.is_private:  # it was judged again if the index was opened for that
            for name, fact in found:
                self._pending.learn(kind, name, fact, is_new=False)
        return self._pending.known.get((kind, key))

    def remember(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep `value`, on disk with the next commit if the directory is private."""
        is_new = not self._read_only and self._trust.finds_private()
        self._pending.learn(kind, key, value, is_new=is_new)

    def _flush(self) -> None:
        if self._pending and not self._read_only and self._directory.has_index():
            with suppress(*TROUBLES):  # statistics, and facts that can be worked out again
                self._guard.repeat(self._index.flush)
