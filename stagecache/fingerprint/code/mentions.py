"""Decides which names from outside a code object mentions, and which of them it fills.

What the names stand for in a living program is decided by ``resolve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from stagecache.fingerprint.code.instructions import JUMPS, SILENT, effect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.code.instructions import Instruction


class Mention(NamedTuple):
    """A dotted name that code reaches outside of itself, for example ``mod.sub.f``."""

    kind: Literal["global", "free", "import", "first"]
    """Where the first name is looked up: among globals, in a closure, by an import statement
    inside of the function; ``first`` is the first argument of a method."""
    name: str
    """The first name; of an import ``level|module``, with a third ``|`` if the whole dotted
    module was bound (``from a.b import``), else its top package (``import a.b``)."""
    attributes: tuple[str, ...] = ()
    passing: bool = False
    """Only bound to a local name here; what is done with that is mentioned on its own."""

    @property
    def dotted(self) -> str:
        """The name as a person wrote it."""
        first = self.name.split("|")[1] if self.kind == "import" else self.name
        return ".".join((first, *self.attributes))

    def then(self, *attributes: str) -> Mention:
        """Return the mention of an attribute of what this one mentions."""
        return self._replace(attributes=self.attributes + attributes, passing=False)


class Fill(NamedTuple):
    """A slot that code assigns (``x.a = 1``) or whose container it fills (``x.a[k] = 1``)."""

    slot: Mention
    assigned: bool


Aliases = dict[str, list[Mention]]

MUTATORS = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert",
    "move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault",
    "sort", "subtract", "update", "__setitem__", "__delitem__",
})  # fmt: skip
"""Methods that fill or empty one of Python's own containers."""

FACTS = frozenset({"__name__", "__qualname__", "__doc__", "__annotations__"})
"""What functions and classes say of themselves: it counts only where code asks for it."""

_EVALUATIONS = frozenset({"eval", "exec", "globals"})
_ASKED = _EVALUATIONS | {"get", "import_module", "__import__"}
"""Functions whose first argument, where it is a constant, is a name that code looks up."""

_ROOTS: dict[str, Literal["global", "free"]] = {
    "LOAD_GLOBAL": "global",
    "LOAD_FROM_DICT_OR_GLOBALS": "global",
    "LOAD_NAME": "global",
    "LOAD_DEREF": "free",
    "LOAD_CLASSDEREF": "free",
    "LOAD_FROM_DICT_OR_DEREF": "free",
}
_OUTER_STORES: dict[str, Literal["global", "free"]] = {
    "STORE_GLOBAL": "global",
    "DELETE_GLOBAL": "global",
    "STORE_DEREF": "free",
    "DELETE_DEREF": "free",
}
_STORES = {"STORE_FAST", "STORE_DEREF", "STORE_NAME"}
_PUSH_NOTHING = ("POP_", "STORE_", "DELETE_", "LIST_", "SET_", "MAP_", "DICT_")
_ITEM_STORES = {"STORE_SUBSCR", "DELETE_SUBSCR"}


