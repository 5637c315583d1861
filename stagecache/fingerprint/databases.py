"""Takes what databases hold in memory apart: tables, views and variables that no file stands for.

What is asked here goes through a cursor, so that what somebody is about to fetch stays as it is.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from stagecache.fingerprint.files import fingerprint_contents
from stagecache.fingerprint.handles import held, of_files
from stagecache.fingerprint.names import shown
from stagecache.fingerprint.parts import Parts, Refused, digest_of, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_REMEDY = "Open it in the stage, or pass its path as `File`."
_OBJECTS = """
select 'table', database_name, schema_name, table_name, sql from duckdb_tables() where not internal
union all
select 'view', database_name, schema_name, view_name, sql from duckdb_views() where not internal
union all
select 'variable', '', '', name, value from duckdb_variables()
order by all
"""
_LIST = "PRAGMA database_list"
_OF_PYTHON = re.compile(r"__duckdb_source_|(?:pandas|arrow|python_map)_scan\(", re.IGNORECASE)
"""What a view or a relation is of that somebody registered: an object of this process."""
_MADE_UP = re.compile(r"\w+_[0-9a-f]{16}\b")
"""Names that are other ones in each process."""
_temporary: WeakKeyDictionary[Any, list[bytes]] = WeakKeyDictionary()
"""By the connection: what was found in it that no other one sees."""
_QUOTED = re.compile(r"'((?:[^']|'')+)'")
_FROM = re.compile(r"\b(?:from|join)\s+(\S+)", re.IGNORECASE)
_OF_FILES = re.compile(r"\(|'|read_\w+\(|\w+_scan\(|\"?__duckdb_s\d+\"?")


def in_memory(value: Any) -> Any:
    """Return what a connection or a context of SQL holds, if any is in memory; None: nothing.

    Raises
    ------
    Refused
        If it cannot be asked here.

    Examples
    --------
    >>> import sqlite3
    >>> con = sqlite3.connect(":memory:")
    >>> empty = in_memory(con)
    >>> _ = con.execute("create table t (a)")
    >>> in_memory(con) == empty
    False
    >>> con.close()
    """
    names = {base.__name__ for base in type(value).__mro__}
    return next(take for name, take in _IN_MEMORY.items() if name in names)(value)


def factories_of(value: Any) -> list[Any]:
    """Return what a connection of ``sqlite3`` makes rows and texts with, if it was told that."""
    con = getattr(value, "connection", value)
    made = getattr(con, "row_factory", None), getattr(con, "text_factory", str)
    return [] if made == (None, str) else [*made]


def _in_sqlite(con: Any) -> bytes | None:
    """Return what a connection of ``sqlite3`` holds, if any of that is in memory; None: it is not.

    Raises
    ------
    Refused
        If it cannot be asked here.
    """
    try:
        listed = _listed_by_sqlite(con)
        held = [framed(name, _pages(con, name)) for name, file in listed if not file]
    except Exception as error:
        raise Refused(f"{shown(type(con))}: {error}", _REMEDY) from error
    return framed(*held, *map(fingerprint_contents, _files(listed, "-wal"))) if any(held) else None


def _in_duckdb(con: Any) -> bytes | None:
    """Return what a connection of DuckDB holds, if any of that is in memory; None: it is not.

    Macros, and functions of Python that were registered, are not seen.

    Raises
    ------
    Refused
        If it cannot be asked here.
    """
    try:
        listed = _listed_by_duckdb(con)
        in_files = {name for name, file in listed if file}
        held = _held_by_duckdb(con, in_files)
    except Exception as error:
        raise Refused(f"{shown(type(con))}: {error}", _REMEDY) from error
    if not held and len(in_files) == len(listed):
        return None
    return framed(*held, *map(fingerprint_contents, _files(listed, ".wal")))


def _in_polars(context: Any) -> dict[str, Any]:
    """Return the frames that were registered with a context of polars' SQL, by name."""
    return {
        name: context.execute(f"from {_quoted(name)}", eager=False) for name in context.tables()
    }


def _held_by_duckdb(con: Any, in_files: set[str]) -> list[bytes]:
    """Return what a connection has, but for what is in files: what is temporary comes last.

    While somebody has still to fetch, that is taken as it was before: nobody can change it then.
    """
    asked = con
    try:
        found = con.sql(_OBJECTS).fetchall()
    except Exception:  # noqa: BLE001 - somebody has still to fetch
        asked = con.cursor()
        found = asked.sql(_OBJECTS).fetchall()
    held = [_object(asked, *row) for row in found if row[1] not in (*in_files, "temp")]
    if asked is con:
        temporary = [_object(con, *row) for row in found if row[1] == "temp"]
        _temporary[con] = temporary
    else:
        temporary = _temporary.get(con, [])
    return held + temporary


