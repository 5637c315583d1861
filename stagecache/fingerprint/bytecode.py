"""Decides the normal form of a code object: equal for code that does the same in the same way.

Neither where the source stands, nor how it is laid out, nor what was compiled beside it, nor the
names of its locals are in. What the outside names stand for is decided by ``resolve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.fingerprint.instructions import EXITS, JUMPS, SILENT, handlers, instructions
from stagecache.fingerprint.instructions import effect as stack_effect
from stagecache.fingerprint.mentions import Fill, Mention, Reading

if TYPE_CHECKING:
    from types import CodeType

    from stagecache.fingerprint.instructions import Instruction

# VARARGS, VARKEYWORDS, GENERATOR, COROUTINE, ITERABLE_COROUTINE, ASYNC_GENERATOR: the other
# flags say how the code was compiled, such as ``from __future__ import annotations``.
_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
_OPTIMIZED = 0x01
_LONGEST_EXIT, _NO_EXIT = 30, 1000
_TESTS = {
    "POP_JUMP_IF_FALSE": ("truth", False),
    "POP_JUMP_IF_TRUE": ("truth", True),
    "POP_JUMP_IF_NONE": ("none", True),
    "POP_JUMP_IF_NOT_NONE": ("none", False),
}
_OR_POP = {
    "JUMP_IF_FALSE_OR_POP": "POP_JUMP_IF_FALSE",
    "JUMP_IF_TRUE_OR_POP": "POP_JUMP_IF_TRUE",
}
_OPPOSITE = dict(zip(_OR_POP, reversed(_OR_POP), strict=True))
_CONSTANTS = {"LOAD_CONST", "KW_NAMES"}
_VARIABLES = {
    f"{verb}_{place}"
    for verb in ("LOAD", "STORE", "DELETE")
    for place in ("FAST", "DEREF", "CLOSURE", "CLASSDEREF")
} | {"LOAD_FAST_AND_CLEAR", "LOAD_FROM_DICT_OR_DEREF"}
_CLASS_FACTS = {
    "__module__",
    "__qualname__",
    "__doc__",
    "__firstlineno__",
    "__static_attributes__",
}


class Form(NamedTuple):
    """The normal form of a code object and of those nested in it."""

    digest: bytes
    mentions: tuple[Mention, ...]
    """Outside names in order of first use."""
    fills: tuple[Fill, ...]
    asked: tuple[tuple[Mention, str], ...]
    """What may be environment variables: the name that is asked, and for which text."""
    free: tuple[str, ...]
    """Names that an enclosing function holds, in order of first use."""


def normal_form(code: CodeType) -> Form:
    """Work out the normal form of `code`.

    Examples
    --------
    >>> def a(x):
    ...     "Documented."
    ...     total = x + LIMIT  # commented
    ...     return total
    >>> def b(x):
    ...     t = x + MAX
    ...     return t
    >>> one, other = normal_form(a.__code__), normal_form(b.__code__)
    >>> one.digest == other.digest, [m.dotted for m in one.mentions]
    (True, ['LIMIT'])
    """
    return _Writer(code).write()


class _Writer:
    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._list = instructions(code)
        caught = handlers(code)
        targets = {i.target for i in self._list if i.target >= 0}
        targets |= {h.target for h in caught}
        free = frozenset(code.co_freevars)
        self._cells = {*code.co_cellvars, *code.co_freevars}
        first = code.co_varnames[0] if code.co_argcount else ""
        self._reading = Reading(self._list, code.co_consts, free, targets, first)
        self._index = {i.at: k for k, i in reversed(list(enumerate(self._list)))}
        self._dropped = self._unwanted()
        self._caught = {self._settled(self._index[h.target]) for h in caught}
        self._protected = {
            at: (self._index[h.target], h.depth, h.lasti)
            for h in caught
            for at in range(h.start, h.end)
        }
        arguments = code.co_argcount + code.co_kwonlyargcount
        arguments += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
        self._arguments = code.co_varnames[:arguments]
        self._locals = {name: k for k, name in enumerate(self._arguments)}
        self._free: dict[str, int] = {}
        self._mentions: dict[Mention, int] = {}
        self._nested: dict[Mention, None] = {}
        self._fills: dict[Fill, None] = {}
        self._asked: dict[tuple[Mention, str], None] = {}
        self._tokens: list[Any] = []
        self._placed: dict[int, int] = {}
        self._labels: dict[int, int] = {}
        self._label_count = 0
        self._work: list[tuple[int, int]] = []
        self._exits: dict[int, int] = {}

    def write(self) -> Form:
        code = self._code
        self._work.append((self._settled(0), -1))
        while self._work:
            self._write_from(*self._work.pop())
        head = (
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & _FLAGS,
            self._arguments,
        )
        for index in self._reading.loads():
            if index not in self._dropped:
                for fill in self._reading.filled(index):
                    self._fills[fill] = None
        return Form(
            xxh3_128_digest(ascii((head, self._tokens)).encode()),
            tuple({**dict.fromkeys(self._mentions), **self._nested}),
            tuple(self._fills),
            tuple(self._asked),
            tuple(self._free),
        )

    def _write_from(self, index: int, label: int) -> None:
        """Follow the code from `index` until it returns, raises, or joins what is written already.

        Jumps are followed rather than written, and short ways out are written again for every
        jump to them: how the compiler lays out and copies blocks depends on line numbers.
        """
        add = self._tokens.append
        add(("LABEL", label))
        handler: Any = None
        copying = False
        while True:
            if not copying:
                copying = self._is_way_out(index)
                if not copying:
                    if index in self._placed:
                        add(("GOTO", self._placed[index]))
                        return
                    self._placed[index] = len(self._tokens)
                    if self._labels.get(index, label) != label:
                        add(("LABEL", self._labels[index]))
            instruction = self._list[index]
            op = instruction.op
            now = self._protected and self._protected.get(instruction.at)
            if now != handler:
                handler = now
                add(("HANDLER", now and (self._label(now[0]), *now[1:])))
            if op in EXITS or op in JUMPS:  # a jump to nowhere but itself
                add((op, instruction.arg))
                return
            if instruction.target >= 0:
                index = self._write_branch(index, instruction)
            else:
                index = self._write_plain(index, instruction)
            index = self._settled(index)

    def _write_branch(self, index: int, instruction: Instruction) -> int:
        """Write a conditional jump and return where the writing goes on."""
        op, target = self._threaded(instruction)
        if op not in _TESTS:
            self._tokens.append((op, self._label(target)))
            return index + 1
        what, jumps_if = _TESTS[op]
        yes, no = (target, index + 1) if jumps_if else (index + 1, target)
        self._tokens.append((what, self._label(no)))
        return yes

    def _threaded(self, instruction: Instruction) -> tuple[str, int]:
        """Return a jump's sort and final target.

        Python 3.11 joins ``JUMP_IF_FALSE_OR_POP`` with a test that it jumps to, if both are on
        one line.
        """
        op, target = instruction.op, self._settled(self._index[instruction.target])
        while op in _OR_POP:
            following = self._list[target]
            same, other = _OR_POP[op], _OR_POP[_OPPOSITE[op]]
            if following.op == op:
                target = self._settled(self._index[following.target])
            elif following.op == same:
                op, target = same, self._settled(self._index[following.target])
            elif following.op in (other, _OPPOSITE[op]):
                op, target = same, self._settled(target + 1)
            else:
                break
        return op, target

    def _write_plain(self, index: int, instruction: Instruction) -> int:
        """Write one instruction, or several that are one to the reader."""
        _, op, arg, name, _ = instruction
        add = self._tokens.append
        root = self._reading.root(index)
        if root is not None:
            return self._write_mention(index, root)
        if op in _CONSTANTS:
            add((op, self._constant(self._code.co_consts[arg])))
        elif op in _VARIABLES:
            if name in self._cells:
                closure = self._closure(index)
                if closure is not None:
                    return closure
            add((op, self._variable(name)))
            self._write_alias(index)
        elif op == "MAKE_FUNCTION":
            add((op, arg & ~4))
        elif op == "LOAD_SUPER_ATTR":
            add((op, name, arg & 2))
        elif op == "IMPORT_NAME":
            add((op, name))
            self._write_import(index)
        elif op in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            mention = Mention("global", name, passing=True)
            add((op, self._mentions.setdefault(mention, len(self._mentions))))
        elif name:
            add((op, name))
            self._write_alias(index)
        else:
            add((op, arg))
        return index + 1

    def _write_import(self, index: int) -> None:
        for mention, end in self._reading.imported(index):
            self._nested[mention._replace(passing=True)] = None
            if mention.attributes and not self._reading.bound_to(end):
                self._nested[mention] = None

    def _write_mention(self, index: int, root: Mention) -> int:
        attributes, end = self._reading.chain(index)
        passing = bool(self._reading.bound_to(end))
        mention = root._replace(attributes=attributes, passing=passing)
        number = self._mentions.setdefault(mention, len(self._mentions))
        place = self._variable(root.name) if root.kind == "free" else -1
        self._tokens.append(("MENTION", number, place))
        asked = self._reading.asked(index, attributes, end)
        if asked is not None:
            self._asked[mention, asked] = None
        return end

    def _write_alias(self, index: int) -> None:
        if not self._reading.aliases:
            return
        for mention in self._reading.local(index):
            attributes, end = self._reading.chain(index)
            whole = mention.then(*attributes)
            self._nested[whole] = None
            asked = self._reading.asked(index, attributes, end)
            if asked is not None:
                self._asked[whole, asked] = None

    def _closure(self, index: int) -> int | None:
        """Write a nested function that holds locals of this one, with them in its own order."""
        end = index
        while self._list[end].op in ("LOAD_CLOSURE", "LOAD_FAST"):
            end += 1
        count = end - index
        if not count or self._list[end].op != "BUILD_TUPLE" or self._list[end].arg != count:
            return None
        following = self._list[end + 1]
        code: Any = following.op == "LOAD_CONST" and self._code.co_consts[following.arg]
        if not hasattr(code, "co_freevars") or len(code.co_freevars) != count:
            return None
        form = self._nested_form(code)
        order = {name: k for k, name in enumerate(form.free)}
        held = sorted(
            (order.get(inner, count), self._list[index + k].name)
            for k, inner in enumerate(code.co_freevars)
        )
        self._tokens.append(("CLOSURE", tuple(self._variable(name) for _, name in held)))
        self._tokens.append(("CODE", self._nested_digest(form)))
        return end + 2

    def _nested_form(self, code: CodeType) -> Form:
        form = normal_form(code)
        for mention in form.mentions:
            for outer in self._outer(mention):
                self._nested[outer] = None
        for fill in form.fills:
            if fill.slot.kind != "first":
                for outer in self._outer(fill.slot):
                    self._fills[fill._replace(slot=outer)] = None
        for mention, text in form.asked:
            for outer in self._outer(mention):
                self._asked[outer, text] = None
        return form

    def _outer(self, mention: Mention) -> list[Mention]:
        """Return what a name that a nested function mentions is outside of this one."""
        if mention.kind != "free" or mention.name in self._code.co_freevars:
            return [mention]
        held = self._reading.aliases.get(mention.name, [])
        return [outer.then(*mention.attributes) for outer in held]

    def _nested_digest(self, form: Form) -> bytes:
        """Add what only matters of a nested function: the attributes of locals it holds."""
        attributes = [
            m.attributes
            for m in form.mentions
            if m.kind == "free" and m.name not in self._code.co_freevars
        ]
        return form.digest + ascii(attributes).encode()

    def _constant(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return "tuple", [self._constant(item) for item in value]
        if isinstance(value, frozenset):
            return "set", sorted(ascii(self._constant(item)) for item in value)
        if isinstance(value, int) and value.bit_length() > 1000:  # past what repr() will do
            return "int", hex(value)
        if hasattr(value, "co_code"):
            return "code", self._nested_digest(self._nested_form(value))
        return (value,)

    def _variable(self, name: str) -> int:
        if name in self._code.co_freevars:
            return self._free.setdefault(name, len(self._free))
        return self._locals.setdefault(name, len(self._locals))

    def _label(self, index: int) -> Any:
        index = self._settled(index)
        if index in self._placed:
            return "@", self._placed[index]
        if index not in self._labels or self._is_way_out(index):
            self._labels[index] = self._label_count
            self._work.append((index, self._label_count))
            self._label_count += 1
        return self._labels[index]

    def _settled(self, index: int) -> int:
        """Return where the next instruction that counts is."""
        op = self._list[index].op
        if op not in JUMPS and op not in SILENT and index not in self._dropped:
            return index
        for _ in range(len(self._list)):  # ``while True: pass`` never arrives anywhere
            instruction = self._list[index]
            if instruction.op in JUMPS:
                index = self._index[instruction.target]
            elif instruction.op in SILENT or index in self._dropped:
                index += 1
            else:
                break
        return index

    def _is_way_out(self, index: int) -> bool:
        """Tell whether only a few instructions without a choice follow until the function ends."""
        return index not in self._caught and self._to_exit(index) <= _LONGEST_EXIT

    def _to_exit(self, index: int) -> int:
        """Count the instructions until the function ends, if there is only one way."""
        start, passed, count = index, [], _NO_EXIT
        while index not in self._exits:
            passed.append(index)
            instruction = self._list[index]
            self._exits[index] = _NO_EXIT  # until it is known better; a loop never ends
            if instruction.op in EXITS:
                count = 0
                break
            if instruction.target >= 0:
                break
            index = self._settled(index + 1)
        else:
            count = self._exits[index]
        for earlier in reversed(passed):
            count = min(count + 1, _NO_EXIT)
            self._exits[earlier] = count
        return self._exits[start]

    def _unwanted(self) -> set[int]:
        """Find instructions that only make annotations, docstrings and names."""
        found: set[int] = set()
        for index, instruction in enumerate(self._list):
            if instruction.op == "STORE_NAME" and instruction.name in _CLASS_FACTS:
                before = self._list[index - 1]
                if before.op in ("LOAD_CONST", "LOAD_NAME"):
                    found |= {index - 1, index}
            elif instruction.op == "MAKE_FUNCTION":
                found |= self._annotations(index)
        return found

    def _annotations(self, index: int) -> set[int]:
        """Find what makes the annotations of a nested function that is made at `index`."""
        setters = set()
        has_closure, annotated = self._list[index].arg & 8, bool(self._list[index].arg & 4)
        after = index + 1
        while self._list[after].op == "SET_FUNCTION_ATTRIBUTE":  # Python 3.13
            has_closure |= self._list[after].arg & 8
            if self._list[after].arg == 4:
                annotated = True
                setters.add(after)
            after += 1
        if not annotated:
            return set()
        end = index - 1  # at the code object
        if has_closure:
            end -= 1 + self._list[end - 1].arg
        height, start = 0, end
        while height != 1:
            start -= 1
            if start < 0 or self._list[start].target >= 0:
                return set()
            height += stack_effect(self._list[start])
        return setters | set(range(start, end))
