"""Decides what code reaches by names that are data: ``import_module("lib")``, ``globals()``, eval.

What is found is followed by ``reach`` as if it had been mentioned.
"""

from __future__ import annotations

import re
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.forms import form_of
from stagecache.fingerprint.code.mentions import Mention

if TYPE_CHECKING:
    from stagecache.fingerprint.code.resolve import Scope

_IMPORTS = {"importlib.import_module", "__import__", "sys.modules", "sys.modules.get"}
_EVALUATIONS = {"eval", "exec"}
LOOKUPS = {*_IMPORTS, *_EVALUATIONS, "globals"}
"""Functions and dicts in which code looks things up by name."""

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
