"""Decides which data the user put onto modules and classes of libraries: ``string.limit = 5``.

A constant that a library has itself stands for nothing but its version, so it does not count by
value: it would do so only once its module is imported, which a body may be the first to do.
"""

from __future__ import annotations

import sys
from opcode import opmap
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.code.foreign import is_plain
from stagecache.fingerprint.code.resolve import MISSING, Slot
from stagecache.fingerprint.origin import is_user_class, is_user_module

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTENDED, _CONSTANT = opmap["EXTENDED_ARG"], opmap["LOAD_CONST"]
_STORES = (opmap["STORE_NAME"], opmap["STORE_GLOBAL"])
_CODE = (FunctionType, BuiltinFunctionType, type, ModuleType)
_OF_THE_PROCESS = {"sys", "builtins"}
"""What is put there cannot be told from what they say of the process and of the machine."""
_MAKERS = {"globals", "vars", "_convert_"}
"""By which modules give themselves names that their code does not spell out."""


class _Stores(NamedTuple):
    """What the code of a module stores, or of a class in it."""

    names: frozenset[str]
    constants: dict[str, list[Any]]
    """Of each name that holds only constants, which ones."""


_known: dict[str, _Stores | None] = {}


def places_of(value: Any, names: tuple[str, ...]) -> Iterator[tuple[Slot, Any]]:
    """Yield where attributes of a library's module or class are held, each with what is there.

    Parameters
    ----------
    value : module or class
        Of a library; nothing is found in anything else.
    names : tuple of str
        The attributes that code takes one of the other.
    """
    for name in names:
        slot = Slot(None, name)
        found = MISSING
        if issubclass(type(value), ModuleType) and not is_user_module(value.__name__):
            slot = Slot(value.__dict__, name)
            found = slot.content()
            yield slot, found
        elif isinstance(value, type) and not is_user_class(value):
            for cls in value.__mro__:
                slot = Slot(cls, name)
                found = slot.content()
                yield slot, found
                if found is not MISSING:
                    break
        if found is MISSING:
            return
        value = found


def is_put(slot: Slot, value: Any, module: str, *, loaded: bool = True) -> bool:
    """Tell whether the user put the data `value` in a place of the library's module `module`.

    Parameters
    ----------
    slot : Slot
        A place in the module or in a class of it.
    value : object
        What is there.
    module : str
        Its name.
    loaded : bool
        Whether whoever asks has the module for sure. Only then plain values count where it cannot
        be told which names are the module's own, because it is written in C or makes them by
        their text: what counts may not depend on who imports the module first.

    Examples
    --------
    >>> import string
    >>> is_put(Slot(vars(string), "digits"), "0123456789", "string")
    False
    >>> is_put(Slot(vars(string), "digits"), "01", "string")
    True
    >>> is_put(Slot(vars(string), "limit"), 5, "string")
    True
    """
    name = slot.name
    if value is MISSING or isinstance(value, _CODE) or name.startswith("__"):
        return False
    if module not in _known:
        _known[module] = _stores_of(module)
    stores = _known[module]
    if stores is None:
        in_module = isinstance(slot.holder, dict) and module not in _OF_THE_PROCESS
        return loaded and in_module and is_plain(value)
    if name not in stores.names:
        return is_plain(value) or _top(type(value).__module__) != _top(module)
    own = stores.constants.get(name)
    if own is None or not is_plain(value):
        return False
    return not any(type(one) is type(value) and one == value for one in own)


def is_own(name: str, module: str) -> bool:
    """Tell whether a name in the module `module` of a library, or in a class of it, is its own.

    Where that cannot be told, it is taken for one.
    """
    if module not in _known:
        _known[module] = _stores_of(module)
    stores = _known[module]
    return stores is None or name in stores.names


def _top(module: object) -> str:
    return str(module).partition(".")[0]


def module_of(slot: Slot) -> str:
    """Return the name of the module that has a place in itself or in one of its classes."""
    holder = slot.holder
    return str(holder.__module__ if isinstance(holder, type) else holder.get("__name__"))


def _stores_of(module: str) -> _Stores | None:
    """Read what a module's own code stores; None: it has no code, or does not spell it out."""
    try:
        spec: Any = sys.modules[module].__spec__
        code = spec.loader.get_code(module)
    except Exception:  # noqa: BLE001 - loaders are anybody's
        return None
    if not isinstance(code, CodeType):
        return None
    names: set[str] = set()
    constants: dict[str, list[Any]] = {}
    moving: set[str] = set()
    work = [code]
    while work:
        one = work.pop()
        if not _MAKERS.isdisjoint(one.co_names):
            return None
        work.extend(part for part in one.co_consts if isinstance(part, CodeType))
        for name, is_constant, constant in _stored(one):
            names.add(name)
            if is_constant:
                constants.setdefault(name, []).append(constant)
            else:
                moving.add(name)
    if ("*",) in code.co_consts:
        for name, constant in _brought_by_stars(code, spec.parent):
            names.add(name)
            constants.setdefault(name, []).append(constant)
    return _Stores(
        frozenset(names), {name: held for name, held in constants.items() if name not in moving}
    )


def _stored(code: CodeType) -> Iterator[tuple[str, bool, Any]]:
    """Yield the globals and names in classes that a code object stores, and constants for them."""
    raw = code.co_code
    ops = raw[::2]
    for store in _STORES:
        at = ops.find(store)
        while at >= 0:
            start, name = _argument(raw, ops, at)
            before = start - 1
            is_constant = before >= 0 and ops[before] == _CONSTANT
            constant = code.co_consts[_argument(raw, ops, before)[1]] if is_constant else None
            yield code.co_names[name], is_constant, constant
            at = ops.find(store, at + 1)


def _brought_by_stars(code: CodeType, package: str) -> Iterator[tuple[str, Any]]:
    """Yield what is in the modules that a module imports; which of them by a star is not asked."""
    for imported in code.co_names:
        for name in (imported, f"{package}.{imported}"):
            module = sys.modules.get(name)
            if module is not None:
                yield from vars(module).items()


def _argument(raw: bytes, ops: bytes, at: int) -> tuple[int, int]:
    """Return where an instruction starts, with what extends it, and its argument."""
    argument, shift, start = raw[2 * at + 1], 8, at
    while start and ops[start - 1] == _EXTENDED:
        start -= 1
        argument |= raw[2 * start + 1] << shift
        shift += 8
    return start, argument