class Reading:
    """The instructions of one code object, read for the outside names they mention.

    Parameters
    ----------
    code : sequence of Instruction
        As ``instructions`` gives them.
    constants : sequence of object
        The code object's ``co_consts``.
    free : collection of str
        Names that an enclosing function or class holds.
    targets : set of int
        Where jumps and handlers arrive, in code units.
    first : str
        Name of the first argument, or empty.
    """

    def __init__(
        self,
        code: Sequence[Instruction],
        constants: Sequence[object],
        free: AbstractSet[str],
        targets: AbstractSet[int],
        first: str,
    ) -> None:
        self.code = code
        self._constants = constants
        self._free = free
        self._targets = targets
        self._first = first
        self._stores_items = any(i.op in _ITEM_STORES or i.op == "STORE_SLICE" for i in code)
        self._roots: dict[int, Mention] = {}
        stored = set()  # by the body of a class, where a name is its own from then on
        for index, instruction in enumerate(code):
            kind = _ROOTS.get(instruction.op)
            if instruction.op == "STORE_NAME":
                stored.add(instruction.name)
            if kind is None or instruction.name in stored:
                continue
            if kind == "global" or instruction.name in free:
                self._roots[index] = Mention(kind, instruction.name)
        self.aliases: Aliases = {}
        for index in range(len(code)):
            for mention, after in self._bindable(index):
                bound = self.bound_to(after)
                if bound:
                    self.aliases.setdefault(bound, []).append(mention)

    def root(self, index: int) -> Mention | None:
        """Return the outside name that the instruction loads, if it loads one."""
        return self._roots.get(index)

    def loads(self) -> list[int]:
        """Return where names are loaded or stored that may stand for something outside."""
        local = {self._first, *self.aliases}
        return [
            index
            for index, instruction in enumerate(self.code)
            if index in self._roots or instruction.name in local or instruction.op in _OUTER_STORES
        ]

    def chain(self, index: int) -> tuple[tuple[str, ...], int]:
        """Return the attributes taken at once of what `index` loads, and where that ends."""
        attributes = []
        end = index + 1
        while end < len(self.code):
            instruction = self.code[end]
            if instruction.op == "LOAD_ATTR" and instruction.at not in self._targets:
                attributes.append(instruction.name)
            elif instruction.op not in SILENT:
                break
            end += 1
        return tuple(attributes), end

    def bound_to(self, index: int) -> str:
        """Return the local name to which the instruction stores, or an empty string."""
        if index < len(self.code):
            instruction = self.code[index]
            if instruction.op in _STORES and instruction.at not in self._targets:
                return instruction.name
        return ""

    def imported(self, index: int) -> Iterator[tuple[Mention, int]]:
        """Yield what an import statement that starts at `index` brings, and where that is bound."""
        name = self.code[index].name
        level = self._constant(index - 2)
        if self._constant(index - 1):
            module = Mention("import", f"{level}|{name}|")
            yield module, -1
        else:
            module = Mention("import", f"{level}|{name}")
            yield module, index + 1
        end = index + 1
        taken: tuple[str, ...] = ()
        while end < len(self.code) and self.code[end].op == "IMPORT_FROM":
            part = self.code[end].name
            if self._constant(index - 1):
                yield module._replace(attributes=(part,)), end + 1
                end += 2
            else:  # import a.b.c as x: IMPORT_FROM b, SWAP, POP_TOP, IMPORT_FROM c
                taken = (*taken, part)
                yield module._replace(attributes=taken), end + 1
                end += 3

    def local(self, index: int) -> list[Mention]:
        """Return the outside names for which the local that `index` loads may stand."""
        instruction = self.code[index]
        if instruction.op in ("LOAD_FAST", "LOAD_DEREF", "LOAD_NAME"):
            return self.aliases.get(instruction.name, [])
        return []

    def filled(self, index: int) -> Iterator[Fill]:
        """Yield the slots that are assigned or filled through what the instruction loads."""
        instruction = self.code[index]
        stored = _OUTER_STORES.get(instruction.op)
        if stored == "global" or (stored == "free" and instruction.name in self._free):
            yield Fill(Mention(stored, instruction.name), assigned=True)
            return
        root = self.root(index)
        roots = self.local(index) if root is None else [root]
        attributes, end = self.chain(index)
        if instruction.op == "LOAD_FAST" and instruction.name == self._first:
            roots = [Mention("first", instruction.name)]
            if not attributes and self._is_its_type(index, end):  # type(self) is self.__class__
                attributes, end = self.chain(end)
                attributes = ("__class__", *attributes)
        if not roots:
            return
        for root in roots:
            whole = root.then(*attributes)
            following = self.code[end]
            if root.kind == "first" and len(attributes) > 1 and attributes[-1] in MUTATORS:
                yield Fill(root.then(*attributes[:-1]), assigned=False)
            elif following.op in ("STORE_ATTR", "DELETE_ATTR"):
                yield Fill(whole.then(following.name), assigned=True)
            elif following.op == "COPY" and self.code[end + 1].op == "LOAD_ATTR":
                # owner.name += …
                yield Fill(whole.then(self.code[end + 1].name), assigned=True)
            elif (
                self._stores_items
                and (whole.kind != "first" or attributes)
                and self._is_item_filled(end)
            ):
                yield Fill(whole, assigned=False)

    def asked(self, index: int, attributes: tuple[str, ...], end: int) -> str | None:
        """Return the text that something like ``os.environ`` or ``import_module`` is asked for.

        A global that holds the text is returned as ``$NAME``; None: nothing constant is asked.
        An empty text says that ``globals`` or ``eval`` is asked for what only running tells.
        """
        last = (attributes[-1] if attributes else self.code[index].name).lower()
        if last in _EVALUATIONS and not attributes:
            end = self._after_call(end) if last == "globals" else end
            return self._asked(end, last) or ""
        if self.code[end].op == "CONTAINS_OP":
            return self._text(index - 1) if "env" in last else None
        return self._asked(end, last)

    def _asked(self, end: int, last: str) -> str | None:
        following = self.code[end]
        if following.op not in ("LOAD_CONST", "LOAD_GLOBAL"):
            return None
        if self.code[end + 1].op in _ITEM_STORES:  # it is set or deleted
            return None
        if self.code[end + 1].op == "BINARY_SUBSCR":
            return self._text(end)
        if (last in _ASKED or "env" in last) and self._is_first_argument(end):
            return self._text(end)
        return None

    def told(self, dropped: AbstractSet[int]) -> Iterator[str]:
        """Yield the facts that code asks unknown functions and classes for.

        ``__name__ of a class`` is asked of what a call returns, as in ``type(error).__name__``.
        ``type`` may be asked of a field of a dataclass.
        """
        for index, instruction in enumerate(self.code):
            name = instruction.name
            if instruction.op == "LOAD_ATTR" and (name in FACTS or name == "type"):
                if index in dropped or self._is_of_a_mention(index):
                    continue
                before = self.code[index - 1]
                is_class = before.op.startswith("CALL") or before.name == "__class__"
                yield f"{name} of a class" if is_class and name.endswith("name__") else name
            elif instruction.op == "LOAD_CONST" and index not in dropped:
                value = self._constants[instruction.arg]
                if isinstance(value, str) and value in FACTS:
                    yield value

    def _is_of_a_mention(self, index: int) -> bool:
        """Tell whether an attribute is taken of an outside name, which is then known."""
        while index and self.code[index].op in ("LOAD_ATTR", *SILENT):
            index -= 1
        return index in self._roots

    def _is_first_argument(self, index: int) -> bool:
        """Tell whether what is loaded at `index` is passed as it is, and no part of a text."""
        height = 1
        for instruction in self.code[index + 1 :]:
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

    def _after_call(self, index: int) -> int:
        """Return where the result of a call without arguments is looked into."""
        while self.code[index].op in SILENT:
            index += 1
        if self.code[index].op != "CALL" or self.code[index].arg:
            return index
        index += 1
        while self.code[index].op in SILENT or self.code[index].name == "get":
            index += 1
        return index

    def _is_its_type(self, index: int, end: int) -> bool:
        """Tell whether ``type`` is called with nothing but what `index` loads."""
        before = index - 1
        while before >= 0 and self.code[before].op in SILENT:
            before -= 1
        call = self.code[end]
        asks = before >= 0 and self._roots.get(before) == Mention("global", "type")
        return asks and call.op == "CALL" and call.arg == 1

    def _text(self, index: int) -> str | None:
        instruction = self.code[index]
        if instruction.op == "LOAD_GLOBAL":
            return "$" + instruction.name
        value = self._constant(index)
        return value if isinstance(value, str) and value.isprintable() else None

    def _constant(self, index: int) -> object:
        instruction = self.code[index]
        return self._constants[instruction.arg] if instruction.op == "LOAD_CONST" else None

    def _bindable(self, index: int) -> Iterator[tuple[Mention, int]]:
        """Yield what is brought at `index`, and where it may be bound to a local name."""
        if self.code[index].op == "IMPORT_NAME":
            yield from self.imported(index)
        elif index in self._roots:
            attributes, end = self.chain(index)
            yield self._roots[index].then(*attributes), end

    def _is_item_filled(self, start: int) -> bool:
        """Tell whether an item of the object that is on top of the stack at `start` is stored."""
        above = 0
        index = start
        while index < len(self.code):
            instruction = self.code[index]
            op = instruction.op
            if (op in _ITEM_STORES and above == 1) or (op == "STORE_SLICE" and above == 2):
                return True
            if op == "COPY" and above == 1 and self._copies_item(index):  # container[key] += …
                return True
            if op in JUMPS:
                index = self._index_of(instruction.target)
                if index <= start:  # a loop: the object cannot outlive it on the stack
                    return False
                start = index
                continue
            if op == "SWAP" and (above == 0 or instruction.arg == above + 1):
                return False  # it is moved: only the key of container[key] += … is
            if op == "BINARY_SUBSCR" and above == 1:  # an item of the object may be filled too
                above = 0
            else:
                above += effect(instruction)
                if above < (0 if op in SILENT or op.startswith(_PUSH_NOTHING) else 1):
                    return False
            index += 1
        return False

    def _index_of(self, at: int) -> int:
        return next((k for k, i in enumerate(self.code) if i.at == at), -1)

    def _copies_item(self, index: int) -> bool:
        first, second = self.code[index], self.code[index + 1]
        return first.arg == 2 and second.op == "COPY" and second.arg == 2