def _listed_by_sqlite(con: Any) -> list[tuple[str, str]]:
    cursor = con.cursor()
    cursor.row_factory = None
    return [
        (name, file)
        for _, name, file in cursor.execute("PRAGMA database_list")
        if name != "temp" or _size(con, name)
    ]


def _listed_by_duckdb(con: Any) -> list[tuple[str, str]]:
    return [(name, file or "") for _, name, file in con.cursor().execute(_LIST).fetchall()]


def _files(listed: list[tuple[str, str]], log: str) -> list[str]:
    """Return the files of databases, and of their logs as far as there is anything in them."""
    files = [file for _, file in listed if file]
    return [*files, *(file + log for file in files if _is_filled(file + log))]


def _is_filled(path: str) -> bool:
    return os.path.exists(path) and os.path.getsize(path) > 0


def _size(con: Any, name: str) -> int:
    cursor = con.cursor()
    cursor.row_factory = None
    return int(cursor.execute(f"PRAGMA {_quoted(name)}.page_count").fetchone()[0])


def _pages(con: Any, name: str) -> bytes:
    return digest_of(con.serialize(name=name)) if _size(con, name) else b""


def _object(con: Any, sort: str, database: str, schema: str, name: str, text: str) -> bytes:
    if sort == "variable":
        return framed(sort, name, text)
    if sort == "view" and not _OF_PYTHON.search(text):
        return framed(sort, name, text, *_files_in(text))
    of_it = ".".join(map(_quoted, (database, schema, name)))
    return framed(sort, name, *_batches(con.sql(f"from {of_it}")))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _batches(relation: Any) -> Iterable[bytes]:
    """Yield digests of the rows, some at a time: a table may be larger than the memory."""
    from stagecache.fingerprint.values import fingerprint

    with relation.to_arrow_reader() as reader:
        yield fingerprint(reader.schema).digest
        for batch in reader:
            yield fingerprint(batch).digest


def _files_in(text: str) -> Iterable[bytes]:
    """Yield digests of the files that a text of SQL names."""
    from glob import glob

    for name in _QUOTED.findall(text):
        path = name.replace("''", "'")
        found = [path] if os.path.isfile(path) else sorted(glob(path, recursive=True))
        yield framed(*(fingerprint_contents(each) for each in found if os.path.isfile(each)))


def _of_files_alone(
    list_of: Callable[[Any], list[tuple[str, str]]], log: str
) -> Callable[[Any], Parts]:
    """Return what takes a connection by its files, whatever it has besides for a while."""

    def take(con: Any) -> Parts:
        try:
            listed = [one for one in list_of(con) if one[0] != "temp"]
        except Exception as error:
            raise Refused(f"{shown(type(con))}: {error}", _REMEDY) from error
        without = [file for _, file in listed if not file]  # in memory, filled by the code: refused
        return of_files(con, [*_files(listed, log), *without], factories_of(con))

    return take


def _take_relation(value: Any) -> Parts:
    """Take a relation of DuckDB that is of files: its text, and what is in these."""
    text = _MADE_UP.sub("", value.sql_query())
    if _OF_PYTHON.search(text) or not all(map(_OF_FILES.match, _FROM.findall(text))):
        raise Refused(f"{shown(type(value))}: nothing tells what it is of", _REMEDY)
    return Parts(b"relation:" + framed(text, *_files_in(text)))


_take_sqlite = _of_files_alone(_listed_by_sqlite, "-wal")
TAKERS: dict[str, Callable[[Any], Parts]] = {
    "Connection": held(_take_sqlite),
    "Cursor": held(lambda cursor: _take_sqlite(cursor.connection)),
    "DuckDBPyConnection": held(_of_files_alone(_listed_by_duckdb, ".wal")),
    "DuckDBPyRelation": held(_take_relation),
}
_IN_MEMORY: dict[str, Callable[[Any], Any]] = {
    "Connection": _in_sqlite,
    "Cursor": lambda cursor: _in_sqlite(cursor.connection),
    "DuckDBPyConnection": _in_duckdb,
    "SQLContext": _in_polars,
}
