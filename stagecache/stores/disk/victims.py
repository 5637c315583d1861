"""Chooses the values that are worth least and takes them from their rows, which stay.

How much is to be taken is for `evict` to say. The choice is made from short reads; what was chosen
is judged again in the transaction that takes it, so what was used meanwhile stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.stores.disk import holds
from stagecache.stores.policies import OVERHEAD, Held, as_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from stagecache.model import Digest, Key
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index
    from stagecache.stores.policies import Worth

_PAGE = 5_000
"""Rows judged by one statement: an open cursor would keep the log from being emptied."""
_MOST_CHOSEN = 50_000

_HELD = """SELECT entries.id, key, stage, size, seconds, coalesce(count, 0), coalesce(last, 0.0),
    created, blob FROM entries LEFT JOIN uses USING (key)"""
_NEXT = f"""{_HELD} WHERE (inline IS NOT NULL OR blob IS NOT NULL) AND NOT {holds.IS_PART}
    AND entries.id > ?
    ORDER BY entries.id LIMIT {_PAGE}"""
_OF_BLOB = f"{_HELD} WHERE blob = ?"
_OF_ROW = f"{_HELD} WHERE entries.id = ? AND inline IS NOT NULL"
_BARE = "FROM entries WHERE inline IS NULL AND blob IS NULL"


class Victim(NamedTuple):
    """A value that may give way."""

    worth: tuple[float, float]
    size: int
    id: int
    blob: Digest | None
    stage: str


class Taken(NamedTuple):
    """What gave way, of one stage."""

    stage: str
    values: int
    bytes: int


class Victims:
    """One choice of values, and their taking.

    Parameters
    ----------
    index : Index
        Whose rows.
    files : Files
        Moves what is taken.
    worth : callable
        One of :data:`~stagecache.stores.policies.POLICIES`.
    now : float
        When it is judged, in seconds since the epoch.
    spared : Key or None
        Whose value is not taken.
    """

    def __init__(
        self, index: Index, files: Files, worth: Worth, now: float, spared: Key | None
    ) -> None:
        self._index = index
        self._files = files
        self._worth = worth
        self._now = now
        self._spared = spared
        self._known: dict[Digest | int, tuple[float, float]] = {}
        """What values turned out to be worth, by blob or row, all rows that name them together."""
        self._exempt: set[Digest | int] = set()
        self._chosen: list[Victim] = []
        self._next = 0

    def choose(self, need: int) -> bool:
        """Choose what is worth least, `need` bytes and half as much again; tell if there is any."""
        chosen: list[Victim] = []
        for row in self._rows():
            number, key, stage, size, *_, blob = row
            name = blob or number
            if key != self._spared and name not in self._exempt:
                worth = self._known.get(name) or self._worth_of([row])
                chosen.append(Victim(worth, size, number, blob, stage))
            if len(chosen) > _MOST_CHOSEN:
                chosen = _least(chosen, need)
        self._chosen, self._next = _least(chosen, need), 0
        return bool(self._chosen)

    def rehearse(self, need: int) -> list[Taken]:
        """Return what would be taken, about."""
        self.choose(need)
        sums: dict[str, Taken] = {}
        seen: set[Digest] = set()
        for victim in self._chosen:
            if need <= 0:
                break
            if victim.blob is None or victim.blob not in seen:
                _add(sums, victim.stage, victim.size)
                need -= victim.size + OVERHEAD
            if victim.blob is not None:
                seen.add(victim.blob)
        return list(sums.values())

    def take(self, connection: apsw.Connection, need: int, most: int) -> list[Taken] | None:
        """Take the next values, inside a write transaction.

        Parameters
        ----------
        connection : apsw.Connection
            Of the transaction.
        need : int
            Bytes, about: enough is when these are free.
        most : int
            Values.

        Returns
        -------
        list of Taken or None
            None if no more are chosen.
        """
        if self._next >= len(self._chosen):
            return None
        last = self._chosen[-1].worth
        sums: dict[str, Taken] = {}
        is_outdated = False
        while self._next < len(self._chosen) and most > 0 and need > 0:
            victim = self._chosen[self._next]
            self._next += 1
            most -= 1
            rows = self._naming(connection, victim)
            if not rows:
                continue
            if any(key == self._spared or not stage for _, key, stage, *_ in rows):
                self._exempt.add(victim.blob or victim.id)  # or a part of another value as well
                continue
            worth = self._worth_of(rows)
            if worth > last:
                self._known[victim.blob or victim.id] = worth
                continue
            if victim.blob is None:
                connection.execute("UPDATE entries SET inline = NULL WHERE id = ?", (victim.id,))
            else:
                connection.execute("UPDATE entries SET blob = NULL WHERE blob = ?", (victim.blob,))
                self._files.set_aside(connection, victim.blob)
                for blob in holds.release(connection, [key for _, key, *_ in rows]):
                    self._files.set_aside(connection, blob)
                is_outdated = True
            need -= victim.size + OVERHEAD
            _add(sums, victim.stage, victim.size)
        if is_outdated:  # a copy in memory of an inline value has it still, one of a blob does not
            self._index.raise_version(connection)
        return list(sums.values())

    def _worth_of(self, rows: list[tuple[Any, ...]]) -> tuple[float, float]:
        return self._worth(as_of(_held(rows), self._now), self._now)

    def _naming(self, connection: apsw.Connection, victim: Victim) -> list[tuple[Any, ...]]:
        """Return the rows that have the victim's value now: of a blob all that name it."""
        if victim.blob is None:
            return connection.execute(_OF_ROW, (victim.id,)).fetchall()
        return connection.execute(_OF_BLOB, (victim.blob,)).fetchall()

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        last = 0
        while rows := self._index.select(_NEXT, (last,)):
            yield from rows
            last = rows[-1][0]


