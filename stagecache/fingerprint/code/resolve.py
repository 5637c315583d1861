"""Decides what a mentioned name stands for in the living program, and where that is held.

How much of the thing found counts is decided by ``reach``.
"""

from __future__ import annotations

import sys
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.looking import names_of
from stagecache.fingerprint.origin import is_user_class, is_user_code, is_user_module

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from stagecache.fingerprint.code.mentions import Mention

MISSING: Any = type("_Missing", (), {"__repr__": lambda _: "missing"})()

# What Python itself puts into every module. It says where code is, which does not count.
MODULE_FACTS = frozenset({
    "__name__", "__file__", "__doc__", "__spec__", "__loader__", "__package__", "__path__",
    "__cached__", "__builtins__", "__dict__",
})  # fmt: skip


class Slot(NamedTuple):
    """A place that holds something: ``holder[name]``, or the cell `holder` where name is empty."""

    holder: Any
    name: str

    @property
    def key(self) -> tuple[int, str]:
        """What two slots share if they are the same place."""
        return id(self.holder), self.name

    def content(self) -> Any:
        """Return what is held there now; ``MISSING`` if nothing is."""
        if isinstance(self.holder, CellType):
            try:
                return self.holder.cell_contents
            except ValueError:
                return MISSING
        holder = names_of(self.holder) if isinstance(self.holder, type) else self.holder
        return holder.get(self.name, MISSING)


class Found(NamedTuple):
    """What a mention stands for."""

    value: Any
    """``MISSING`` if there is nothing of that name."""
    slot: Slot | None
    """Where the value is held; None: it is a builtin, or nowhere."""
    rest: tuple[str, ...]
    """Attributes of the value that are not followed because it is not ours to look into."""
    seen: tuple[tuple[Slot, Any], ...]
    """Every place on the way with what it held."""


class Foreign:
    """A module that is not the user's and not imported yet: nothing but its name is needed."""

    def __init__(self, name: str) -> None:
        self.__name__ = name


class Scope(NamedTuple):
    """Where the code of one function looks up names."""

    globals: dict[str, Any]
    builtins: Mapping[str, Any]
    cells: Mapping[str, Any]


def scope_of(fn: FunctionType, code: CodeType) -> Scope:
    """Return where a function looks up names, of which this is the code."""
    cells = dict(zip(code.co_freevars, fn.__closure__ or (), strict=False))
    function: Any = fn
    return Scope(fn.__globals__, function.__builtins__, cells)


def resolve(mention: Mention, scope: Scope) -> Found:
    """Follow a dotted name through modules and functions of the user's.

    Examples
    --------
    >>> import json
    >>> from stagecache.fingerprint.code.mentions import Mention
    >>> scope = Scope({"json": json}, {"len": len}, {})
    >>> resolve(Mention("global", "json", ("dumps",)), scope)[::2]
    (<module 'json' from '...'>, ('dumps',))
    >>> resolve(Mention("global", "len"), scope).value
    <built-in function len>
    """
    seen: list[tuple[Slot, Any]] = []
    value, slot = _first(mention, scope, seen)
    rest = mention.attributes
    while rest and value is not MISSING:
        name = rest[0]
        holder = _namespace(value, name)
        if holder is None:
            break
        if name == "__dict__" and isinstance(value, ModuleType):  # all of it may be meant
            return Found(value, slot, (), tuple(seen))
        found = holder.get(name, MISSING)
        if found is MISSING:
            if not isinstance(value, ModuleType):
                break
            found = _module_attribute(value, name, imports=mention.kind == "import")
            if found is MISSING:
                return Found(MISSING, Slot(holder, name), rest, tuple(seen))
        else:
            seen.append((Slot(holder, name), found))
        slot = Slot(holder, name)
        value, rest = found, rest[1:]
    return Found(value, slot, rest, tuple(seen))


def _first(mention: Mention, scope: Scope, seen: list[tuple[Slot, Any]]) -> tuple[Any, Slot | None]:
    name = mention.name
    if mention.kind == "global":
        slot = Slot(scope.globals, name)
        value = scope.globals.get(name, MISSING)
        seen.append((slot, value))
        if value is MISSING:  # The empty place is remembered: it may shadow the builtin later.
            value = scope.builtins.get(name, MISSING)
            return value, slot if value is MISSING else None
        return value, slot
    if mention.kind == "free":
        cell = scope.cells.get(name)
        if cell is None:
            return MISSING, None
        try:
            value = cell.cell_contents
        except ValueError:
            value = MISSING
        slot = Slot(cell, "")
        seen.append((slot, value))
        return value, slot
    return _imported(name, scope.globals, seen), None


def _namespace(value: Any, name: str) -> Any:
    """Return where attributes of a module or function of the user's are, else None.

    What the user put in the place of something in a library's module is the user's, too.
    """
    if issubclass(type(value), ModuleType):  # what claims to be one is none
        mine = is_user_module(value.__name__) or is_code_of_the_user(value.__dict__.get(name))
        return value.__dict__ if mine else None
    if type(value) is FunctionType:
        return value.__dict__
    return None


def is_code_of_the_user(value: Any) -> bool:
    """Tell whether a value is a function or a class of the user's."""
    if isinstance(value, FunctionType):
        return is_user_code(value.__globals__)
    return isinstance(value, type) and is_user_class(value)


def _module_attribute(module: ModuleType, name: str, *, imports: bool) -> Any:
    """Return what a module has beside its namespace: a submodule, or what its __getattr__ gives."""
    full = f"{module.__name__}.{name}"
    try:
        if imports and hasattr(module, "__path__"):
            __import__(full)
    except ModuleNotFoundError:
        pass
    except Exception:  # noqa: BLE001 - it is the user's, and may raise anything
        return MISSING
    submodule = sys.modules.get(full)
    if submodule is not None:
        return submodule
    try:
        return getattr(module, name)
    except Exception:  # noqa: BLE001 - as above
        return MISSING


def _imported(name: str, namespace: dict[str, Any], seen: list[tuple[Slot, Any]]) -> Any:
    """Return the module that an import statement inside of a function binds.

    A module of the user's is imported if it is not yet: the function would do so too, and its
    fingerprint may not depend on whether it ran before. Others are only named.
    """
    level, dotted, *whole = name.split("|")
    package = ""
    if int(level):
        package = namespace.get("__package__") or ""
        if not package:
            own = str(namespace.get("__name__", ""))
            package = own if "__path__" in namespace else own.rpartition(".")[0]
        parts = package.split(".")
        package = ".".join(parts[: len(parts) - int(level) + 1])
        dotted = f"{package}.{dotted}" if dotted else package
    wanted = dotted if whole or int(level) else dotted.partition(".")[0]
    module = sys.modules.get(wanted)
    if module is None or (dotted not in sys.modules and is_user_module(dotted)):
        if not is_user_module(dotted):
            return Foreign(wanted)
        try:
            __import__(dotted)
        except Exception:  # noqa: BLE001 - the user's module may raise anything
            return MISSING
        module = sys.modules.get(wanted)
        if module is None:
            return MISSING
    seen.append((Slot(sys.modules, wanted), module))
    return module
