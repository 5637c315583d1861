"""The store in a directory: says what lies in the row and what in a blob, and in which order.

A blob is there before its row. Whatever fails in between leaves a valid hit or a miss.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from stagecache.clock import SystemClock
from stagecache.errors import StagecacheWarning, StoreError
from stagecache.stores.base import INLINE_LIMIT, Bound, GcReport, StageStats, StoreStats
from stagecache.stores.disk import catalog, collect, layout, marked, recover, rows, sweep
from stagecache.stores.disk.blobs import Blobs, Damaged, scan
from stagecache.stores.disk.connections import Connections
from stagecache.stores.disk.directory import Directory
from stagecache.stores.disk.evict import Evictor
from stagecache.stores.disk.files import Files
from stagecache.stores.disk.guard import TROUBLES, Guard
from stagecache.stores.disk.index import Incomplete, Index, Vanished
from stagecache.stores.disk.indexfile import IndexFile
from stagecache.stores.disk.items import Items
from stagecache.stores.disk.kept import Limits
from stagecache.stores.disk.locked import locked
from stagecache.stores.disk.pending import Pending
from stagecache.stores.disk.readonly import ReadOnlyConnections, refusal
from stagecache.stores.disk.repair import Repair
from stagecache.stores.disk.trouble import trouble
from stagecache.stores.disk.trust import Trust
from stagecache.stores.disk.verify import Verifier
from stagecache.stores.sections import address, flat, seal, unseal

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import apsw

    from stagecache.clock import Clock
    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance, RunRecord
    from stagecache.stores.base import Checked, Problem, Sections
    from stagecache.stores.disk.victims import Taken

_MANY_FACTS = 32
"""Facts of one kind that are read one by one (5 us each) before all are read at once (1 us)."""
_FLUSH = 1_000
"""Results whose uses may wait to be written."""
_ATTEMPTS = 5


class DiskStore:
    """Keeps results in a directory, which is made when the first one is written.

    Many processes may use one directory at once. A connection belongs to one thread; before a
    fork all are closed.

    Parameters
    ----------
    root : str or os.PathLike
        The cache directory.
    durable : bool, optional
        Whether a result survives a power failure as soon as it is kept. By default it is in the
        hands of the operating system: a crash of the process loses nothing, one of the machine
        may lose the last results, and what it tore is noticed when it is read.
    limits : mapping, optional
        What was said explicitly of ``max_size`` (bytes on disk; None: unbounded) and ``eviction``
        (a name of :data:`~stagecache.stores.policies.POLICIES`, or ``none``); it is kept in the
        directory. What was not said is what the directory keeps.
    clock : Clock, optional
        Where times of use come from.
    shared : bool, optional
        Whether a group may write there as well. Nothing that can run code is kept or read then.
    read_only : bool, optional
        Whether nothing is written there, by any means: results are found, none is kept.
    secret : str, optional
        The file of the user's secret, which is made if there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = DiskStore(folder + "/cache")
    ...     print(store.get(bytes(16)), store.stats().entries)
    ...     store.close()
    None 0
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durable: bool = False,
        limits: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        shared: bool = False,
        read_only: bool = False,
        secret: str | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._directory = Directory(root, shared=shared)
        self._read_only = read_only
        self._trust = Trust(self._directory, secret_file=secret, read_only=read_only)
        self._blobs = Blobs(self._directory, durable=durable)
        self._files = Files(self._directory, self._blobs, self._clock)
        self._index_file = IndexFile(
            self._directory,
            lambda connection: recover.fill(connection, self._directory, self._blobs, self._files),
        )
        if read_only:
            self._connections: Connections = ReadOnlyConnections(self._index_file, self._trust)
        else:
            self._connections = Connections(self._index_file, self._trust, durable=durable)
        self._guard = Guard(self._directory.root, self._connections)
        self._pending = Pending(self._clock)
        self._asked: dict[str, int] = {}
        self._has_warned = False
        self._index = Index(self._connections, self._trust, self._pending)
        self.items = Items(self._connections, self._index, self._guard)
        """What persistent collections keep here."""
        self._limits = Limits(self._directory, limits or {})
        self._evictor = Evictor(
            self._index, self._files, self._directory, self._limits, self._clock
        )

    @property
    def directory(self) -> str:
        """The cache directory."""
        return self._directory.root

    @property
    def lock_file(self) -> str:
        """Where leases of this directory's keys are taken."""
        return self._directory.locks

    @property
    def private(self) -> bool:
        """Whether only this user can have written what is there: only then it holds pickles."""
        if not self._trust.is_judged:
            with suppress(OSError):
                self._trust.judge()
        return self._trust.is_private

    @property
    def writable(self) -> bool:
        """Whether it takes results: not where strangers may write as well, nor if read-only."""
        return not (self._read_only or self._trust.is_refused)

    def trust(self) -> None:
        """Make the directory private: the user says that nobody else has written in it.

        Raises
        ------
        StoreError
            If it is not there, or something in it is a link or belongs to somebody else.
        """
        with self._guard.trouble("trust what is"):
            self._trust.vouch()

    def vouches_for(self, entry: Entry) -> bool:  # noqa: ARG002 - all are as good as the directory
        """Tell whether only this user can have written the value of an entry."""
        return self.private

    def prepare(self) -> None:
        """Make the directory if there is none, so that leases can be taken in it.

        Raises
        ------
        StoreError
            If it cannot be made; where nothing is written, if it is there and cannot be read.
        """
        with self._guard.trouble("read" if self._read_only else "make the cache directory"):
            self._guard.repeat(self._connections.ensure)
        self._trust.tell()

    # --- entries and values

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`; None also where the directory cannot be read."""
        try:
            return self._index.get(key)
        except TROUBLES as error:
            return self._guard.again(error, lambda: self._index.get(key), None)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are."""
        return self._guard.read(lambda: self._index.get_many(keys), {})

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result unless one is kept already, and return what stands afterwards.

        None is kept where nothing is written, and none that could run code in a directory that is
        not private: the entry comes back without a value.

        Raises
        ------
        StoreError
            If it cannot be kept; no temporary file is left.
        """
        if self._read_only:
            return entry._replace(inline=None, blob=None)
        views = flat(sections)
        size = views[0].nbytes if len(views) == 1 else sum([view.nbytes for view in views])
        try:
            if not (self._trust.is_private or self._takes(entry)):
                return entry._replace(inline=None, blob=None)
            if size > self._limits.largest:
                self._guard.repeat(partial(self._evictor.admit, entry.stage, size))
            size += self._size_of_parts(entry)
            # What holds parts lies in a file: an index made from files knows of it.
            if size <= INLINE_LIMIT and not entry.parts:
                entry = rows.placed(entry, seal(entry, views), None, size)
                try:
                    kept = self._insert(entry, provenance, manifest)
                except TROUBLES as error:
                    self._guard.mend(error)
                    kept = self._insert(entry, provenance, manifest)
            else:
                entry = rows.placed(entry, None, address(entry.codec, views), size)
                kept = self._put_blob(entry, views, provenance, manifest)
        except TROUBLES as error:
            raise trouble(self.directory, "keep a result", error) from error
        except Incomplete:
            raise StoreError(f"{self.directory} lacks a part of a result") from None
        if self._evictor.is_due(entry):
            self._settle(kept)
        return kept

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, or None if they are gone or damaged.

        Writable sections are private maps of the file, or memory of their own.

        Raises
        ------
        StoreError
            If they may be there and cannot be read.
        """
        if not (self._trust.is_private or self.private or self._trust.admits(entry)):
            return None
        if entry.inline is not None:
            sections = unseal(entry)
            if sections is None:
                self._drop(entry, lambda _: True)
            return sections
        where = entry.blob
        if where is None:
            return None
        try:
            return self._blobs.read(where, entry.codec)
        except FileNotFoundError:
            self._drop(entry, lambda connection: self._files.is_gone(connection, where))
        except Damaged as damaged:
            inode = damaged.inode
            self._drop(entry, lambda connection: self._quarantine(connection, where, inode))
        except OSError as error:
            raise trouble(self.directory, "read a result", error) from error
        return None

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`; return how many there were."""
        wanted = list(keys)
        if not wanted or not (self._read_only or self._directory.has_index()):
            return 0
        with self._guard.trouble("forget a result"):
            return self._guard.repeat(
                lambda: self._index.remove(wanted, self._clock.now(), self._files.delete)
            )

    def close(self) -> None:
        """Write what is pending, if that can be done, and close all connections."""
        self._flush()
        self._connections.close()

    # --- abilities

    def version(self) -> int:
        """Return a number that changes with every removal and replacement, by whomever.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        with self._guard.trouble("read the index"):
            return self._guard.repeat(self._index.version)

    def marks(self) -> bytes | None:
        """Return what is kept of marks, or None.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        with self._guard.trouble("read what is outdated"):
            return marked.read(self._directory.marks)

    def change_marks(self, change: Callable[[bytes | None], bytes]) -> None:
        """Replace what is kept of marks by what `change` makes of it.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """

        def work(connection: apsw.Connection) -> None:
            marked.change(self._directory, change)
            self._index.raise_version(connection)

        with self._guard.trouble("mark results as outdated"):
            if self._read_only:
                raise refusal()
            self._guard.repeat(self._connections.ensure)
            self._guard.repeat(lambda: self._index.write(work))

    def reading(self) -> AbstractContextManager[None]:
        """Let this thread's lookups in the block share one snapshot (3 us each, not 5)."""
        return self._index.reading()

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
        """Return counts, and bytes on disk."""
        blobs = [file.stat().st_size for file in self._blobs.paths()]
        return StoreStats(
            entries=self._guard.read(lambda: catalog.count(self._index), 0),
            bytes=sum(blobs) + self._directory.index_size(),
            blobs=len(blobs),
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
        if value is not None or not self.private:
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
        self._pending.learn(kind, key, value, is_new=self.private and not self._read_only)

    def gc(
        self,
        *,
        dry_run: bool = False,
        max_size: int | None = None,
        older_than: float | None = None,
        stages: Collection[str] | None = None,
        grace: float = collect.GRACE,
    ) -> GcReport:
        """Remove orphan blobs and leftovers, and results or values as asked; one gc at a time.

        Parameters
        ----------
        dry_run, max_size, older_than, stages
            As of :meth:`~stagecache.stores.base.Collectable.gc`.
        grace : float, optional
            Seconds; younger blobs stay, somebody may be at work on them. One that is collected
            all the same is written again.

        Raises
        ------
        StoreError
            If something cannot be removed.
        """
        now = self._clock.now()

        def work() -> GcReport:
            results = sweep.Swept(0, 0)
            if older_than is not None or stages is not None:
                self._flush()  # what was used lately is not old
                before = None if older_than is None else now - older_than
                results = sweep.sweep(
                    self._index, self._files, now, before=before, stages=stages, dry_run=dry_run
                )
            report = collect.gc(
                self._index,
                self._blobs,
                self._files,
                self._directory,
                now,
                dry_run=dry_run,
                grace=grace,
            )
            most = self._limits.max_size if max_size is None else max_size
            taken = [] if most is None else self._evictor.reduce(most, dry_run=dry_run)
            if not dry_run:
                self._evictor.give_back()
            return report._replace(
                bytes=report.bytes + results.bytes + sum(part.bytes for part in taken),
                results=results.results,
                values=sum(part.values for part in taken),
            )

        with self._guard.trouble("collect leftovers"):
            self._may_change()
            if dry_run or not self._directory.has_index():
                return self._guard.repeat(work)
            self._guard.repeat(self._connections.ensure)
            self._limits.note()
            with locked(self._directory.collecting):
                return self._guard.repeat(work)

    def bound(self) -> Bound:
        """Return how many bytes the directory may take, and takes."""
        self._limits.refresh()
        max_size, eviction = self._limits
        return Bound(max_size, eviction, self._guard.read(lambda: self._evictor.space().used, 0))

    @property
    def evicted(self) -> list[Callable[[Taken], None]]:
        """Who is told of values that give way here, one call a stage."""
        return self._evictor.listeners

    def verify(
        self, *, repair: bool = False, progress: Callable[[Checked], None] | None = None
    ) -> list[Problem]:
        """Check every row and every blob, in several threads; return the problems found.

        Parameters
        ----------
        repair : bool, optional
            Set aside what is damaged and forget the entries that rest on it. A broken index is
            made from blobs anew: small results, which lie in it, are gone.
        progress : callable, optional
            Called now and then, in the caller's thread. What it raises ends the check.

        Raises
        ------
        StoreError
            If something cannot be read, or not be set aside.
        """
        with self._guard.trouble("verify results"), self._readable(write=repair) as index:
            if repair:
                self._may_change()
            check = Verifier(
                index,
                self._blobs,
                self._files,
                self._directory,
                self._clock.now() - collect.GRACE,
                progress or (lambda _: None),
            )
            found = check.problems()
            if repair:
                mend = Repair(index, self._blobs, self._files, self._directory, self._connections)
                found = (problem._replace(repaired=mend(problem)) for problem in found)
            return sorted(found, key=_in_order)

    def __repr__(self) -> str:
        return f"<store in {self.directory}>"

    # --- shared

    def _settle(self, kept: Entry) -> None:
        try:
            self._limits.note()
            self._guard.repeat(lambda: self._evictor.settle(kept))
        except TROUBLES as error:  # the result is kept all the same
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"{trouble(self.directory, 'make room', error)} Until then the directory may "
                    "grow beyond `max_size`.",
                    StagecacheWarning,
                    stacklevel=2,
                )

    @contextmanager
    def _readable(self, *, write: bool) -> Iterator[Index]:
        """Yield the index, or what reads it where the system lets nobody write."""
        if write or self._read_only or not self._directory.is_closed():
            yield self._index
            return
        connections = ReadOnlyConnections(self._index_file, self._trust)
        try:
            yield Index(connections, self._trust, self._pending)
        finally:
            connections.close()

    def _may_change(self) -> None:
        if self._read_only:
            raise refusal()
        self._trust.judge()

    def _takes(self, entry: Entry) -> bool:
        if self.private or self._trust.admits(entry):
            return True
        self._guard.repeat(self._connections.ensure)  # it may be judged otherwise by now
        return self._trust.is_private

    def _insert(self, entry: Entry, provenance: Provenance, manifest: CodeManifest | None) -> Entry:
        return self._index.put(
            entry, provenance, manifest, self._files.publish, self._files.set_aside
        )

    def _size_of_parts(self, entry: Entry) -> int:
        if not entry.parts:
            return 0
        parts = self.get_many(list(set(entry.parts)))
        return sum([part.size for part in parts.values()])

    def _put_blob(
        self,
        entry: Entry,
        views: list[memoryview],
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        assert entry.blob is not None
        header = layout.encode_header(rows.header_fields(entry, provenance))
        self._guard.repeat(self._connections.ensure)
        for _ in range(_ATTEMPTS):
            try:
                self._blobs.write(entry.blob, header, views)
                return self._guard.repeat(lambda: self._insert(entry, provenance, manifest))
            except Vanished:
                continue
            except FileNotFoundError:  # a collector's clock is far ahead; or somebody tidied up
                self._directory.make_folder(self._directory.temporary)
        raise OSError(f"blob {entry.blob.hex()} is removed as fast as it is written")

    def _drop(self, entry: Entry, is_still_bad: Callable[[apsw.Connection], bool]) -> None:
        with suppress(*TROUBLES):  # a miss all the same; whoever comes next finds the same
            self._guard.repeat(lambda: self._index.drop(entry, is_still_bad))

    def _quarantine(self, connection: apsw.Connection, where: Digest, inode: int) -> bool:
        if not self._blobs.is_file(where, inode):
            return False
        self._files.quarantine(connection, where)
        return True

    def _flush(self) -> None:
        if self._pending and not self._read_only and self._directory.has_index():
            with suppress(*TROUBLES):  # statistics, and facts that can be worked out again
                self._guard.repeat(self._index.flush)


def _in_order(problem: Problem) -> tuple[str, bytes, str, bytes, int]:
    """Return what problems are sorted by: those of one stage and of one result are together."""
    stage, key, blob = problem.stage, problem.key or b"", problem.blob or b""
    return stage, key, problem.kind, blob, problem.item or 0