def count_bare(connection: apsw.Connection) -> int:
    """Return how many rows have no value."""
    ((count,),) = connection.execute(f"SELECT count(*) {_BARE}").fetchall()
    return int(count)  # type: ignore[arg-type]


def drop_bare(connection: apsw.Connection, number: int) -> None:
    """Delete the oldest rows without a value."""
    keys = connection.execute(f"SELECT key {_BARE} ORDER BY created LIMIT ?", (number,)).fetchall()
    connection.executemany("DELETE FROM entries WHERE key = ?", keys)
    connection.executemany("DELETE FROM uses WHERE key = ?", keys)


def drop_facts(connection: apsw.Connection, most: int) -> None:
    """Delete the oldest of the facts that are remembered beside results, but for so many."""
    ((count,),) = connection.execute("SELECT count(*) FROM memo").fetchall()
    if int(count) > most:  # type: ignore[arg-type]
        statement = "DELETE FROM memo WHERE id IN (SELECT id FROM memo ORDER BY id LIMIT ?)"
        connection.execute(statement, (int(count) - most * 3 // 4,))  # type: ignore[arg-type]


def drop_notes(connection: apsw.Connection) -> bool:
    """Drop the older half of all notes, and those of nothing; return whether there were any."""
    before = connection.total_changes()
    connection.execute("DELETE FROM memo WHERE id <= (SELECT (max(id) + min(id)) / 2 FROM memo)")
    connection.execute("DELETE FROM runs WHERE id <= (SELECT (max(id) + min(id)) / 2 FROM runs)")
    connection.execute("DELETE FROM manifests WHERE code NOT IN (SELECT code FROM entries)")
    connection.execute("DELETE FROM uses WHERE key NOT IN (SELECT key FROM entries)")
    return connection.total_changes() > before


def _add(sums: dict[str, Taken], stage: str, size: int) -> None:
    known = sums.get(stage, Taken(stage, 0, 0))
    sums[stage] = Taken(stage, known.values + 1, known.bytes + size)


def _least(chosen: list[Victim], need: int) -> list[Victim]:
    """Return the least of them, half as much again as is needed."""
    chosen.sort()
    wanted = need * 1.5
    for position, victim in enumerate(chosen):
        wanted -= victim.size + OVERHEAD
        if wanted <= 0:
            return chosen[: position + 1]
    return chosen


def _held(rows: list[tuple[Any, ...]]) -> Held:
    """Return what is known of a value that these rows name."""
    _, _, _, size, seconds, uses, last, created, _ = rows[0]
    for _, _, _, _, more_seconds, more_uses, later, earlier, _ in rows[1:]:
        seconds, uses = max(seconds, more_seconds), uses + more_uses
        last, created = max(last, later), min(created, earlier)
    return Held(size, seconds, uses, last, created)
