"""The rows of the index: lookups, commits, removals. Files of blobs are for the store to move.

A lookup is one SELECT, decodes nothing and writes nothing. Everything that is written goes into
one transaction with what has gathered meanwhile: counts of uses and remembered facts.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from stagecache.stores.disk import holds, rows
from stagecache.stores.disk.databases import BUSY
from stagecache.stores.disk.forgotten import bury
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.disk.connections import Connections
    from stagecache.stores.disk.pending import Pending
    from stagecache.stores.disk.trust import Trust

T = TypeVar("T")

_GET = f"""SELECT key, {rows.COLUMNS} FROM entries
    WHERE id = (SELECT id FROM entries WHERE key = ?)"""  # noqa: S608 - a constant
"""So the row is asked for its key, and not the list of keys that led to it: where a broken index
has mixed them up, the row is another result's."""
_INSERT = f"INSERT OR IGNORE INTO entries VALUES (NULL, {', '.join('?' * 15)})"  # noqa: S608
"""Of the key, COLUMNS and the provenance; SQLite's wrapper reads all of the text each time."""
_TOUCH = "UPDATE entries SET created = max(created, ?) WHERE key = ?"
_MANY = 500
"""Keys in one statement."""
_UNLISTED = 256
"""Rows, one after the other, that may be missing in the lists of their stages."""
_LIST = """INSERT INTO listed SELECT stage, id FROM entries
    WHERE id > (SELECT value FROM meta WHERE name = 'listed');
    UPDATE meta SET value = (SELECT coalesce(max(id), 0) FROM entries) WHERE name = 'listed'"""
_LOG_PATIENCE = 0.05
"""Seconds that emptying the log waits for readers."""


UNREADABLE = (ValueError, TypeError)
"""What a row raises that was damaged, or written by another version: it counts as absent."""


class Vanished(Exception):  # noqa: N818 - a signal between two files, not an error
    """The blob of an entry was collected before the entry was committed."""


class Incomplete(Exception):  # noqa: N818 - the same
    """A part of an entry is not here."""


