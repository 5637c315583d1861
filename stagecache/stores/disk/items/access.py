"""How the items of a directory are read and written: statements, and transactions of threads.

A transaction is of one thread. Inside of one, another one is a part of it that can be undone
alone. Other threads and processes see what it did when all of it is committed; those that want to
write wait for it, threads in the order in which they came.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from stagecache.errors import StoreError
from stagecache.stores.disk.databases import CORRUPT, lacks_log
from stagecache.stores.disk.guard import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stagecache.stores.disk.connections import Connections
    from stagecache.stores.disk.guard import Guard
    from stagecache.stores.disk.items.versions import Versions

T = TypeVar("T")

_FREE = "SELECT 1 FROM blobs WHERE holders < 1 LIMIT 1"


class Access:
    """Statements on one file.

    Every method raises :class:`~stagecache.errors.StoreError` if the file cannot be used: other
    than a result, an item that is not kept is lost.

    Parameters
    ----------
    connections : Connections
        How the file is reached.
    guard : Guard
        What is done about trouble.
    versions : Versions
        Told of what was committed.
    collect : callable
        Called after a commit that let blobs go, outside of it.
    """

    def __init__(
        self,
        connections: Connections,
        guard: Guard,
        versions: Versions,
        collect: Callable[[], None],
    ) -> None:
        self._connections = connections
        self._guard = guard
        self._versions = versions
        self._collect = collect
        self._is_collecting = False
        self.quick = connections.select
        """As :meth:`select`, but raises what SQLite and the system raise."""
        self.glance = connections.glance
        """As `quick`, perhaps as of this thread's last commit: in half of the time amid a burst of
        them, for what the statement that follows asks again."""
        self.change = connections.change
        """Runs a statement that writes, outside of any transaction, where no trigger changes
        anything; raises what SQLite and the system raise. Returns how many rows it changed."""
        self.is_in_burst = connections.is_in_burst
        """Whether this thread commits again and again, and nobody else did of late."""
        self._mine = threading.local()
        self.under_way = 0
        """Threads that are inside of a transaction."""

    @property
    def connection(self) -> apsw.Connection | None:
        """The connection of this thread if it is inside of a transaction."""
        found: apsw.Connection | None = getattr(self._mine, "connection", None)
        return found

    @property
    def is_busy(self) -> bool:
        """Whether this thread is inside of a transaction, and so sees what others do not."""
        return self.under_way > 0 and self.connection is not None

    def select(
        self, statement: str, bindings: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a statement, none if there is no file; with what this thread wrote."""
        try:
            return self._connections.select(statement, bindings)
        except TROUBLES as error:
            with self._guard.trouble("read items"):
                self._mend(error)
                return self._connections.select(statement, bindings)

    def run(
        self, statement: str, bindings: Sequence[Any], *, counted: bool = False
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """Run one statement that writes, of its own or in the transaction.

        Parameters
        ----------
        statement, bindings
            What to run.
        counted : bool, optional
            Whether a trigger counts each row that changes.

        Returns
        -------
        tuple
            How many rows it changed, and what it gives by RETURNING.

        Raises
        ------
        StoreError
            If it cannot be committed.
        """
        inside = self.connection if self.under_way else None
        if inside is not None:
            with self._guard.trouble("keep items"):
                rows = inside.execute(statement, bindings).fetchall()
                return inside.changes(), rows
        try:
            changed, with_triggers, rows, _ = self._connections.run(statement, bindings)
        except TROUBLES as error:
            with self._guard.trouble("keep items"):
                self._mend(error)
                changed, with_triggers, rows, _ = self._connections.run(statement, bindings)
        if with_triggers > changed * (1 + counted):
            self._tidy()
        return changed, rows

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """Let what this thread reads and writes in the block be one: all of it, or nothing.

        An exception undoes it, and is raised. Nested: undoes the inner block only.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache.stores.disk import DiskStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = DiskStore(folder + "/cache")
        ...     with store.items.access.transaction() as connection:
        ...         connection.execute("SELECT count(*) FROM collections").get
        ...     store.close()
        0
        """
        inside = self.connection
        if inside is not None:
            with inside:  # a savepoint
                yield inside
            return
        is_callers = freed = False
        changed: set[int] = set()
        afterwards: set[Callable[[], object]] = set()
        try:
            self._guard.repeat(self._connections.ensure)
            with self._connections.writing() as connection:
                self._mine.connection = connection
                self.under_way += 1
                self._mine.changed = changed
                self._mine.afterwards = afterwards
                try:
                    is_callers = True
                    yield connection
                    is_callers = False
                    freed = connection.execute(_FREE).get is not None
                finally:
                    self._mine.connection = None
                    self.under_way -= 1
        except (StoreError, *TROUBLES) as error:
            cause = error.__cause__ if isinstance(error, StoreError) else error
            if isinstance(cause, Exception) and (isinstance(cause, CORRUPT) or lacks_log(cause)):
                with suppress(*TROUBLES):  # undone it is; whoever tries again finds it mended
                    self._guard.mend(cause)
            if isinstance(error, StoreError) or (is_callers and not isinstance(error, apsw.Error)):
                raise
            with self._guard.trouble("keep items"):
                raise
        finally:
            # After the commit; of what was undone as well, which does no harm.
            for position in changed:
                self._versions.note(position)
            for work in afterwards:
                work()
        if freed:
            self._tidy()

    def renew(self) -> None:
        """Open the file anew: it is another one by now."""
        self._connections.close()

    def committed(self, position: int) -> None:
        """Tell who remembers values of a change, now or when this thread's transaction ends."""
        if not self.under_way or self.connection is None:
            self._versions.note(position)
        else:
            self._mine.changed.add(position)

    def afterwards(self, work: Callable[[], object]) -> None:
        """Call `work` now, or once when this thread's transaction has been committed or undone."""
        if not self.under_way or self.connection is None:
            work()
        else:
            self._mine.afterwards.add(work)

    def guarded(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, which deals with files beside the rows.

        Raises
        ------
        FileNotFoundError
            As it is: somebody replaced what it looked for.
        StoreError
            If the file system refuses otherwise.
        """
        try:
            return work()
        except FileNotFoundError:
            raise
        except OSError as error:
            with self._guard.trouble("keep or read a large value"):
                raise error from None
            raise

    def _tidy(self) -> None:
        """Let blobs go that nobody names; whoever comes next does it if this fails."""
        if not self._is_collecting:
            self._is_collecting = True
            try:
                with suppress(StoreError):
                    if self.select(_FREE):  # a blob that was taken over changes rows as well
                        self._collect()
            finally:
                self._is_collecting = False

    def _mend(self, error: Exception) -> None:
        """Repair what raised `error`, unless a transaction would be undone by that."""
        if self.connection is not None:
            raise error
        self._guard.mend(error)
