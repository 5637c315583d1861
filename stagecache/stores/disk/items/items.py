"""All collections of one directory: opens them, counts them, gathers what no row names."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw
from xxhash import xxh3_64_intdigest

from stagecache.errors import SettingsError
from stagecache.stores.disk.connections import Connections
from stagecache.stores.disk.guard import TROUBLES, Guard
from stagecache.stores.disk.items.access import Access
from stagecache.stores.disk.items.check import ItemsCheck, fault_of
from stagecache.stores.disk.items.collection import Collection
from stagecache.stores.disk.items.file import ItemsFile
from stagecache.stores.disk.items.gaps import close_gaps, is_gapless
from stagecache.stores.disk.items.large import Large
from stagecache.stores.disk.items.place import ItemsDirectory
from stagecache.stores.disk.items.rows import COLUMNS
from stagecache.stores.disk.items.schema import name_of
from stagecache.stores.disk.items.versions import Versions
from stagecache.stores.disk.readonly import ReadOnlyConnections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stagecache.clock import Clock
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.tally import Tally
    from stagecache.stores.disk.trust import Trust
    from stagecache.stores.reports import Problem


class CollectionStats(NamedTuple):
    """What a collection holds."""

    name: str
    kind: str
    items: int
    bytes: int
    """Of encoded values."""


class Items:
    """The collections of a directory.

    Parameters
    ----------
    directory : Directory
        The cache directory.
    trust : Trust
        Judges it.
    clock : Clock
        Where times come from.
    durable : bool
        Whether a commit survives a power failure.
    read_only : bool
        Whether nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache.stores.disk import DiskStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = DiskStore(folder + "/cache")
    ...     letters = store.items.open("letters", "index")
    ...     for key in (b"b", b"a"):
    ...         letters.set(key, "bytes", key.upper())
    ...     print(letters.get(b"b"), [stored.value for stored in letters.scan()])
    ...     store.close()
    ('bytes', b'B', None) [b'B', b'A']
    """

    def __init__(
        self,
        directory: Directory,
        trust: Trust,
        clock: Clock,
        *,
        durable: bool,
        read_only: bool,
    ) -> None:
        self.directory = ItemsDirectory(directory)
        self._clock = clock
        file = ItemsFile(self.directory)
        if read_only:
            self._connections: Connections = ReadOnlyConnections(file, trust)
        else:
            self._connections = Connections(file, trust, durable=durable, fair=True)
        self._large = Large(self.directory, durable=durable)
        self.versions = Versions(self.directory, trust, writes=not read_only)
        self.access = Access(
            self._connections,
            Guard(directory.root, self._connections),
            self.versions,
            self._collect,
        )

    def open(
        self,
        name: str,
        kind: str,
        settings: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        *,
        counted: bool = False,
    ) -> Collection:
        """Return the collection of that name, which is made when the first item comes.

        Parameters
        ----------
        name : str
            One name, one collection, of whatever kind.
        kind : str
            What its items are for: ``index``, ``deque``.
        settings : mapping, optional
            What was said of it explicitly, as JSON can hold it.
        defaults : mapping, optional
            What holds where neither says anything.
        counted : bool, optional
            Whether the number and the bytes of its items are kept with each commit (3 us), for
            collections with a bound. Else they are counted when they are asked for.

        Raises
        ------
        SettingsError
            If it was made as another kind, or with other settings; or if that is no name.
        StoreError
            If the file cannot be read.
        """
        if not isinstance(name, str) or not name or not name.isprintable():
            raise SettingsError(f"the name of a collection is text that can be read, not {name!r}")
        number = xxh3_64_intdigest(name.encode()) >> 1
        return Collection(
            self.access,
            self._large,
            self.versions,
            name,
            kind,
            settings or {},
            defaults or {},
            counted=counted,
            number=number,
            now=self._clock.now(),
        )

    def names(self) -> list[tuple[str, str]]:
        """Return name and kind of each collection."""
        return self.access.select("SELECT name, kind FROM collections ORDER BY name")

    def stats(self) -> list[CollectionStats]:
        """Return what each collection holds, by name."""
        found = []
        for name, kind in self.names():
            collection = self.open(name, kind)
            found.append(CollectionStats(name, kind, collection.count(), collection.size()))
        return found

    def total(self) -> int:
        """Return how many items there are; 0, with nothing mended, if they cannot be counted."""
        total = 0
        with suppress(*TROUBLES):
            for (number,) in self._connections.select("SELECT number FROM collections"):
                counted = f"SELECT count(*) FROM items_{name_of(number)}"  # noqa: S608 - a number
                total += self._connections.select(counted)[0][0]
        return total

    def size(self) -> int:
        """Return the bytes on disk: the file, its log, and the blobs if they can be counted."""
        size = self.directory.index_size()
        if size:
            with suppress(*TROUBLES):  # who makes room for results is not to fail for that
                size += self._connections.select("SELECT coalesce(sum(bytes), 0) FROM blobs")[0][0]
        return size

    def wait_at_most(self, seconds: float) -> None:
        """Let writers wait so long for threads and processes, then fail: before the first use.

        The :class:`~stagecache.errors.StoreError` then has an ``apsw.BusyError`` as its cause.
        """
        self._connections.patience = seconds

    def close(self) -> None:
        """Close all connections; a later use opens them again."""
        self._connections.close()

    def check(self, tally: Tally) -> Iterator[Problem]:
        """Yield what is wrong with any item, with large values, or with the file."""
        return ItemsCheck(self.directory, self.access, tally).problems()

    def mend(self, detail: str) -> bool:
        """Save what can be read of a broken file; tell whether there is a good one now.

        Raises
        ------
        OSError, apsw.Error
            If that cannot be done.
        """
        return self._connections.mend(apsw.CorruptError(detail))

    def forget_damaged(self, number: int, row: int) -> bool:
        """Forget an item if it is damaged, which it may be no longer; return that it is not.

        Where items are to follow each other, all that are damaged go with it: it moves others.
        """
        with self.access.transaction() as connection:
            if self._is_damaged(connection, number, row):
                table = f"items_{name_of(number)}"
                wanted = [row]
                if is_gapless(connection, number):
                    ids: list[tuple[int]] = connection.execute(
                        f"SELECT id FROM {table}"  # noqa: S608
                    ).fetchall()  # type: ignore[assignment]
                    wanted = [each for (each,) in ids if self._is_damaged(connection, number, each)]
                for each in wanted:
                    connection.execute(f"DELETE FROM {table} WHERE id = ?", (each,))  # noqa: S608
                close_gaps(connection, number)
                self.access.committed(0)
        return True

    def _is_damaged(self, connection: apsw.Connection, number: int, row: int) -> bool:
        statement = f"SELECT {COLUMNS} FROM items_{name_of(number)} WHERE id = ?"  # noqa: S608
        found = connection.execute(statement, (row,)).fetchall()
        return any(fault_of(self.directory, number, each) for each in found)

    def gc(self, now: float, grace: float, *, dry_run: bool) -> tuple[int, int]:
        """Remove blobs that no row names, older than the grace; return their number and bytes."""
        if not os.path.exists(self.directory.index):
            return 0, 0
        with self.access.transaction() as connection:
            if not dry_run:
                self._large.collect(connection)
            sizes = self._large.orphans(connection, now - grace, dry_run=dry_run)
        return len(sizes), sum(sizes)

    def _collect(self) -> None:
        with self.access.transaction() as connection:
            self._large.collect(connection)