class Index:
    """Rows under keys.

    Parameters
    ----------
    connections : Connections
        How the index is reached.
    trust : Trust
        Which of its entries may be handed out; the others count as absent, and give way.
    pending : Pending
        What has gathered to be written with the next commit.
    """

    def __init__(self, connections: Connections, trust: Trust, pending: Pending) -> None:
        self._connections = connections
        self._trust = trust
        self._session = connections.session
        self._pending = pending

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`."""
        session = self._session()
        with session.lock:
            execute = session.execute or self._connections.open(session)
            if execute is None:
                return None
            try:
                found = execute(_GET, (key,)).fetchall()
                if not found:
                    return None
                row = found[0]
                if row[0] != key:
                    raise apsw.CorruptError("a row lies under the key of another one")
                entry = rows.entry_of(key, row[1:])
            except UNREADABLE:
                return None
        return entry if self._trust.is_private or self._trust.admits(entry) else None

    def lying(self, key: Key) -> Entry | None:
        """Return the entry under `key` whoever may have written it: it is not to be handed out."""
        try:
            for found, *row in self.select(_GET, (key,)):
                return rows.entry_of(found, row)
        except UNREADABLE:
            pass
        return None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are."""
        entries: dict[Key, Entry] = {}
        for start in range(0, len(keys), _MANY):
            part = list(keys[start : start + _MANY])
            marks = ", ".join("?" * len(part))
            statement = f"""SELECT key, {rows.COLUMNS} FROM entries
                WHERE id IN (SELECT id FROM entries WHERE key IN ({marks}))"""  # noqa: S608
            try:
                for key, *row in self.select(statement, part):
                    entries[key] = rows.entry_of(key, row)
            except UNREADABLE:
                entries |= {key: entry for key in part if (entry := self.get(key)) is not None}
        if not self._trust.is_private:
            return {key: entry for key, entry in entries.items() if self._trust.admits(entry)}
        return entries

    def results(self, keys: Sequence[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of the results under those of `keys` that there are."""
        if not self._trust.is_private:
            return {key: entry.result for key, entry in self.get_many(keys).items()}
        found: dict[Key, Digest] = {}
        for start in range(0, len(keys), _MANY):
            part = list(keys[start : start + _MANY])
            marks = ", ".join("?" * len(part))
            statement = f"""SELECT key, result FROM entries
                WHERE id IN (SELECT id FROM entries WHERE key IN ({marks}))"""  # noqa: S608
            found.update(self.select(statement, part))
        return found

    def select(
        self, statement: str, bindings: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return all rows of a statement; none if there is no index."""
        return self._connections.select(statement, bindings)

    def version(self) -> int:
        """Return a number that changes with every removal and replacement, by whomever.

        ``PRAGMA data_version`` tells in 2 us whether anybody else committed; only then is the
        number itself read.
        """
        session = self._session()
        with session.lock:
            if not session.depth:
                self._connections.check(session)
            execute = session.execute or self._connections.open(session)
            if execute is None:
                return 0
            data_version = execute("PRAGMA data_version").fetchall()[0][0]
            if data_version != session.data_version:
                found = execute("SELECT value FROM meta WHERE name = 'version'").fetchall()
                if not found:
                    raise apsw.CorruptError("it has lost its version")
                session.version = found[0][0]
                session.data_version = data_version
            return session.version

    def is_reading(self) -> bool:
        """Tell whether this thread is inside a reading block."""
        return self._session().depth > 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let this thread's lookups in the block share one snapshot, if it can be had."""
        session = self._session()
        with session.lock:
            if not session.depth:
                self._connections.check(session)
                # What is wrong, the lookups find out for themselves.
                with suppress(OSError, apsw.Error):
                    execute = session.execute or self._connections.open(session)
                    if execute is not None:
                        execute("BEGIN")
            session.depth += 1
        try:
            yield
        finally:
            with session.lock:
                session.depth -= 1
                if not session.depth:
                    session.end_snapshot()

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Return what `work` returns, done in one transaction with all that is pending."""
        batch = None
        try:
            with self._connections.writing() as connection:
                result = work(connection)
                if self._pending:
                    batch = self._pending.take()
                    batch.write(connection)
        except BaseException:
            if batch is not None:
                self._pending.put_back(batch)
            raise
        return result

    def flush(self) -> None:
        """Write what is pending."""
        self.write(lambda _: None)

    def put(
        self,
        entry: Entry,
        provenance: Provenance,
        manifest: CodeManifest | None,
        has_blob: Callable[[apsw.Connection, Digest], bool],
        set_aside: Callable[[apsw.Connection, Digest], None],
    ) -> Entry:
        """Insert an entry unless one stands that is not older; return the one that stands.

        Parameters
        ----------
        entry, provenance, manifest
            As of :meth:`~stagecache.stores.base.Store.put`; the blob is written already.
        has_blob : callable
            Tells whether a blob is there, and notes it.
        set_aside : callable
            Takes a blob that no entry names any longer.

        Raises
        ------
        Vanished
            If the entry's blob is not there.
        Incomplete
            If one of its parts is not there.
        """
        values = (*rows.row_of(entry), rows.provenance_text(provenance))
        is_for_another = provenance.key != entry.key and entry.is_part
        if entry.blob is None and manifest is None and not is_for_another and not self._pending:
            number = self._connections.insert(_INSERT, values)
            if number:
                if number % _UNLISTED == 0:
                    self._list()
                return entry
        return self._put(
            entry, provenance, manifest, has_blob, set_aside, values, is_for_another=is_for_another
        )

    def _put(
        self,
        entry: Entry,
        provenance: Provenance,
        manifest: CodeManifest | None,
        has_blob: Callable[[apsw.Connection, Digest], bool],
        set_aside: Callable[[apsw.Connection, Digest], None],
        values: tuple[Any, ...],
        *,
        is_for_another: bool,
    ) -> Entry:
        """Do what one statement does not: apart from it, as all that `work` uses takes time."""

        def work(connection: apsw.Connection) -> Entry:
            if entry.blob is not None and not has_blob(connection, entry.blob):
                raise Vanished
            if entry.parts and not holds.are_there(connection, entry.parts):
                raise Incomplete
            if is_for_another:
                holds.hold(connection, provenance.key, (entry.key,))
            if manifest is not None:
                connection.execute(
                    "INSERT OR IGNORE INTO manifests VALUES (?, ?)",
                    (manifest.digest, rows.manifest_text(manifest)),
                )
            connection.execute(_INSERT, values)
            if connection.changes():
                if entry.parts:
                    holds.hold(connection, entry.key, entry.parts)
                if connection.last_insert_rowid() % _UNLISTED == 0:
                    connection.execute(_LIST)
                return entry
            if is_for_another:  # it counts as of now: see `holds.collect`
                connection.execute(_TOUCH, (entry.created, entry.key))
            # A row that cannot be read gives way.
            standing = self.get(entry.key) or entry._replace(
                generation=-1, blob=None, created=float("-inf")
            )
            if entry.generation <= standing.generation and not _is_better(entry, standing):
                winner, loser = standing, entry
            else:
                winner, loser = entry, standing
                connection.execute("DELETE FROM entries WHERE key = ?", (entry.key,))
                connection.execute(_INSERT, values)
                self.raise_version(connection)
                if (
                    standing.created < entry.created
                ):  # else it is the same that comes with its value
                    bury(self._connections.directory.forgotten, [entry.key], standing.created)
                for blob in holds.settle(connection, entry.key, entry.parts):
                    set_aside(connection, blob)
            if loser.blob is not None and not holds.is_named(connection, loser.blob):
                set_aside(connection, loser.blob)
            return winner

        return self.write(work)

    def lacks_parts(self, entry: Entry) -> bool:
        """Tell whether a part of the entry is not here."""
        parts = list(set(entry.parts))
        return len(self.get_many(parts)) < len(parts)

    def remove(
        self,
        keys: Sequence[Key],
        now: float,
        delete_blob: Callable[[apsw.Connection, Digest], None],
    ) -> int:
        """Delete rows, and the parts and blobs that no other row holds or names."""

        def work(connection: apsw.Connection, part: Sequence[Key]) -> int:
            blobs: set[Digest] = set()
            gone = []
            until = now
            for key in part:
                statement = "DELETE FROM entries WHERE key = ? RETURNING blob, created"
                rows_gone: list[tuple[Digest | None, float]] = connection.execute(
                    statement, (key,)
                ).fetchall()  # type: ignore[assignment]
                for blob, created in rows_gone:
                    gone.append(key)
                    until = max(until, created)
                    if blob is not None:
                        blobs.add(blob)
                connection.execute("DELETE FROM uses WHERE key = ?", (key,))
            released = holds.release(connection, part)
            if gone:
                bury(self._connections.directory.forgotten, gone, until)
            if gone or released:
                self.raise_version(connection)
            for blob in blobs.union(released):
                if not holds.is_named(connection, blob):
                    delete_blob(connection, blob)
            return len(gone)

        removed = 0
        for start in range(0, len(keys), _MANY):
            removed += self.write(partial(work, part=keys[start : start + _MANY]))
        return removed

    def drop(self, entry: Entry, is_still_bad: Callable[[apsw.Connection], bool]) -> None:
        """Delete the row of an entry whose value turned out to be missing or damaged.

        Parameters
        ----------
        entry : Entry
            Its row goes only if it has the same blob and generation.
        is_still_bad : callable
            Looks at the value again, and moves what is damaged out of the way; others may have
            published it anew meanwhile.
        """

        def work(connection: apsw.Connection) -> None:
            if not is_still_bad(connection):
                return
            connection.execute(
                "DELETE FROM entries WHERE key = ? AND blob IS ? AND generation = ?",
                (entry.key, entry.blob, entry.generation),
            )
            if connection.changes():
                self.raise_version(connection)

        self.write(work)

    def _list(self) -> None:
        with suppress(OSError, apsw.Error):  # the result is kept; whoever comes next lists more
            self.write(lambda connection: connection.execute(_LIST))

    def empty_log(self) -> None:
        """Move the log into the index, unless somebody still reads what is older."""
        session = self._session()
        with session.lock:
            if session.depth or session.connection is None:
                return
            session.let_go()
            wait_in_turn(session.connection, _LOG_PATIENCE)
            try:
                session.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                pass
            finally:
                wait_in_turn(session.connection, BUSY)

    def raise_version(self, connection: apsw.Connection) -> None:
        """Let others forget the entries that they remember, with this transaction."""
        connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'version'")
        # A commit of one's own does not change one's data_version: let it be read again.
        self._session().data_version = -1


def insert(connection: apsw.Connection, found: Iterable[tuple[Entry, Provenance]]) -> None:
    """Insert entries into an index that is being made."""
    connection.executemany(
        _INSERT,
        ((*rows.row_of(entry), rows.provenance_text(provenance)) for entry, provenance in found),
    )
    connection.execute(_LIST)


def _is_better(entry: Entry, standing: Entry) -> bool:
    """Tell whether an entry replaces one that is as new.

    It brings the very value that the other has lost, or it is ours, and the other a stranger's.
    """
    if entry.generation != standing.generation:
        return False
    restores = not standing.has_value and entry.result == standing.result
    return restores or (standing.is_foreign and not entry.is_foreign and entry.has_value)
