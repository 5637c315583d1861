"""Decides what the texts of queries mean: which variables they name, and what they do to databases.

The text may be a constant of the code, or of a global that it mentions.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.extensions import names_in, texts_in
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.mentions import Mention
from stagecache.fingerprint.code.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from stagecache.fingerprint.code.resolve import Scope

_ASKING = {"query", "eval"}
_SQL = {"sql", "query", "from_query", "execute", "SQLContext"}
_LIBRARIES = frozenset({"pandas", "polars", "pyarrow", "duckdb", "_duckdb", "numpy"})
"""Libraries whose frames a query in SQL finds by the names of variables."""
_VARIABLE = re.compile(r"@([^\W\d]\w*)")
_WORD = re.compile(r"[^\W\d]\w*")
_READS = re.compile(
    r"\b(?:from|join|pivot|unpivot|describe|summarize|select|table|values)\b", re.IGNORECASE
)
_OPEN = re.compile(r"\b(?:from|join)\s+$", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:from|join)\s+\"?([^\W\d]\w*)\"?(?!\s*\()", re.IGNORECASE)
_MEANT = re.compile(r"([^\W\d]\w*)\s+as\s+(?:(?:not\s+)?materialized\s+)?\(", re.IGNORECASE)
"""A name that a query itself gives a meaning."""
_CHANGES = re.compile(
    r"\b(?:create\s+(?:or\s+replace\s+)?(?:temp\w*\s+)?(?:table|view|macro|sequence|type|schema)"
    r"|insert\s+(?:or\s+\w+\s+)?into|replace\s+into|update\s+\S+\s+set|delete\s+from"
    r"|drop\s+(?:table|view|macro|schema)|alter\s+table|truncate|merge\s+into|copy\s+\S+\s+from"
    r"|attach\b|detach\b|set\s+variable)",
    re.IGNORECASE,
)
_CHANGING = {
    "register", "register_many", "register_globals", "unregister", "to_sql", "executescript",
    "create_view", "to_view", "to_table", "insert_into", "create_function", "deserialize", "backup",
}  # fmt: skip
"""Methods by which code puts something into a database."""
_OF_THE_DEFAULT = {f"duckdb.{name}" for name in ("sql", "query", "execute", "table", "view")}
"""What asks the connection that all of a process share."""


def variables_of_queries(code: CodeType, namespace: dict[str, Any]) -> Iterator[Mention]:
    """Yield the globals that pandas finds in the texts of queries: ``"delay > @LIMIT"``."""
    if "pandas" in sys.modules and not _ASKING.isdisjoint(names_in(code)):
        found = {name for text in texts_in(code) for name in _VARIABLE.findall(text)}
        for name in sorted(found.intersection(namespace).difference(code.co_varnames)):
            yield Mention("global", name)


def frames_of_queries(code: CodeType, scope: Scope) -> Iterator[Mention]:
    """Yield the global frames that the texts of SQL name: ``duckdb.sql("select * from orders")``.

    DuckDB and polars look for them among the variables of whoever asks.
    """
    if _SQL.isdisjoint(names_in(code)):
        return
    texts = _texts(code, scope)
    words = {word for text in texts if _READS.search(text) for word in _WORD.findall(text)}
    if any(map(_OPEN.search, texts)):  # f"select * from {name}": any may be meant
        words.update(scope.globals)
    for name in sorted(words - set(code.co_varnames)):
        if _is_frame(scope.globals.get(name)):
            yield Mention("global", name)


def only_reads(codes: Iterable[CodeType], held: Iterable[str]) -> bool:
    """Tell whether code asks databases, and nothing in it changes what they hold.

    Parameters
    ----------
    codes : iterable of code
        All that is reached.
    held : iterable of str
        What that has in globals.

    Examples
    --------
    >>> only_reads([(lambda con: con.execute("select * from t")).__code__], [])
    True
    >>> only_reads([(lambda con: con.execute("insert into t values (1)")).__code__], [])
    False
    """
    codes = list(codes)
    texts = [*held, *(text for code in codes for text in texts_in(code))]
    return (
        any(map(_READS.search, texts))
        and not any(map(_CHANGES.search, texts))
        and all(_CHANGING.isdisjoint(names_in(code)) for code in codes)
    )


def is_shared(name: str) -> bool:
    """Tell whether a function of DuckDB works with the connection that all of a process share."""
    return name in _OF_THE_DEFAULT


def asks_for_tables(code: CodeType, scope: Scope) -> bool:
    """Tell whether the texts of SQL in code name anything that is no variable, and no file.

    What has no such text may be handed one.
    """
    texts = [text for text in _texts(code, scope) if _READS.search(text)]
    meant = {name.lower() for text in texts for name in _MEANT.findall(text)}
    known = {*meant, *map(str.lower, code.co_varnames + code.co_freevars + code.co_cellvars)}
    found = {name for text in texts for name in _TABLE.findall(text) if name.lower() not in known}
    return (
        not texts
        or any(map(_OPEN.search, texts))
        or any(not _is_frame(scope.globals.get(name)) for name in found)
    )


def _texts(code: CodeType, scope: Scope) -> list[str]:
    held = (resolve(mention, scope).value for mention in form_of(code).mentions)
    return [*texts_in(code), *(text for text in held if type(text) is str)]


def _is_frame(value: Any) -> bool:
    kind = type(value)
    is_class = issubclass(kind, type)
    return not is_class and str(kind.__module__).partition(".")[0] in _LIBRARIES
