"""Decides what names stand for in the text of a program: which of them are a library's."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.foreign import name_of
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.origin import is_user_module

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_STDLIB = os.path.dirname(os.__file__) + os.sep


class Names:
    """What names stand for where a program runs; it adds its own.

    Parameters
    ----------
    package : str, optional
        The package of the program, from which relative imports start.
    """

    def __init__(self, package: str = "") -> None:
        self._package = package
        self._imported: dict[str, str] = {}
        self.meant: dict[str, ast.expr] = {}
        """What a program got from a library: ``context = decimal.getcontext()``."""
        self.doubts: set[str] = set()
        """Names that were asked for and that other modules of the user's may give a meaning."""

    def bind(self, imported: Iterable[tuple[str, str]]) -> None:
        """Take names that import statements bind, with what they stand for."""
        for name, full in imported:
            if full.startswith("."):
                above = len(full) - len(full.lstrip("."))
                parts = self._package.split(".")
                full = ".".join([*parts[: len(parts) - above + 1], full[above:]])
            self._imported.pop(name, None)
            if name != "*":
                self._imported[name] = full
                continue
            self.doubts.add(full)
            module = sys.modules.get(full.removesuffix(".*"))
            public = own_names(module)
            for each in public.get("__all__", [one for one in public if one[:1] != "_"]):
                self._imported[str(each)] = f"{full.removesuffix('*')}{each}"

    def inside(self, imported: Iterable[tuple[str, str]]) -> Names:
        """Return what names stand for in a function that imports some itself."""
        names = Names(self._package)
        names._imported = {**self._imported}
        names.meant = {**self.meant}
        names.doubts = self.doubts
        names.bind(imported)
        return names

    def full_name(self, name: str) -> str | None:
        """Return the full name of what was imported under a name; None: nothing was."""
        return self._imported.get(name)

    def in_library(self, name: str) -> str | None:
        """Return the full name of something of a library's, also if a module of the user's has it.

        None: the name stands for something else.
        """
        full = self._imported.get(name)
        if full is None or not is_program(full.partition(".")[0]):
            return full
        self.doubts.add(full)
        found: Any = None
        parts = full.split(".")
        for count in range(1, len(parts) + 1):
            found = sys.modules.get(".".join(parts[:count])) or own_names(found).get(
                parts[count - 1]
            )
        if isinstance(found, ModuleType):
            return None if is_program(found.__name__) else found.__name__
        if not callable(found):
            return None
        module, name = name_of(found)
        return None if is_program(module) else f"{_offering(module, name, found)}.{name}"


def _offering(module: str, name: str, found: Any) -> str:
    """Return the module by which people know what a module in C defines: ``decimal``."""
    public = module.removeprefix("_")
    return public if own_names(sys.modules.get(public)).get(name) is found else module


def is_program(module: str) -> bool:
    """Tell whether a module is the user's; of most others their place tells it."""
    file = own_names(sys.modules.get(module)).get("__file__")
    if isinstance(file, str) and (
        file.startswith(_STDLIB) or any(part in file for part in _INSTALLED)
    ):
        return False
    return is_user_module(module)
