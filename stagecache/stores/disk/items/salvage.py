"""Reads what can be read of a broken file of collections; the file itself is not touched."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from stagecache.stores.disk.databases import stamp
from stagecache.stores.disk.items import schema
from stagecache.stores.disk.items.gaps import close_gaps
from stagecache.stores.disk.items.rows import COLUMNS, is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.items.place import ItemsDirectory

_PAGE = 200
_GAP = 50_000
"""Ids one after the other without a row that can be read, after which others are looked for."""
_SAME = ((0, 18), (20, 24), (44, 48), (56, 60), (68, 72))
"""What the first bytes of all files have in common: https://sqlite.org/fileformat.html, 1.3."""
_ERRORS = (apsw.Error, UnicodeDecodeError)


class Saved(NamedTuple):
    """What was read of a collection."""

    name: str
    saved: int
    damaged: int
    """Items that were found, but not as they were written."""
    missing: int
    """Keys of which no item was found; others may be gone with their keys."""

    def __str__(self) -> str:
        lost = self.damaged + self.missing
        return f"{self.name!r}: {self.saved} items saved, {lost or 'none'} known to be lost"


def salvage(path: str, fresh: apsw.Connection, directory: ItemsDirectory) -> list[Saved]:
    """Copy what can be read of the file at `path` into `fresh`, which has the common tables.

    Raises
    ------
    OSError
        If there is no room for a copy to read from.
    """
    copy = os.path.join(directory.temporary, f"{os.getpid()}-{os.urandom(8).hex()}")
    try:
        shutil.copyfile(path, copy)
        if os.path.exists(f"{path}-wal"):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        _put_header(copy)
        source = apsw.Connection(copy)
        try:
            # So SQLite opens what is shorter than it should be.
            source.execute("PRAGMA writable_schema=ON")
            return [_collection(source, fresh, row) for row in _collections(source)]
        finally:
            source.close()
    except _ERRORS:
        return []
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(copy + suffix)


def _put_header(path: str) -> None:
    """Give a file whose first bytes are gone those of any other one."""
    with open(path, "r+b") as stream:
        found = stream.read(100)
        if os.path.getsize(path) < 4096:
            return
        model = f"{path}-model"
        connection = apsw.Connection(model)
        try:
            connection.execute(schema.TABLES)
            stamp(connection, (schema.APPLICATION, schema.VERSION))
        finally:
            connection.close()
        with open(model, "rb") as whole:
            header = bytearray(whole.read(100))
        os.unlink(model)
        if all(found[start:end] == header[start:end] for start, end in _SAME):
            return
        header[28:32] = (os.path.getsize(path) // 4096).to_bytes(4)
        stream.seek(0)
        stream.write(header)


def _collections(source: apsw.Connection) -> list[tuple[Any, ...]]:
    """Return number, name, kind, settings, created and whether counted."""
    statement = "SELECT number, name, kind, settings, created, count IS NOT NULL FROM collections"
    with suppress(*_ERRORS):
        return source.execute(statement).fetchall()
    return []


def _collection(source: apsw.Connection, fresh: apsw.Connection, row: tuple[Any, ...]) -> Saved:
    number, name, kind, settings, created, counted = row
    table = f"items_{schema.name_of(number)}"
    fresh.execute("BEGIN")
    fresh.execute(
        "INSERT INTO collections VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, name, kind, settings, created, *((0, 0) if counted else (None, None))),
    )
    fresh.execute(schema.items_table(number, counted=counted))
    marks = ", ".join("?" * (1 + len(COLUMNS.split(","))))
    saved = damaged = 0
    for found in _rows(source, table):
        try:
            if not is_sealed(number, found[1:]):
                damaged += 1
                continue
            fresh.execute(f"INSERT INTO {table} VALUES ({marks})", found)  # noqa: S608
            saved += 1
        except (*_ERRORS, ValueError, TypeError):
            damaged += 1
    close_gaps(fresh, number)
    fresh.execute("COMMIT")
    keys = 0
    with suppress(*_ERRORS):
        keys = source.execute(
            f"SELECT count(*) FROM {table} INDEXED BY {table}_key WHERE key IS NOT NULL"  # noqa: S608
        ).get
    return Saved(name, saved, damaged, max(0, keys - saved - damaged))


def _rows(source: apsw.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that can be read, by their ids: from both ends, then one by one between."""
    columns = f"SELECT id, {COLUMNS} FROM {table}"  # noqa: S608
    page: list[tuple[Any, ...]]
    low, high = -(1 << 63), (1 << 63) - 1
    while True:
        try:
            page = source.execute(
                f"{columns} WHERE id > ? ORDER BY id LIMIT {_PAGE}", (low,)
            ).fetchall()
        except _ERRORS:
            break
        yield from page
        if len(page) < _PAGE:
            return
        low = page[-1][0]
    last: list[tuple[Any, ...]] = []
    while True:
        try:
            page = source.execute(
                f"{columns} WHERE id > ? AND id < ? ORDER BY id DESC LIMIT {_PAGE}", (low, high)
            ).fetchall()
        except _ERRORS:
            break
        last += page
        if len(page) < _PAGE:
            break
        high = page[-1][0]
    yield from _between(source, columns, low, high)
    yield from reversed(last)


def _between(
    source: apsw.Connection, columns: str, low: int, high: int
) -> Iterator[tuple[Any, ...]]:
    if high == (1 << 63) - 1 or low == -(1 << 63):
        ends = _ends(source, columns)
        low, high = max(low, ends[0] - 1), min(high, ends[1] + 1)
    last = low
    number = low + 1
    while number < high:
        with suppress(*_ERRORS):
            for row in source.execute(f"{columns} WHERE id = ?", (number,)).fetchall():
                last = number
                yield row
        number += 1
        if number - last > _GAP:
            found = _next(source, columns.rpartition(" ")[2], number)
            if found is None:
                return
            last, number = found - 1, found


def _next(source: apsw.Connection, table: str, number: int) -> int | None:
    """Return an id that can be read after a gap: those of a queue lie in parts far apart."""
    for power in range(63):
        with suppress(*_ERRORS):
            statement = f"SELECT min(id) FROM {table} WHERE id >= ?"  # noqa: S608
            found: int | None = source.execute(statement, (number + (1 << power),)).get
            return found
    return None


def _ends(source: apsw.Connection, columns: str) -> tuple[int, int]:
    """Return the least and the greatest id that can be found out."""
    table = columns.rpartition(" ")[2]
    ends = []
    for wanted, otherwise in (("min(id)", 0), ("max(id)", _GAP)):
        for clause in ("", f" INDEXED BY {table}_key WHERE key IS NOT NULL"):
            with suppress(*_ERRORS):
                found = source.execute(f"SELECT {wanted} FROM {table}{clause}").get  # noqa: S608
                if found is not None:
                    ends.append(found)
                    break
        else:
            ends.append(otherwise)
    return ends[0], ends[1]
