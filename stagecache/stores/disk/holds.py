"""Which entries hold which parts: and so when a part may go.

A part is an entry of no stage, kept for the sake of the entries that hold it: it goes with the
last of them. While a result is being made, its parts are held by a key that has no entry yet; of
a writer that was killed, that is what remains. Files are for the store to move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

    from stagecache.model import Digest, Key

IS_PART = "stage = ''"
"""Of a row of ``entries``, in SQL."""

BEREFT = """SELECT DISTINCT holder FROM holds
    WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = part)"""
"""The keys that hold a part which is not there."""

_STALE = """SELECT DISTINCT holder FROM holds AS held
    WHERE NOT EXISTS (SELECT 1 FROM entries WHERE key = held.holder)
    AND NOT EXISTS (SELECT 1 FROM holds AS other JOIN entries ON key = other.part
        WHERE other.holder = held.holder AND created > ?)"""
_UNHELD = f"""SELECT key FROM entries
    WHERE {IS_PART} AND created <= ? AND NOT EXISTS (SELECT 1 FROM holds WHERE part = key)"""  # noqa: S608
_DELETE = f"DELETE FROM entries WHERE key = ? AND {IS_PART} RETURNING blob"  # noqa: S608


def hold(connection: apsw.Connection, holder: Key, parts: Iterable[Key]) -> None:
    """Let `holder` hold `parts` beside those that it holds already."""
    connection.executemany(
        "INSERT OR IGNORE INTO holds VALUES (?, ?)", [(part, holder) for part in parts]
    )


def are_there(connection: apsw.Connection, parts: Iterable[Key]) -> bool:
    """Tell whether there is a row for each of `parts`."""
    statement = "SELECT 1 FROM entries WHERE key = ?"
    return all(connection.execute(statement, (part,)).fetchall() for part in set(parts))


def is_held(connection: apsw.Connection, key: Key) -> bool:
    """Tell whether some entry, or somebody at work on one, holds the part under `key`."""
    return bool(connection.execute("SELECT 1 FROM holds WHERE part = ? LIMIT 1", (key,)).fetchall())


def settle(connection: apsw.Connection, holder: Key, parts: Iterable[Key]) -> list[Digest]:
    """Let `holder` hold `parts` and nothing else; return the blobs that no row names any longer."""
    wanted = set(parts)
    before = set(_column(connection, "SELECT part FROM holds WHERE holder = ?", holder))
    hold(connection, holder, wanted - before)
    lost = before - wanted
    connection.executemany(
        "DELETE FROM holds WHERE part = ? AND holder = ?", [(part, holder) for part in lost]
    )
    return _drop_unheld(connection, lost)


def release(connection: apsw.Connection, holders: Iterable[Key]) -> list[Digest]:
    """Let `holders` hold nothing; return the blobs that no row names any longer.

    Parameters
    ----------
    connection : apsw.Connection
        In a write transaction, in which the rows of `holders` go as well or lose their values.
    holders : iterable of Key
        Those that hold nothing do no harm.

    Returns
    -------
    list of Digest
        To be unlinked before the transaction ends.
    """
    return [blob for holder in holders for blob in settle(connection, holder, ())]


def collect(connection: apsw.Connection, before: float) -> list[Digest]:
    """Drop parts from `before` (seconds since the epoch) that nobody holds; return their blobs.

    A writer that is at work holds them by a key without an entry. It is taken to be dead once
    its newest part is from before that time.
    """
    blobs = release(connection, _column(connection, _STALE, before))
    return blobs + _drop_unheld(connection, _column(connection, _UNHELD, before))


def is_named(connection: apsw.Connection, blob: Digest) -> bool:
    """Tell whether a row names `blob`."""
    statement = "SELECT 1 FROM entries WHERE blob = ? LIMIT 1"
    return bool(connection.execute(statement, (blob,)).fetchall())


def _drop_unheld(connection: apsw.Connection, parts: Iterable[Key]) -> list[Digest]:
    """Delete the rows of those of `parts` that nobody holds, and of what only they held."""
    waiting = list(parts)
    blobs: set[Digest] = set()
    while waiting:
        part = waiting.pop()
        if is_held(connection, part):
            continue
        blobs.update(filter(None, _column(connection, _DELETE, part)))
        waiting += _column(connection, "DELETE FROM holds WHERE holder = ? RETURNING part", part)
    return [blob for blob in blobs if not is_named(connection, blob)]


def _column(connection: apsw.Connection, statement: str, binding: bytes | float) -> list[Any]:
    return [value for (value,) in connection.execute(statement, (binding,)).fetchall()]
