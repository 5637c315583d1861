"""Decides by its name whether something that a library offers sets state inside of the library."""

from __future__ import annotations

import re

from stagecache.fingerprint.code.fills import MUTATORS

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
_GETTER = re.compile(r"get\w*|current\w*|translation")
_REPLACING = re.compile(r"set\w*|\w*seed\w*|rc|use")
_OF_NO_RESULT = frozenset({
    "__future__", "asyncio", "atexit", "faulthandler", "gc", "multiprocessing", "os", "signal",
    "stagecache", "threading", "unittest",
})  # fmt: skip
_OF_THE_INTERPRETER = frozenset({"sys.setrecursionlimit", "sys.set_int_max_str_digits"})
_CALL = re.compile(rf"\b(?:{_CALLED}|{_IN_BLOCK})(?:\s*\(|\s+as\b)|\.(?:{'|'.join(MUTATORS)})\s*\(")
_CHAIN = r"(?:\.\w+|\([^()]*\)|\[[^]]*\])"
_BEFORE = re.compile(rf"(?:^|[^\w.\])])([A-Za-z_]\w*){_CHAIN}*\.?$")
_STORE = re.compile(rf"(?:^|;)[^\S\n]*([A-Za-z_]\w*){_CHAIN}+[^\S\n]*[-+*/|&]?=(?!=)", re.MULTILINE)
_REGISTER = re.compile(r"^[^\S\n]*@\s*(\w+)[\w.]*\.register\b", re.MULTILINE)
_IMPORT = re.compile(
    r"(?:^|[;:])[^\S\n]*(?:from\s+[\w.]+\s+)?import\s+(\([^)]*\)|[^\n]*)", re.MULTILINE
)
_ALIAS = re.compile(
    r"(?:^|;)[^\S\n]*(\w+)[^\S\n]*=[^\S\n]*([A-Za-z_]\w*)(?=[.(])"
    r"|^[^\S\n]*(?:async[^\S\n]+)?with\b[^\S\n(]*(\w+)[^\n]*\bas[^\S\n]+(\w+)",
    re.MULTILINE,
)
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
    bound = {word for found in _IMPORT.finditer(text) for word in _WORD.findall(found[1])}
    if "*" in bound:
        return True
    for found in _ALIAS.finditer(text):
        if found[2] in bound or found[3] in bound:
            bound.add(found[1] or found[4])
    for stored in (*_STORE.finditer(text), *_REGISTER.finditer(text)):
        if stored[1] in bound:
            return True
    for called in _CALL.finditer(text):
        line = text.rfind("\n", 0, called.start()) + 1
        if called.start() - line > _LONG:
            return True
        before = text[line : called.start()]
        root = _BEFORE.search(before + called[0][: called[0].startswith(".")])
        if not before.strip().endswith(".") and not called[0].startswith("."):
            root = _WORD.match(called[0])  # by itself
            if root is not None and root[0] in bound:
                return True
        elif root is None or root[1] in bound:
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


def is_block(name: str) -> bool:
    """Tell whether a context manager of a library sets state there as long as it is open."""
    return _BLOCK.fullmatch(name.rpartition(".")[2]) is not None


def is_getter(name: str) -> bool:
    """Tell whether a function gives what is the library's own, so that to change it is to set."""
    return _GETTER.fullmatch(name) is not None


def is_replacing(name: str) -> bool:
    """Tell whether a second call with arguments of the same names undoes what the first one did."""
    return _REPLACING.fullmatch(name.rpartition(".")[2]) is not None
