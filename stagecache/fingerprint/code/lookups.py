"""Decides what code reaches by names that are data: ``import_module("lib")``, ``globals()``, eval.

What is found is followed by ``reach`` as if it had been mentioned.
"""

from __future__ import annotations

import re
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.extensions import names_in
from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.mentions import Mention
from stagecache.fingerprint.code.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.fingerprint.code.resolve import Scope

_IMPORTS = {"importlib.import_module", "__import__", "sys.modules", "sys.modules.get"}
_EVALUATIONS = {"eval", "exec"}
LOOKUPS = {*_IMPORTS, *_EVALUATIONS, "globals"}
"""Functions and dicts in which code looks things up by name."""

_QUERIES = {"query", "eval"}
_SQL = {"sql", "query", "execute", "executemany", "from_query"}
_TABLES = ("pandas", "polars", "pyarrow", "numpy", "duckdb", "_duckdb")
"""Libraries whose tables a query in SQL finds by the names of variables."""
_WORD = re.compile(r"[^\W\d]\w*")
_VARIABLE = re.compile(r"@([^\W\d]\w*)")
_SQL = {"sql", "query", "from_query", "execute", "SQLContext"}
_FROM = re.compile(r"\b(from|join|pivot|unpivot|describe|summarize)\b", re.IGNORECASE)
_OPEN = re.compile(r"\b(from|join)\s+$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]\w*")
_WITH_FRAMES = {"pandas", "polars", "pyarrow", "duckdb", "_duckdb", "numpy"}
_OF_NOTEBOOKS = re.compile(r"_+|_\d+|_i+\d*|_[dio]h|In|Out|get_ipython|exit|quit|open")


class Namespace:
    """A module of which all counts, even if it is not to be found among the imported ones.

    Parameters
    ----------
    names : dict
        Its globals.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names


class Asked(NamedTuple):
    """What a name that is data may stand for."""

    mentions: tuple[Mention, ...]
    is_whole: bool
    """Whether all of the module that the code is in counts."""
    is_known: bool
    """Whether nothing else can be meant, as far as the code can tell."""


def looked_up(how: str, texts: list[str], scope: Scope) -> Asked:
    """Return what is found by name.

    Parameters
    ----------
    how : str
        One of :data:`LOOKUPS`.
    texts : list of str
        The constants that are asked for; ``$NAME`` is a global that holds one.
    scope : Scope
        Of the code that asks.

    Examples
    --------
    >>> from stagecache.fingerprint.code.resolve import Scope
    >>> looked_up("globals", ["step"], Scope({}, {}, {})).mentions
    (Mention(kind='global', name='step', attributes=(), passing=False),)
    """
    mentions: list[Mention] = []
    is_whole = False
    is_known = bool(texts)
    for text in texts:
        if text == "$__name__" and how.startswith("sys"):
            is_whole = True
            continue
        wanted = scope.globals.get(text[1:]) if text.startswith("$") else text
        if isinstance(wanted, CodeType) and how in _EVALUATIONS:
            mentions += _mentions_of(wanted, scope)
        elif not isinstance(wanted, str) or not wanted:
            is_known = False
        elif how in _EVALUATIONS:
            mentions += _mentioned_in(wanted, scope)
        elif how == "globals":
            mentions.append(Mention("global", wanted))
        else:
            name = wanted.lstrip(".")
            mentions.append(Mention("import", f"{len(wanted) - len(name)}|{name}|"))
    if not is_known and how not in _IMPORTS:
        is_whole = True
    return Asked(tuple(mentions), is_whole, is_known or how == "globals")


def _mentioned_in(text: str, scope: Scope) -> list[Mention]:
    """Return what an expression or a program mentions; it is its own affair if it is neither."""
    for mode in ("eval", "exec"):
        try:
            code = compile(text, "<text>", mode)
        except (SyntaxError, ValueError):
            continue
        return _mentions_of(code, scope)
    return []


def _mentions_of(code: CodeType, scope: Scope) -> list[Mention]:
    found = form_of(code).mentions
    return [one for one in found if one.kind != "global" or one.name in scope.globals]


def is_of_a_notebook(name: str, namespace: dict[str, Any]) -> bool:
    """Tell whether IPython put a name beside the user's own: its history and its commands."""
    return "get_ipython" in namespace and _OF_NOTEBOOKS.fullmatch(name) is not None


def variables_of_queries(code: CodeType, namespace: dict[str, Any]) -> Iterator[Mention]:
    """Yield the globals that the texts of queries name.

    ``frame.query("delay > @LIMIT")`` of pandas, ``sql("from FRAME")`` of DuckDB and polars.
    """
    names = names_in(code) if not sys.modules.keys().isdisjoint(_TABLES) else frozenset()
    found: set[str] = set()
    if not _QUERIES.isdisjoint(names):
        found.update(name for text in _texts_in(code) for name in _VARIABLE.findall(text))
    if not _SQL.isdisjoint(names):
        words = {word for text in _texts_in(code) for word in _WORD.findall(text)}
        found.update(word for word in words if _is_table(namespace.get(word)))
    for name in sorted(found):
        if name in namespace and name not in code.co_varnames:
            yield Mention("global", name)


def _is_table(value: Any) -> bool:
    kind = type(value)
    return not issubclass(kind, type) and str(kind.__module__).partition(".")[0] in _TABLES


def frames_of_queries(code: CodeType, scope: Scope) -> Iterator[Mention]:
    """Yield the global frames that the texts of SQL name: ``duckdb.sql("select * from orders")``.

    DuckDB and polars look for them among the variables of whoever asks. The text may be a constant
    of the code or of a module that it mentions.
    """
    names = names_in(code)
    if not _SQL & names:
        return
    texts = list(_texts_in(code))
    for mention in form_of(code).mentions:
        found = resolve(mention, scope).value
        if type(found) is str:
            texts.append(found)
    words = {word for text in texts if _FROM.search(text) for word in _WORD.findall(text)}
    if any(_OPEN.search(text) for text in texts):  # f"select * from {name}": any may be meant
        words.update(scope.globals)
    for name in sorted(words - set(code.co_varnames)):
        if type(scope.globals.get(name)).__module__.partition(".")[0] in _WITH_FRAMES:
            yield Mention("global", name)


def _texts_in(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts_in(constant)
        elif isinstance(constant, str):
            yield constant
