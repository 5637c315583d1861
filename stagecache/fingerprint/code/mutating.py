"""Decides, from no more than names and op codes, that code fills nothing that it did not make.

Where that cannot be told, ``fills`` finds out what it fills.
"""

from __future__ import annotations

from opcode import opmap
from types import CodeType

MUTATORS = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert",
    "move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault",
    "sort", "subtract", "update", "__setitem__", "__delitem__",
})  # fmt: skip
"""Methods that fill or empty one of Python's own containers."""

_NAMES = MUTATORS | {"setattr", "delattr"}
_OPS = frozenset(
    opmap[f"{verb}_{what}"]
    for verb in ("STORE", "DELETE")
    for what in ("GLOBAL", "DEREF", "ATTR", "SUBSCR", "SLICE")
    if f"{verb}_{what}" in opmap
)


def may_fill(code: CodeType) -> bool:
    """Tell whether code, or what is written inside of it, may assign or fill anything outside.

    Examples
    --------
    >>> may_fill((lambda rows: sorted(rows)).__code__)
    False
    >>> may_fill((lambda rows: SEEN.update(rows)).__code__)
    True
    """
    if not _NAMES.isdisjoint(code.co_names) or not _OPS.isdisjoint(code.co_code[::2]):
        return True
    return any(type(one) is CodeType and may_fill(one) for one in code.co_consts)
