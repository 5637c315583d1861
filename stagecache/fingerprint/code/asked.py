"""Decides which texts code asks for: ``os.environ["X"]``, ``import_module("lib")``, ``eval("f")``.

What they then stand for is decided by ``lookups``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.fingerprint.code.instructions import JUMPS, SILENT, effect
from stagecache.fingerprint.code.mentions import ITEM_STORES

if TYPE_CHECKING:
    from stagecache.fingerprint.code.mentions import Reading

_EVALUATIONS = frozenset({"eval", "exec", "globals"})
_ASKED = _EVALUATIONS | {"get", "import_module", "__import__"}
"""Functions whose first argument, where it is a constant, is a name that code looks up."""


def asked(reading: Reading, index: int, attributes: tuple[str, ...], end: int) -> str | None:
    """Return the text that something like ``os.environ`` or ``import_module`` is asked for.

    A global that holds the text is returned as ``$NAME``; None: nothing constant is asked.
    An empty text says that ``globals`` or ``eval`` is asked for what only running tells.
    """
    last = (attributes[-1] if attributes else reading.code[index].name).lower()
    if last in _EVALUATIONS and not attributes:
        end = _after_call(reading, end) if last == "globals" else end
        return _asked(reading, end, last) or ""
    if reading.code[end].op == "CONTAINS_OP":
        return _text(reading, index - 1) if "env" in last else None
    return _asked(reading, end, last)


def _asked(reading: Reading, end: int, last: str) -> str | None:
    following = reading.code[end]
    if following.op not in ("LOAD_CONST", "LOAD_GLOBAL"):
        return None
    if reading.code[end + 1].op in ITEM_STORES:  # it is set or deleted
        return None
    if reading.code[end + 1].op == "BINARY_SUBSCR":
        return _text(reading, end)
    if (last in _ASKED or "env" in last) and _is_first_argument(reading, end):
        return _text(reading, end)
    return None


def _is_first_argument(reading: Reading, index: int) -> bool:
    """Tell whether what is loaded at `index` is passed as it is, and no part of a text."""
    height = 1
    for instruction in reading.code[index + 1 :]:
        op = instruction.op
        if instruction.target >= 0 or op in JUMPS:
            return False
        if op in ("PRECALL", "CALL", "CALL_KW") and height <= instruction.arg + (
            op == "CALL_KW"  # the names of the keywords lie above the arguments
        ):
            return True
        height += effect(instruction)
        if height <= 1 and op not in SILENT and op != "KW_NAMES":
            return False
    return False


def _after_call(reading: Reading, index: int) -> int:
    """Return where the result of a call without arguments is looked into."""
    while reading.code[index].op in SILENT:
        index += 1
    if reading.code[index].op != "CALL" or reading.code[index].arg:
        return index
    index += 1
    while reading.code[index].op in SILENT or reading.code[index].name == "get":
        index += 1
    return index


def _text(reading: Reading, index: int) -> str | None:
    instruction = reading.code[index]
    if instruction.op == "LOAD_GLOBAL":
        return "$" + instruction.name
    value = reading.constant(index)
    return value if isinstance(value, str) and value.isprintable() else None
