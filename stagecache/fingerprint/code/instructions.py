"""Decides how a code object reads as a list of instructions, the same on Python 3.11 to 3.13.

Which of them count, and in which order, is decided by ``bytecode``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import CodeType


class Instruction(NamedTuple):
    """One instruction; superinstructions are taken apart, caches and prefixes are gone."""

    at: int
    """Position in code units, of its prefixes if it has any; two parts of a superinstruction
    share it."""
    op: str
    arg: int
    """As in the bytecode, for those that the other fields do not say enough about."""
    name: str
    """The name of the global, attribute, local or cell that is meant, else empty."""
    target: int
    """Where it may jump to, in code units; -1: it does not."""


class Handler(NamedTuple):
    """What happens to an exception raised between two positions."""

    start: int
    end: int
    target: int
    depth: int
    lasti: bool


SILENT = frozenset(
    {"NOP", "RESUME", "PRECALL", "PUSH_NULL", "COPY_FREE_VARS", "MAKE_CELL", "NOT_TAKEN"}
)
"""Instructions that say nothing about what a function does."""

JUMPS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
EXITS = frozenset({"RETURN_VALUE", "RERAISE", "RAISE_VARARGS"})

_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_SYNONYMS = {
    # Whether the call of an attribute is a method call depends on the imports of the module.
    "LOAD_METHOD": "LOAD_ATTR",
    "LOAD_FAST_CHECK": "LOAD_FAST",
}
_FLAG_BITS = {"LOAD_GLOBAL": 1, "LOAD_ATTR": 1, "LOAD_SUPER_ATTR": 2}
_PLAIN, _NAME, _LOCAL, _JUMP, _CONST_RETURN, _PAIR = range(6)


class _Op(NamedTuple):
    name: str
    kind: int
    shift: int
    """How many low bits of the argument are flags and not part of a name's index."""
    always: int
    """Flags that the instruction has without saying so."""
    origin: int
    """Jumps count from so many units after the instruction..."""
    sign: int
    """...forwards or backwards."""


_table: list[_Op] = []
_new = tuple.__new__  # half of what the class itself takes; there are a hundred in a function


def instructions(code: CodeType) -> list[Instruction]:
    """Read the instructions of `code`, not of the code objects nested in it.

    Examples
    --------
    >>> [i.op for i in instructions((lambda x: x.y).__code__) if i.op not in SILENT]
    ['LOAD_FAST', 'LOAD_ATTR', 'RETURN_VALUE']
    """
    table = _table or _fill_table()
    names = code.co_names
    variables = (*code.co_varnames, *_cells(code), *code.co_freevars)
    raw = code.co_code  # without specialisation and instrumentation
    found: list[Instruction] = []
    add = found.append
    extended = prefixes = 0
    for here, opcode in enumerate(raw[::2]):
        if not opcode:  # CACHE
            continue
        name, kind, shift, always, origin, sign = table[opcode]
        arg = extended | raw[2 * here + 1]
        if name == "EXTENDED_ARG":
            extended = arg << 8
            prefixes += 1
            continue
        at = here - prefixes
        extended = prefixes = 0
        if kind == _PLAIN:
            add(_new(Instruction, (at, name, arg, "", -1)))
        elif kind == _NAME:
            flags = arg & ((1 << shift) - 1) | always
            add(_new(Instruction, (at, name, flags, names[arg >> shift], -1)))
        elif kind == _LOCAL:
            add(_new(Instruction, (at, name, 0, variables[arg], -1)))
        elif kind == _JUMP:
            add(_new(Instruction, (at, name, 0, "", here + origin + sign * arg)))
        elif kind == _CONST_RETURN:
            add(Instruction(at, "LOAD_CONST", arg, "", -1))
            add(Instruction(at, "RETURN_VALUE", 0, "", -1))
        else:
            first, second = _PAIRS[name]
            add(Instruction(at, first, 0, variables[arg >> 4], -1))
            add(Instruction(at, second, 0, variables[arg & 15], -1))
    return found


def handlers(code: CodeType) -> list[Handler]:
    """Read the exception table of `code`, in positions of code units.

    Source: the format is described in CPython's ``InternalDocs/exception_handling.md``.
    """
    found = []
    stream = iter(code.co_exceptiontable)
    for byte in stream:
        start = _number(byte, stream)
        length, target, depth = (_number(next(stream), stream) for _ in range(3))
        found.append(Handler(start, start + length, target, depth >> 1, bool(depth & 1)))
    return found


def effect(instruction: Instruction) -> int:
    """Return by how much the stack grows when the instruction does not jump."""
    from opcode import HAVE_ARGUMENT, opmap, stack_effect

    op, arg = instruction.op, instruction.arg
    if op == "LOAD_GLOBAL":
        return 1 + (arg & 1)
    if op == "LOAD_ATTR":
        return arg & 1
    opcode = opmap.get(op) or opmap[op.replace("JUMP_IF", "JUMP_FORWARD_IF")]
    return stack_effect(opcode, arg if opcode >= HAVE_ARGUMENT else None, jump=False)


def _number(byte: int, stream: object) -> int:
    value = byte & 63
    while byte & 64:
        byte = next(stream)  # type: ignore[call-overload]
        value = value << 6 | byte & 63
    return value


def _cells(code: CodeType) -> list[str]:
    return [name for name in code.co_cellvars if name not in code.co_varnames]


def _fill_table() -> list[_Op]:
    import opcode

    caches = opcode._inline_cache_entries  # type: ignore[attr-defined]
    new = sys.version_info >= (3, 12)
    named, jumps = set(opcode.hasname), set(opcode.hasjrel)
    local = {*opcode.haslocal, *opcode.hasfree}
    table = []
    for number, name in enumerate(opcode.opname[:256]):
        kind, shift, origin, sign = _PLAIN, 0, 0, 0
        if name == "RETURN_CONST":
            kind = _CONST_RETURN
        elif name in _PAIRS:
            kind = _PAIR
        elif number in named:
            kind = _NAME
            shift = _FLAG_BITS.get(name, 0) if new or name == "LOAD_GLOBAL" else 0
        elif number in local:
            kind = _LOCAL
        elif number in jumps:
            kind = _JUMP
            cached = caches.get(name, 0) if isinstance(caches, dict) else caches[number]
            origin, sign = 1 + cached, -1 if "BACKWARD" in name else 1
            name = name.replace("_JUMP_FORWARD_IF", "_JUMP_IF")
            name = name.replace("_JUMP_BACKWARD_IF", "_JUMP_IF")
        always = 1 if name == "LOAD_METHOD" else 0
        table.append(_Op(_SYNONYMS.get(name, name), kind, shift, always, origin, sign))
    _table[:] = table  # at once: another thread may be at it too
    return _table
