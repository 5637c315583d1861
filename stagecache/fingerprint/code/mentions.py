"""Decides which names from outside a code object mentions, at once or through local names.

What the names stand for in a living program is decided by ``resolve``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from stagecache.fingerprint.code.instructions import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.code.instructions import Instruction


class Mention(NamedTuple):
    """A dotted name that code reaches outside of itself, for example ``mod.sub.f``."""

    kind: Literal["global", "free", "import", "first", "parameter"]
    """Where the first name is looked up: among globals, in a closure, by an import statement
    inside of the function; ``first`` is the first argument of a method, ``parameter`` another."""
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
        return Mention(self.kind, self.name, self.attributes + attributes)


Aliases = dict[str, list[Mention]]

FACTS = frozenset({
    "__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__orig_bases__",
})  # fmt: skip
"""What functions and classes say of themselves: it counts only where code asks for it."""

TEXT, REPR, ORDER, BELOW = "text", "repr", "order", "subclasses"
"""What code may ask of any object besides: its texts, in which its class is called by its name, in
which order the names of a class stand, and which classes are made of it."""
_ASKING = {
    **dict.fromkeys(("str", "format", "format_map", "to_csv", "to_string"), TEXT),
    **dict.fromkeys(("repr", "ascii", "pformat", "format_exc", "format_exception"), REPR),
    **dict.fromkeys(("vars", "__dict__"), ORDER),
    "__subclasses__": BELOW,
}
_FORMATTING = frozenset({"FORMAT_VALUE", "CONVERT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC"})
_CONVERSION, _AS_REPR = 3, 2
_REMAINDERS = (6, 19)

_ROOTS: dict[str, Literal["global", "free"]] = {
    "LOAD_GLOBAL": "global",
    "LOAD_FROM_DICT_OR_GLOBALS": "global",
    "LOAD_NAME": "global",
    "LOAD_DEREF": "free",
    "LOAD_CLASSDEREF": "free",
    "LOAD_FROM_DICT_OR_DEREF": "free",
}
OUTER_STORES: dict[str, Literal["global", "free"]] = {
    "STORE_GLOBAL": "global",
    "DELETE_GLOBAL": "global",
    "STORE_DEREF": "free",
    "DELETE_DEREF": "free",
}
_STORES = {"STORE_FAST", "STORE_DEREF", "STORE_NAME"}
_REBINDING = {"STORE_FAST", "DELETE_FAST"}
ITEM_STORES = {"STORE_SUBSCR", "DELETE_SUBSCR"}
_ITEMS_STORED = {*ITEM_STORES, "STORE_SLICE"}


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
    arguments : collection of str, optional
        Names of all arguments.
    """

    def __init__(
        self,
        code: Sequence[Instruction],
        constants: Sequence[object],
        free: AbstractSet[str],
        targets: AbstractSet[int],
        first: str,
        arguments: Iterable[str] = (),
    ) -> None:
        self.code = code
        self.constants = constants
        self.free = free
        self._targets = targets
        self.first = first
        others = {name for name in arguments if name != first}
        self.parameters = others.difference(one.name for one in code if one.op in _REBINDING)
        """The other arguments, as far as they stay what they are."""
        self.stores_items = False
        self.roots: dict[int, Mention] = {}
        """The outside names that instructions load."""
        bringing = []
        stored = set()  # by the body of a class, where a name is its own from then on
        for index, (_, op, _, name, _) in enumerate(code):
            kind = _ROOTS.get(op)
            if kind is not None:
                if name not in stored and (kind == "global" or name in free):
                    self.roots[index] = Mention(kind, name)
                    bringing.append(index)
            elif op == "STORE_NAME":
                stored.add(name)
            elif op == "IMPORT_NAME":
                bringing.append(index)
            elif op in _ITEMS_STORED:
                self.stores_items = True
        self.aliases: Aliases = {}
        for index in bringing:
            for mention, after in self._bindable(index):
                bound = self.bound_to(after)
                if bound:
                    self.aliases.setdefault(bound, []).append(mention)

    def root(self, index: int) -> Mention | None:
        """Return the outside name that the instruction loads, if it loads one."""
        return self.roots.get(index)

    def loads(self) -> list[int]:
        """Return where names are loaded or stored that may stand for something outside."""
        local = {self.first, *self.parameters, *self.aliases}
        return [
            index
            for index, (_, op, _, name, _) in enumerate(self.code)
            if index in self.roots or name in local or op in OUTER_STORES
        ]

    def chain(self, index: int) -> tuple[tuple[str, ...], int]:
        """Return the attributes taken at once of what `index` loads, and where that ends."""
        attributes = []
        end = index + 1
        while end < len(self.code):
            instruction = self.code[end]
            if instruction.op == "LOAD_ATTR" and instruction.at not in self._targets:
                if instruction.name == "__module__" and self._is_for_a_log(end):
                    break
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
        level = self.constant(index - 2)
        if self.constant(index - 1):
            module = Mention("import", f"{level}|{name}|")
            yield module, -1
        else:
            module = Mention("import", f"{level}|{name}")
            yield module, index + 1
        end = index + 1
        taken: tuple[str, ...] = ()
        while end < len(self.code) and self.code[end].op == "IMPORT_FROM":
            part = self.code[end].name
            if self.constant(index - 1):
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

    def told(self, dropped: AbstractSet[int]) -> Iterator[str]:
        """Yield the facts that code asks unknown functions and classes for.

        ``__name__ of a class`` is asked of what a call returns, as in ``type(error).__name__``.
        ``type`` may be asked of a field of a dataclass.
        """
        for index, (_, op, arg, name, _) in enumerate(self.code):
            if name in _ASKING and op in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR"):
                yield _ASKING[name]
            elif op in _FORMATTING:
                yield TEXT if arg & _CONVERSION < _AS_REPR else REPR
            elif op == "BINARY_OP" and arg in _REMAINDERS and self._has_text("%"):
                yield REPR
            if op == "LOAD_ATTR" and (name in FACTS or name == "type"):
                if index in dropped or self._is_of_a_mention(index) or self._is_for_a_log(index):
                    continue
                before = self.code[index - 1]
                is_class = before.op.startswith("CALL") or before.name == "__class__"
                yield f"{name} of a class" if is_class and name.endswith("name__") else name
            elif op == "LOAD_CONST" and index not in dropped:
                value = self.constants[arg]
                if isinstance(value, str) and value in FACTS:
                    yield value

    def _has_text(self, part: str) -> bool:
        return any(isinstance(value, str) and part in value for value in self.constants)

    def _is_of_a_mention(self, index: int) -> bool:
        """Tell whether an attribute is taken of an outside name, which is then known."""
        while index and self.code[index].op in ("LOAD_ATTR", *SILENT):
            index -= 1
        return index in self.roots

    def _is_for_a_log(self, index: int) -> bool:
        """Tell whether a logger is called like what is asked: ``getLogger(f.__module__)``."""
        return any(one.name == "getLogger" for one in self.code[max(index - 4, 0) : index])

    def constant(self, index: int) -> object:
        """Return the constant that the instruction loads; None also if it loads none."""
        instruction = self.code[index]
        return self.constants[instruction.arg] if instruction.op == "LOAD_CONST" else None

    def _bindable(self, index: int) -> Iterator[tuple[Mention, int]]:
        """Yield what is brought at `index`, and where it may be bound to a local name."""
        if self.code[index].op == "IMPORT_NAME":
            yield from self.imported(index)
        else:
            attributes, end = self.chain(index)
            yield self.roots[index].then(*attributes), end
