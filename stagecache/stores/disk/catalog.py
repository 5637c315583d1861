"""What the index tells people: listings, sums, runs. Nothing here is on the path of a lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.stores.disk import rows
from stagecache.stores.disk.holds import IS_PART
from stagecache.stores.disk.index import UNREADABLE
from stagecache.stores.reports import StageStats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import apsw

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance, RunRecord
    from stagecache.stores.disk.index import Index

_PAGE = 200
"""Rows fetched at once: an open cursor would keep the log from being emptied."""
_ALL = f"id < :last AND NOT {IS_PART}"
_OF_STAGE_UNLISTED = "id > :listed AND id < :last AND stage = :stage"
_OF_STAGE = """id IN (
    SELECT id FROM listed WHERE stage = :stage AND id < :last ORDER BY id DESC LIMIT :size)"""
_RUNS = 1_000
"""Records of runs kept."""


def entries(
    index: Index, stage: str | None, limit: int | None
) -> Iterator[tuple[Entry, Provenance]]:
    """Yield entries, newest first; those that come or go meanwhile may be missed."""
    listed = 0 if stage is None else _listed(index)
    places = (_ALL,) if stage is None else (_OF_STAGE_UNLISTED, _OF_STAGE)
    left = -1 if limit is None else limit
    last = 1 << 62
    for where in places:
        statement = f"""SELECT id, provenance, key, {rows.COLUMNS} FROM entries
            WHERE {where} ORDER BY id DESC LIMIT :size"""  # noqa: S608 - constants
        size = found_size = 0
        while left and found_size == size:
            size = _PAGE if left < 0 else min(_PAGE, left)
            found = _page(
                index, statement, {"stage": stage, "listed": listed, "last": last, "size": size}
            )
            for number, provenance, key, *row in found:
                last = number
                try:
                    pair = rows.entry_of(key, tuple(row)), rows.provenance_of(key, provenance)
                except UNREADABLE:
                    continue  # `verify` tells of it
                yield pair
            found_size = len(found)
            left = left if left < 0 else left - found_size


def _page(index: Index, statement: str, bindings: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return rows that begin with their id; of one that is no text, nothing else."""
    try:
        return index.select(statement, bindings)
    except UnicodeDecodeError:
        found = []
        for (number,) in index.select(f"SELECT id FROM ({statement})", bindings):  # noqa: S608
            one = f"SELECT * FROM ({statement}) WHERE id = {number}"  # noqa: S608
            try:
                found += index.select(one, bindings)
            except UnicodeDecodeError:
                found.append((number, *[None] * 14))
        return found


def _listed(index: Index) -> int:
    """Return the id up to which `listed` has the rows of each stage."""
    found = index.select("SELECT value FROM meta WHERE name = 'listed'")
    return int(found[0][0]) if found else 0


def listed(index: Index, key: Key) -> tuple[Entry, Provenance] | None:
    """Return the entry under `key` with its provenance."""
    statement = f"SELECT provenance, {rows.COLUMNS} FROM entries WHERE key = ?"  # noqa: S608
    try:
        for provenance, *row in index.select(statement, (key,)):
            return rows.entry_of(key, tuple(row)), rows.provenance_of(key, provenance)
    except UNREADABLE:
        pass  # `verify` tells of it
    return None


def manifest(index: Index, code: Digest) -> CodeManifest | None:
    """Return what a code fingerprint was made of."""
    try:
        found = index.select("SELECT body FROM manifests WHERE code = ?", (code,))
        return rows.manifest_of(code, found[0][0]) if found else None
    except UNREADABLE:
        return None


def find(index: Index, prefix: str) -> list[Key]:
    """Return the keys that begin with the hexadecimal `prefix`."""
    if len(prefix) > 32 or set(prefix.lower()) - set("0123456789abcdef"):
        return []
    low, high = (bytes.fromhex(prefix.ljust(32, filler)) for filler in "0f")
    found = index.select(
        f"SELECT key FROM entries WHERE key BETWEEN ? AND ? AND NOT {IS_PART}",  # noqa: S608
        (low, high),
    )
    return [key for (key,) in found]


def stages(index: Index) -> list[StageStats]:
    """Return what is kept of each stage, by name."""
    statement = f"""SELECT stage, count(*), sum(size), coalesce(sum(count), 0),
        coalesce(sum(saved), 0.0), coalesce(max(last), 0.0)
        FROM entries LEFT JOIN uses USING (key)
        WHERE NOT {IS_PART} GROUP BY stage ORDER BY stage"""  # noqa: S608
    found = index.select(statement)
    return [StageStats(*row) for row in found]


def count(index: Index) -> int:
    """Return the number of entries that are no parts, from SQL indexes alone."""
    statement = (
        f"SELECT count(*) FROM entries UNION ALL SELECT -count(*) FROM entries WHERE {IS_PART}"  # noqa: S608
    )
    return sum(number for (number,) in index.select(statement))


def saved(index: Index) -> float:
    """Return the seconds that all uses saved."""
    found = index.select("SELECT value FROM meta WHERE name = 'saved'")
    return float(found[0][0]) if found else 0.0


def record_run(index: Index, run: RunRecord) -> None:
    """Keep the record of a run, and drop one that is too old."""

    def work(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO runs (body) VALUES (?)", (rows.run_text(run),))
        connection.execute(
            "DELETE FROM runs WHERE id <= ?", (connection.last_insert_rowid() - _RUNS,)
        )

    index.write(work)


def runs(index: Index, limit: int | None) -> list[RunRecord]:
    """Return the records of the last runs, newest first."""
    found = index.select(
        "SELECT body FROM runs ORDER BY id DESC LIMIT ?", (-1 if limit is None else limit,)
    )
    return [rows.run_of(body) for (body,) in found]


_MOST_FACTS = 4_096


def fact(index: Index, kind: str, key: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fact under `key`, with its key, if there is one."""
    return index.select("SELECT key, value FROM memo WHERE kind = ? AND key = ?", (kind, key))


def facts(index: Index, kind: str) -> list[tuple[bytes, bytes]]:
    """Return the facts of one kind that were remembered last, key and value."""
    statement = "SELECT key, value FROM memo WHERE kind = ? ORDER BY id DESC LIMIT ?"
    return [(key, value) for key, value in index.select(statement, (kind, _MOST_FACTS))]
