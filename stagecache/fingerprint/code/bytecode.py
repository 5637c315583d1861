"""Decides the normal form of a code object: equal for code that does the same in the same way.

Neither where the source stands, nor how it is laid out, nor what was compiled beside it, nor the
names of its locals are in. What the outside names stand for is decided by ``resolve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.fingerprint.code.asked import asked
from stagecache.fingerprint.code.fills import Fill, filled
from stagecache.fingerprint.code.instructions import EXITS, JUMPS
from stagecache.fingerprint.code.layout import Layout
from stagecache.fingerprint.code.mentions import Mention, Reading

if TYPE_CHECKING:
    from types import CodeType

    from stagecache.fingerprint.code.instructions import Instruction

# VARARGS, VARKEYWORDS, GENERATOR, COROUTINE, ITERABLE_COROUTINE, ASYNC_GENERATOR: the other
# flags say how the code was compiled, such as ``from __future__ import annotations``.
_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
_TESTS = {
    "POP_JUMP_IF_FALSE": ("truth", False),
    "POP_JUMP_IF_TRUE": ("truth", True),
    "POP_JUMP_IF_NONE": ("none", True),
    "POP_JUMP_IF_NOT_NONE": ("none", False),
}
_CONSTANTS = {"LOAD_CONST", "KW_NAMES"}
_VARIABLES = {
    f"{verb}_{place}"
    for verb in ("LOAD", "STORE", "DELETE")
    for place in ("FAST", "DEREF", "CLOSURE", "CLASSDEREF")
} | {"LOAD_FAST_AND_CLEAR", "LOAD_FROM_DICT_OR_DEREF"}


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
    told: tuple[str, ...] = ()
    """Facts, such as ``__name__``, that are asked of unknown functions and classes; sorted."""


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
    """Writes the instructions of one code object in the order in which they follow each other."""

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._layout = Layout(code)
        self._list = self._layout.list
        self._free_names = frozenset(code.co_freevars)
        self._cells = {*code.co_cellvars, *code.co_freevars}
        first = code.co_varnames[0] if code.co_argcount else ""
        arguments = code.co_argcount + code.co_kwonlyargcount
        arguments += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
        self._arguments = code.co_varnames[:arguments]
        self._reading = Reading(
            self._list,
            code.co_consts,
            self._free_names,
            self._layout.targets,
            first,
            self._arguments,
        )
        self._locals = {name: k for k, name in enumerate(self._arguments)}
        self._free: dict[str, int] = {}
        self._mentions: dict[Mention, int] = {}
        self._roots: dict[tuple[str, str], int] = {}
        self._fills: dict[Fill, None] = {}
        self._asked: dict[tuple[Mention, str], None] = {}
        self._told = set(self._reading.told(self._layout.dropped))
        self._tokens: list[Any] = []
        self._placed: dict[int, int] = {}
        self._labels: dict[int, int] = {}
        self._label_count = 0
        self._work: list[tuple[int, int]] = []

    def write(self) -> Form:
        code = self._code
        self._work.append((self._layout.settled(0), -1))
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
            if index not in self._layout.dropped:
                for fill in filled(self._reading, index):
                    self._fills[fill] = None
        return Form(
            xxh3_128_digest(ascii((head, self._tokens)).encode()),
            tuple(self._mentions),
            tuple(self._fills),
            tuple(self._asked),
            tuple(self._free),
            tuple(sorted(self._told)),
        )

    def _write_from(self, index: int, label: int) -> None:
        """Follow the code from `index` until it returns, raises, or joins what is written already.

        Jumps are followed rather than written, and short ways out are written again for every
        jump to them: the compiler may have copied them, or not.
        """
        add = self._tokens.append
        layout = self._layout
        counts, protected, placed = layout.counts, layout.protected, self._placed
        add(("LABEL", label))
        handler: Any = None
        copying = False
        while True:
            if not copying:
                copying = layout.is_way_out(index)
                if not copying:
                    if index in placed:
                        add(("GOTO", placed[index]))
                        return
                    placed[index] = len(self._tokens)
                    if self._labels.get(index, label) != label:
                        add(("LABEL", self._labels[index]))
            instruction = self._list[index]
            op = instruction.op
            now = protected.get(instruction.at)
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
            if not counts[index]:
                index = layout.settled(index)

    def _write_branch(self, index: int, instruction: Instruction) -> int:
        """Write a conditional jump and return where the writing goes on."""
        op, target = self._layout.branch(instruction)
        if op not in _TESTS:
            self._tokens.append((op, self._label(target)))
            return index + 1
        what, jumps_if = _TESTS[op]
        yes, no = (target, index + 1) if jumps_if else (index + 1, target)
        self._tokens.append((what, self._label(no)))
        return yes

    def _write_plain(self, index: int, instruction: Instruction) -> int:
        """Write one instruction, or several that are one to the reader."""
        _, op, arg, name, _ = instruction
        add = self._tokens.append
        root = self._reading.roots.get(index)
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
            add((op, self._root_number(Mention("global", name))))
        elif name:
            add((op, name))
            self._write_alias(index)
        else:
            add((op, arg))
        return index + 1

    def _write_import(self, index: int) -> None:
        for mention, end in self._reading.imported(index):
            passing = bool(self._reading.bound_to(end)) or not mention.attributes
            self._tokens.append(self._number(mention._replace(passing=passing)))

    def _write_mention(self, index: int, root: Mention) -> int:
        attributes, end = self._reading.chain(index)
        passing = bool(self._reading.bound_to(end))
        mention = Mention(root.kind, root.name, attributes, passing)
        self._tokens.append(("MENTION", self._number(mention)))
        self._note_asked(mention, index, attributes, end)
        return end

    def _write_alias(self, index: int) -> None:
        """Write for which outside names a local may stand, with the attributes taken of it."""
        if not self._reading.aliases:
            return
        for mention in self._reading.local(index):
            attributes, end = self._reading.chain(index)
            whole = mention.then(*attributes)
            self._tokens.append(self._number(whole))
            self._note_asked(whole, index, attributes, end)

    def _note_asked(
        self, mention: Mention, index: int, attributes: tuple[str, ...], end: int
    ) -> None:
        text = asked(self._reading, index, attributes, end)
        if text is not None:
            self._asked[mention, text] = None

    def _number(self, mention: Mention) -> tuple[int, int]:
        """Return the numbers of a mention and of its first name, by first use.

        With both, it counts which names are the same and which are not, but not what they are.
        """
        root = self._root_number(mention)
        return self._mentions.setdefault(mention, len(self._mentions)), root

    def _root_number(self, mention: Mention) -> int:
        if mention.kind == "free":
            return self._variable(mention.name)
        return self._roots.setdefault((mention.kind, mention.name), len(self._roots))

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
        form, nested = self._nested(code)
        order = {name: k for k, name in enumerate(form.free)}
        held = sorted(
            (order.get(inner, count), self._list[index + k].name)
            for k, inner in enumerate(code.co_freevars)
        )
        self._tokens.append(("CLOSURE", tuple(self._variable(name) for _, name in held)))
        self._tokens.append(("CODE", *nested))
        return end + 2

    def _nested(self, code: CodeType) -> tuple[Form, tuple[Any, ...]]:
        """Return the form of a nested code object and what is written of it.

        What it mentions is numbered here anew, and what it takes of this function's locals is
        written out: its own form says neither.
        """
        form = normal_form(code)
        self._told.update(form.told)
        numbers: list[Any] = []
        for mention in form.mentions:
            if mention.kind == "free" and mention.name not in self._free_names:
                numbers.append(mention.attributes)
            numbers.extend(self._number(outer) for outer in self._outer(mention))
        for fill in form.fills:
            if fill.slot.kind not in ("first", "parameter"):
                for outer in self._outer(fill.slot):
                    self._fills[fill._replace(slot=outer)] = None
        for mention, text in form.asked:
            for outer in self._outer(mention):
                self._asked[outer, text] = None
        return form, (form.digest, numbers)

    def _outer(self, mention: Mention) -> list[Mention]:
        """Return what a name that a nested function mentions is outside of this one."""
        if mention.kind != "free" or mention.name in self._free_names:
            return [mention]
        held = self._reading.aliases.get(mention.name, [])
        return [outer.then(*mention.attributes) for outer in held]

    def _constant(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return "tuple", [self._constant(item) for item in value]
        if isinstance(value, frozenset):
            return "set", sorted(ascii(self._constant(item)) for item in value)
        if isinstance(value, int) and value.bit_length() > 1000:  # past what repr() will do
            return "int", hex(value)
        if hasattr(value, "co_code"):
            return "code", self._nested(value)[1]
        return (value,)

    def _variable(self, name: str) -> int:
        if name in self._free_names:
            return -1 - self._free.setdefault(name, len(self._free))
        return self._locals.setdefault(name, len(self._locals))

    def _label(self, index: int) -> Any:
        index = self._layout.settled(index)
        if index in self._placed:
            return "@", self._placed[index]
        if index not in self._labels or self._layout.is_way_out(index):
            self._labels[index] = self._label_count
            self._work.append((index, self._label_count))
            self._label_count += 1
        return self._labels[index]
