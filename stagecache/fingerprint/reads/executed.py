"""Sees which of the user's modules are imported by code that a body has executed by hand.

``exec(text)``, ``runpy.run_path`` and ``spec.loader.exec_module(module)`` run code that nothing
leads to. The file that it comes from is a read; what it imports from elsewhere is another input.
"""

from __future__ import annotations

import opcode
import sys
from contextlib import suppress
from importlib.util import resolve_name
from types import CodeType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_findable, is_user_module
from stagecache.fingerprint.reads.attribution import nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.fingerprint.reads.sightings import Sightings

_IMPORT = opcode.opmap["IMPORT_NAME"]
_OWN = __name__.rpartition(".")[0]


def executes(seen: Sightings, code: Any) -> None:
    """Note what a code object imports that is about to be executed by hand.

    What import statements bring is found in the code of the body, with all that it reaches.
    """
    if not isinstance(code, CodeType) or not any(map(_may_import, _all(code))):
        return
    package = _package()
    with nobody():  # to find out whose code it is may list folders
        for name in _imported(code, package):
            seen.imported(name)


def _package() -> str:
    """Return the package in which the code is executed, from which relative imports start."""
    frame: Any = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_OWN):
        frame = frame.f_back
    for _ in range(2):
        names = {} if frame is None else frame.f_locals
        found = names.get("pkg_name") or getattr(names.get("module"), "__package__", None)
        if isinstance(found, str):  # of runpy, or of a loader
            return found
        frame = frame and frame.f_back
    return ""


def _all(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all(constant)


def _may_import(code: CodeType) -> bool:
    return _IMPORT in code.co_code[::2]


def _imported(code: CodeType, package: str) -> Iterator[str]:
    """Yield the user's modules that code imports, or what it takes out of them."""
    from stagecache.fingerprint.code.instructions import instructions
    from stagecache.fingerprint.code.mentions import Reading

    for one in filter(_may_import, _all(code)):
        reading = Reading(instructions(one), one.co_consts, frozenset(), frozenset(), "")
        for index, instruction in enumerate(reading.code):
            if instruction.op != "IMPORT_NAME":
                continue
            level, taken = reading.constant(index - 2), reading.constant(index - 1)
            name = instruction.name
            if isinstance(level, int) and level:
                with suppress(ImportError, ValueError):
                    name = resolve_name("." * level + name, package)
            if not name or not is_user_module(name):
                continue
            if not isinstance(taken, tuple) or taken == ("*",):
                yield name
                continue
            for part in taken:
                yield f"{name}.{part}" if is_findable(f"{name}.{part}") else f"{name}:{part}"
