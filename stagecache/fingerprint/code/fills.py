"""Decides which of the outside names that code mentions it assigns, or fills as containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stagecache.fingerprint.code.instructions import JUMPS, SILENT, effect
from stagecache.fingerprint.code.mentions import ITEM_STORES, OUTER_STORES, Mention
from stagecache.fingerprint.code.mutating import MUTATORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.fingerprint.code.mentions import Reading


class Fill(NamedTuple):
    """A slot that code assigns (``x.a = 1``) or whose container it fills (``x.a[k] = 1``)."""

    slot: Mention
    assigned: bool
    item: str = ""
    """The constant key under which the container is filled: nothing else of it is."""
    inside: bool = False
    """Whether only what lies under that key is filled, by a method: ``x["log"].append(1)``."""
    named: bool = False
    """Whether it is only an item with a name of what lies there: ``x["seen"]["last"] = 1``."""


_ITEM = "BINARY_SUBSCR"
_KEYS = ("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL")
_PUSH_NOTHING = ("POP_", "STORE_", "DELETE_", "LIST_", "SET_", "MAP_", "DICT_")


def filled(reading: Reading, index: int) -> Iterator[Fill]:
    """Yield the slots that are assigned or filled through what the instruction loads."""
    instruction = reading.code[index]
    stored = OUTER_STORES.get(instruction.op)
    if stored == "global" or (stored == "free" and instruction.name in reading.free):
        yield Fill(Mention(stored, instruction.name), assigned=True)
        return
    root = reading.root(index)
    roots = reading.local(index) if root is None else [root]
    attributes, end = reading.chain(index)
    if instruction.op == "LOAD_FAST" and instruction.name in reading.parameters:
        yield from _filled_parameter(reading, instruction.name, attributes, end)
        return
    if instruction.op == "LOAD_FAST" and instruction.name == reading.first:
        roots = [Mention("first", instruction.name)]
        if not attributes and _is_its_type(reading, index, end):  # type(self) is self.__class__
            attributes, end = reading.chain(end)
            attributes = ("__class__", *attributes)
    if not roots:
        return
    for root in roots:
        whole = root.then(*attributes)
        following = reading.code[end]
        if root.kind == "first" and len(attributes) > 1 and attributes[-1] in MUTATORS:
            yield Fill(root.then(*attributes[:-1]), assigned=False)
        elif following.op in ("STORE_ATTR", "DELETE_ATTR"):
            yield Fill(whole.then(following.name), assigned=True)
        elif set_by_name := _name_that_is_set(reading, index, end):
            yield Fill(whole.then(set_by_name), assigned=True)
        elif following.op == "COPY" and reading.code[end + 1].op == "LOAD_ATTR":
            # owner.name += …
            yield Fill(whole.then(reading.code[end + 1].name), assigned=True)
        elif (
            reading.stores_items
            and (whole.kind != "first" or attributes)
            and _is_item_filled(reading, end)
        ):
            yield _filled_item(whole, reading, end)
        elif item := _item_that_is_mutated(reading, end):
            yield Fill(whole, False, item, inside=True)


def _filled_parameter(
    reading: Reading, name: str, attributes: tuple[str, ...], end: int
) -> Iterator[Fill]:
    """Yield what is filled of a parameter, which may be a memo that is its default."""
    whole = Mention("parameter", name)
    if attributes:
        if len(attributes) == 1 and attributes[0] in MUTATORS:
            yield Fill(whole, False)
    elif reading.stores_items and _is_item_filled(reading, end):
        yield _filled_item(whole, reading, end)
    elif item := _item_that_is_mutated(reading, end):
        yield Fill(whole, False, item, inside=True)


def _filled_item(whole: Mention, reading: Reading, start: int) -> Fill:
    item = _constant_key(reading, start)
    is_named = bool(item and reading.code[start + 1].op == _ITEM)
    return Fill(whole, False, item, named=is_named and bool(_constant_key(reading, start + 2)))


def _constant_key(reading: Reading, start: int) -> str:
    """Return the constant text under which an item of what is on top of the stack is stored."""
    key, following = reading.constant(start), reading.code[start + 1].op
    is_stored = following in ITEM_STORES or following in ("COPY", _ITEM)
    return key if isinstance(key, str) and key.isprintable() and is_stored else ""


def _item_that_is_mutated(reading: Reading, start: int) -> str:
    """Return the constant text under which lies what a method such as ``append`` fills."""
    key, index = reading.constant(start), start
    if not isinstance(key, str) or not key.isprintable():
        return ""
    while reading.code[index].op in _KEYS and reading.code[index + 1].op == _ITEM:
        attributes, index = reading.chain(index + 1)
        if attributes:
            return key if attributes[-1] in MUTATORS else ""
    return ""


def _is_its_type(reading: Reading, index: int, end: int) -> bool:
    """Tell whether ``type`` is called with nothing but what `index` loads."""
    call = reading.code[end]
    return _loaded_before(reading, index) == "type" and call.op == "CALL" and call.arg == 1


def _name_that_is_set(reading: Reading, index: int, end: int) -> str:
    """Return ``name`` of ``setattr(loaded, "name", …)`` or delattr; empty if that is not there."""
    if _loaded_before(reading, index) not in ("setattr", "delattr"):
        return ""
    name = reading.constant(end)
    return name if isinstance(name, str) else ""


def _loaded_before(reading: Reading, index: int) -> str:
    """Return the name of the global that is loaded right before `index`, or an empty string."""
    before = index - 1
    while before >= 0 and reading.code[before].op in SILENT:
        before -= 1
    root = reading.root(before) if before >= 0 else None
    return root.name if root is not None and root.kind == "global" else ""


def _is_item_filled(reading: Reading, start: int) -> bool:
    """Tell whether an item of the object that is on top of the stack at `start` is stored."""
    above = 0
    index = start
    while index < len(reading.code):
        instruction = reading.code[index]
        op = instruction.op
        if (op in ITEM_STORES and above == 1) or (op == "STORE_SLICE" and above == 2):
            return True
        if op == "COPY" and above == 1 and _copies_item(reading, index):  # container[key] += …
            return True
        if op in JUMPS:
            index = _index_of(reading, instruction.target)
            if index <= start:  # a loop: the object cannot outlive it on the stack
                return False
            start = index
            continue
        if op == "SWAP" and (above == 0 or instruction.arg == above + 1):
            return False  # it is moved: only the key of container[key] += … is
        if op == _ITEM and above == 1:  # an item of the object may be filled too
            above = 0
        else:
            above += effect(instruction)
            if above < (0 if op in SILENT or op.startswith(_PUSH_NOTHING) else 1):
                return False
        index += 1
    return False


def _index_of(reading: Reading, at: int) -> int:
    return next((k for k, i in enumerate(reading.code) if i.at == at), -1)


def _copies_item(reading: Reading, index: int) -> bool:
    first, second = reading.code[index], reading.code[index + 1]
    return first.arg == 2 and second.op == "COPY" and second.arg == 2
