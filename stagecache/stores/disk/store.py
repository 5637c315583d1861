"""The store in a directory: says what lies in the row and what in a blob, and in which order.

A blob is there before its row. Whatever fails in between leaves a valid hit or a miss.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from stagecache.clock import SystemClock
from stagecache.errors import StoreError, warn
from stagecache.stores.base import INLINE_LIMIT
from stagecache.stores.disk import collect, layout, marked, rows, upkeep
from stagecache.stores.disk.blobs import Damaged
from stagecache.stores.disk.guard import TROUBLES
from stagecache.stores.disk.index import Incomplete, Vanished
from stagecache.stores.disk.listing import Listing
from stagecache.stores.disk.readonly import refusal
from stagecache.stores.disk.rooms import Rooms
from stagecache.stores.disk.trouble import trouble
from stagecache.stores.reports import Bound, GcReport
from stagecache.stores.sections import address, flat, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import apsw

    from stagecache.clock import Clock
    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.base import Sections
    from stagecache.stores.disk.victims import Taken
    from stagecache.stores.reports import Checked, Problem

_ATTEMPTS = 5


open_stores: WeakValueDictionary[str, DiskStore] = WeakValueDictionary()
"""The store that was opened last of each directory."""
_strangers: dict[str, DiskStore] = {}
"""Those of directories that nobody has open in this process."""


def store_of(directory: str) -> DiskStore:
    """Return a store that knows what lies in a directory, to look at that."""
    store = open_stores.get(directory) or _strangers.get(directory)
    if store is None:
        store = _strangers[directory] = DiskStore(directory)
    return store


class DiskStore(Listing):
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
        rooms = Rooms(
            root,
            durable=durable,
            limits=limits or {},
            clock=clock or SystemClock(),
            shared=shared,
            read_only=read_only,
            secret=secret,
        )
        super().__init__(rooms)
        self._rooms = rooms
        self._clock = rooms.clock
        self._files = rooms.files
        self._connections = rooms.connections
        self._limits = rooms.limits
        self._evictor = rooms.evictor
        self._has_warned = False
        open_stores[self.directory] = self
        self.items = rooms.items
        """What persistent collections keep here."""

    @property
    def directory(self) -> str:
        """The cache directory."""
        return self._directory.root

    @property
    def lock_file(self) -> str:
        """Where leases of this directory's keys are taken."""
        return self._directory.locks

    def throttle_file(self, name: str) -> str:
        """Return where the times of a throttle lie, a file that is made if it is not there.

        Raises
        ------
        OSError, StoreError
            If that cannot be.
        """
        # What holds something before it has its token never gets one.
        if not self._directory.has_index():
            self.prepare()
        self._directory.make_folder(self._directory.throttles)
        path = os.path.join(self._directory.throttles, name)
        self._directory.make_file(path)
        return path

    @property
    def private(self) -> bool:
        """Whether only this user can have written what is there: only then it holds pickles."""
        return self._trust.finds_private()

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

    def vouches_for(self, entry: Entry) -> bool:
        """Tell whether only this user can have written the value of an entry."""
        return self.private and not entry.is_foreign

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

    def results(self, keys: Sequence[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of the results under those of `keys` that there are."""
        return self._guard.read(lambda: self._index.results(keys), {})

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

    def note(self, entry: Entry, provenance: Provenance, manifest: CodeManifest | None) -> None:
        """Keep the record of a result whose value is elsewhere, unless one stands that is as new.

        Raises
        ------
        StoreError
            If it cannot be kept.
        """
        if self._read_only:
            return
        with self._guard.trouble("note a result"):
            if self._trust.is_private or self._takes(entry):
                self._guard.repeat(lambda: self._insert(entry, provenance, manifest))

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
        self.items.close()

    # --- abilities

    def version(self) -> int:
        """Return a number that changes with every removal and replacement, by whomever.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        try:
            return self._index.version()
        except TROUBLES:  # every lookup asks: a `with` around it would be half as long again
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
        return upkeep.gc(
            self._rooms,
            self._flush,
            dry_run=dry_run,
            max_size=max_size,
            older_than=older_than,
            stages=stages,
            grace=grace,
        )

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
        return upkeep.verify(self._rooms, repair=repair, progress=progress or (lambda _: None))

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
                warn(
                    f"{trouble(self.directory, 'make room', error)} Until then the directory may "
                    "grow beyond `max_size`."
                )

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
                self._guard.repeat(self._connections.ensure)
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
