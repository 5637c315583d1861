"""Decides which instructions of a code object count, and which of them follows upon which.

How the compiler lays out and copies blocks depends on line numbers; that is undone here. How the
instructions are written down is decided by ``bytecode``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.fingerprint.code.instructions import (
    EXITS,
    JUMPS,
    SILENT,
    effect,
    handlers,
    instructions,
)

if TYPE_CHECKING:
    from types import CodeType

    from stagecache.fingerprint.code.instructions import Instruction

_PASSED = JUMPS | SILENT
_LONGEST_EXIT, _NO_EXIT = 30, 1000
_OR_POP = {
    "JUMP_IF_FALSE_OR_POP": "POP_JUMP_IF_FALSE",
    "JUMP_IF_TRUE_OR_POP": "POP_JUMP_IF_TRUE",
}
_OPPOSITE = dict(zip(_OR_POP, reversed(_OR_POP), strict=True))
_CLASS_FACTS = {
    "__module__",
    "__qualname__",
    "__doc__",
    "__firstlineno__",
    "__static_attributes__",
}


class Layout:
    """The instructions of a code object with the ways through them.

    Attributes
    ----------
    list : list of Instruction
        All of them; the methods take and return positions in it.
    dropped : set of int
        Those that only make annotations, docstrings and names.
    targets : set of int
        Where jumps and handlers arrive, in code units.
    counts : list of bool
        Which of the instructions say what the code does.
    protected : dict
        By the position in code units, the handler of an exception raised there: where it is, the
        depth of the stack, lasti.
    """

    def __init__(self, code: CodeType) -> None:
        self.list = instructions(code)
        self.dropped = _unwanted(self.list)
        self.counts = [i.op not in _PASSED for i in self.list]
        for index in self.dropped:
            self.counts[index] = False
        self._index = {i.at: k for k, i in reversed(list(enumerate(self.list)))}
        caught = handlers(code)
        self.targets = {i.target for i in self.list if i.target >= 0}
        self.targets |= {h.target for h in caught}
        self._caught = {self.settled(self._index[h.target]) for h in caught}
        self.protected = {
            at: (self._index[h.target], h.depth, h.lasti)
            for h in caught
            for at in range(h.start, h.end)
        }
        self._exits: dict[int, int] = {}

    def settled(self, index: int) -> int:
        """Return where the next instruction that counts is."""
        if self.counts[index]:
            return index
        for _ in range(len(self.list)):  # ``while True: pass`` never arrives anywhere
            instruction = self.list[index]
            if instruction.op in JUMPS:
                index = self._index[instruction.target]
            elif instruction.op in SILENT or index in self.dropped:
                index += 1
            else:
                break
        return index

    def branch(self, instruction: Instruction) -> tuple[str, int]:
        """Return the sort of a conditional jump and where it ends up.

        Python 3.11 joins ``JUMP_IF_FALSE_OR_POP`` with a test that it jumps to, if both are on
        one line.
        """
        op, target = instruction.op, self.settled(self._index[instruction.target])
        while op in _OR_POP:
            following = self.list[target]
            same, other = _OR_POP[op], _OR_POP[_OPPOSITE[op]]
            if following.op == op:
                target = self.settled(self._index[following.target])
            elif following.op == same:
                op, target = same, self.settled(self._index[following.target])
            elif following.op in (other, _OPPOSITE[op]):
                op, target = same, self.settled(target + 1)
            else:
                break
        return op, target

    def is_way_out(self, index: int) -> bool:
        """Tell whether only a few instructions without a choice follow until the function ends."""
        count = self._exits.get(index)
        if count is None:
            count = self._to_exit(index)
        return count <= _LONGEST_EXIT and index not in self._caught

    def _to_exit(self, index: int) -> int:
        """Count the instructions until the function ends, if there is only one way."""
        start, passed, count = index, [], _NO_EXIT
        while index not in self._exits:
            passed.append(index)
            instruction = self.list[index]
            self._exits[index] = _NO_EXIT  # until it is known better; a loop never ends
            if instruction.op in EXITS:
                count = 0
                break
            if instruction.target >= 0:
                break
            index = self.settled(index + 1)
        else:
            count = self._exits[index]
        for earlier in reversed(passed):
            count = min(count + 1, _NO_EXIT)
            self._exits[earlier] = count
        return self._exits[start]


def _unwanted(code: list[Instruction]) -> set[int]:
    """Find instructions that only make annotations, docstrings and names."""
    found: set[int] = set()
    for index, instruction in enumerate(code):
        if instruction.op == "STORE_NAME" and instruction.name in _CLASS_FACTS:
            if code[index - 1].op in ("LOAD_CONST", "LOAD_NAME"):
                found |= {index - 1, index}
        elif instruction.op == "MAKE_FUNCTION":
            found |= _annotations(code, index)
    return found


def _annotations(code: list[Instruction], index: int) -> set[int]:
    """Find what makes the annotations of a nested function that is made at `index`."""
    setters = set()
    has_closure, annotated = code[index].arg & 8, bool(code[index].arg & 4)
    after = index + 1
    while code[after].op == "SET_FUNCTION_ATTRIBUTE":  # Python 3.13
        has_closure |= code[after].arg & 8
        if code[after].arg == 4:
            annotated = True
            setters.add(after)
        after += 1
    if not annotated:
        return set()
    end = index - 1  # at the code object
    if has_closure:
        end -= 1 + code[end - 1].arg
    height, start = 0, end
    while height != 1:
        start -= 1
        if start < 0 or code[start].target >= 0:
            return set()
        height += effect(code[start])
    return setters | set(range(start, end))
