"""Decides by its name whether something that a library offers sets state inside of the library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stagecache.fingerprint.code.mutating import MUTATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CALLED = (
    r"set(?!diff|xor|_node_|_edge_)\w*|(?:\w+_)?seed(?:_\w+)?|(?:add|clear|restore)_\w+"
    r"|(?:un)?register(?!\w*_(?:accessor|namespace))(?:_\w+)?"
    r"|(?:use|enable|disable|reset|install|rc)(?:_\w+)?|[cC]onfig|configure|basicConfig"
    r"|simplefilter|filterwarnings|resetwarnings|rcdefaults|field_size_limit|pickle"
)
"""Functions that set something for whoever uses the library after them."""
_SETTER = re.compile(_CALLED)
_IN_BLOCK = r"\w*context(?:_manager)?|errstate|printoptions|[cC]onfig|catch_warnings|set\w*"
_BLOCK = re.compile(_IN_BLOCK)
_GETTER = r"get\w*|current\w*|translation"
_REPLACING = r"set\w*|\w*seed\w*|rc|use"
_REGISTERING = ("YAMLObject",)
_HANDING = ("create_function", "create_aggregate", "create_window_function", "create_collation")
_ASKING = frozenset({"execute", "sql", "query"})
_MACRO = re.compile(r"\bcreate\s+(?:or\s+replace\s+)?(?:temp\w*\s+)?macro\b", re.IGNORECASE)
OF_DATABASES = "databases"
"""Stands for the libraries of which a connection is handed functions: which one, nobody knows."""
_OF_NO_RESULT = frozenset({
    "__future__", "asyncio", "atexit", "faulthandler", "gc", "multiprocessing", "os", "signal",
    "stagecache", "threading", "unittest",
})  # fmt: skip
_OF_THE_INTERPRETER = frozenset({"sys.setrecursionlimit", "sys.set_int_max_str_digits"})
_CHAIN = r"(?:\.\w+|\([^()]*\)|\[[^]]*\])"
_BEFORE = re.compile(rf"(?:^|[^\w.\])])([A-Za-z_]\w*){_CHAIN}*\.?$")
_STORE = re.compile(rf"{_CHAIN}+[^\S\n]*[-+*/|&]?=(?!=)")
_REGISTER = r"[\w.]*\.register\b"
_IMPORT = re.compile(r"import\s+(\([^)]*\)|[^\n]*)")
_IMPORTING = re.compile(r"(?:.*[;:])?[^\S\n]*(?:from\s+[\w.]+\s+)?")
_BOUND = re.compile(r"(?:.*;)?[^\S\n]*(\w+)[^\S\n]*=[^\S\n]*")
_WITH = r"[^\S\n]*(?:async[^\S\n]+)?with\b[^\S\n(]*"
_AS = r"\b[^\n]*\bas[^\S\n]+(\w+)"
_CALLED_BACKWARDS = (re.compile(r"\(\s*(\w+)"), re.compile(r"\bsa\s+(\w+)"))
"""What is before a bracket, and before ``as``, in a text read from its end: so nothing is tried at
any other place."""
_WORD = re.compile(r"[A-Za-z_]\w*|\*")
_LONG = 500
"""Of a longer line nobody tells cheaply what a call in it is of."""


def may_set(text: str) -> bool:
    r"""Tell whether a program may set anything; what it tells of most is that it cannot.

    Examples
    --------
    >>> may_set("import math\n\ndef area(r):\n    return math.pi * r**2\n")
    False
    >>> may_set("import numpy as np\nnp.seterr(all='raise')")
    True
    """
    if any(map(text.__contains__, (*_REGISTERING, *_HANDING))) or _MACRO.search(text):
        return True
    bound = set(_imported(text))
    return "*" in bound or _may_store(text, bound) or _may_call(text, bound)


def _imported(text: str) -> Iterator[str]:
    """Yield the names that import statements bind, and the words beside them."""
    found = _IMPORT.search(text)
    while found is not None:
        at = found.start()
        is_statement = _IMPORTING.fullmatch(text, text.rfind("\n", 0, at) + 1, at) is not None
        if is_statement:
            yield from _WORD.findall(found[1])
        found = _IMPORT.search(text, found.end() if is_statement else at + 1)


def _may_store(text: str, bound: set[str]) -> bool:
    """Tell whether anything of what names stand for may be assigned; find other names for it."""
    waiting = list(bound)
    while waiting:
        name = waiting.pop()
        at = text.find(name)
        while at >= 0:
            line, end = text.rfind("\n", 0, at) + 1, at + len(name)
            before = text[line:at].rstrip()
            is_chain = text[end : end + 1] in (".", "(", "[")
            also = None
            if is_chain and before[-1:] in ("", ";") and _STORE.match(text, end):
                return True
            if before.lstrip() == "@" and re.compile(_REGISTER).match(text, end):
                return True
            if before.endswith("="):
                also = _BOUND.fullmatch(text, line, at) if text[end : end + 1] in ".(" else None
            elif "with" in before and re.compile(_WITH).fullmatch(text, line, at):
                also = re.compile(_AS).match(text, end)
            if also is not None and also[1] not in bound:
                bound.add(also[1])
                waiting.append(also[1])
            at = text.find(name, end)
    return False


def _may_call(text: str, bound: set[str]) -> bool:
    """Tell whether something with the name of a setter may be called of what names stand for."""
    size, backwards = len(text), text[::-1]
    are_setters: dict[str, bool] = {}
    for pattern in _CALLED_BACKWARDS:
        for found in pattern.finditer(backwards):
            word = found[1][::-1]
            is_setter = are_setters.get(word)
            if is_setter is None:
                is_setter = are_setters[word] = bool(
                    _SETTER.fullmatch(word) or _BLOCK.fullmatch(word)
                )
            at = size - found.end()
            if not is_setter and (word not in MUTATORS or text[at - 1 : at] != "."):
                continue
            line = text.rfind("\n", 0, at) + 1
            if at - line > _LONG:
                return True
            before = text[line:at]
            if not before.rstrip().endswith("."):  # by itself
                if word in bound:
                    return True
                continue
            root = _BEFORE.search(before)
            if root is None or root[1] in bound:
                return True
    return False


def is_counted(name: str) -> bool:
    """Tell whether results may depend on what is set in a library.

    Parameters
    ----------
    name : str
        The full name of what is called or assigned.
    """
    top = name.partition(".")[0]
    return top not in _OF_NO_RESULT and (top != "sys" or name in _OF_THE_INTERPRETER)


def is_setter(name: str, *, of_a_part: bool) -> bool:
    """Tell whether a function of a library sets state there.

    Parameters
    ----------
    name : str
        Its full name.
    of_a_part : bool
        Whether it is a method of something in the library, as in ``rcParams.update``.

    Examples
    --------
    >>> is_setter("numpy.random.seed", of_a_part=False), is_setter("numpy.mean", of_a_part=False)
    (True, False)
    >>> is_setter("matplotlib.rcParams.update", of_a_part=True)
    True
    """
    last = name.rpartition(".")[2]
    return _SETTER.fullmatch(last) is not None or (of_a_part and last in MUTATORS)


def is_registering(name: str) -> bool:
    """Tell whether a library registers the classes that are made of one of its classes."""
    return name.rpartition(".")[2] in _REGISTERING


def is_handing(method: str, texts: Iterable[str]) -> bool:
    """Tell whether a method gives a database a function or a macro, for its queries to call.

    Parameters
    ----------
    method : str
        Its name.
    texts : iterable of str
        What it is given.

    Examples
    --------
    >>> is_handing("create_function", ["f"]), is_handing("execute", ["select 1"])
    (True, False)
    >>> is_handing("execute", ["CREATE MACRO twice(x) AS x * 2"])
    True
    """
    return method in _HANDING or (method in _ASKING and any(map(_MACRO.search, texts)))


def is_block(name: str) -> bool:
    """Tell whether a context manager of a library sets state there as long as it is open."""
    return _BLOCK.fullmatch(name.rpartition(".")[2]) is not None


def is_getter(name: str) -> bool:
    """Tell whether a function gives what is the library's own, so that to change it is to set."""
    return re.fullmatch(_GETTER, name) is not None


def is_replacing(name: str) -> bool:
    """Tell whether a second call with arguments of the same names undoes what the first one did."""
    return re.fullmatch(_REPLACING, name.rpartition(".")[2]) is not None
