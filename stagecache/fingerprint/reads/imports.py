"""Sees which of the user's modules code imports by a name that is data.

``import_module("lib")`` with a constant is found in the code. A name that is worked out is known
only when the code has run: the module is then an input, like a file that the body opened.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import distribution_of, is_user_module
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners

if TYPE_CHECKING:
    from types import ModuleType


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    _wrap()


def _wrap() -> None:
    # What import_module calls: whoever bound import_module itself gets here too.
    bootstrap: Any = importlib._bootstrap
    load = getattr(bootstrap, "_gcd_import", None)
    if load is None:
        return

    def seen(name: Any, package: Any = None, level: int = 0) -> Any:
        try:
            module = load(name, package, level)
        except ModuleNotFoundError as error:
            if error.name == name and not level:
                with suppress(Exception):
                    _tell(name)
            raise
        with suppress(Exception):  # what cannot be told is one event not seen
            _tell(module.__name__, module)
        return module

    bootstrap._gcd_import = seen


def _tell(name: str, module: ModuleType | None = None) -> None:
    """Note a module; one that is absent today is an input, too."""
    tellers = owners()
    if not tellers:
        return
    with nobody():  # to find out whose code it is may list folders
        is_there = sys.modules.get(name) is module
        is_of_the_user = is_there and is_user_module(name)
        counts = is_of_the_user or (is_there and distribution_of(name) is not None)
    # What a library imports of the user's, it was told to: ``pkgutil.resolve_name("steps:run")``.
    is_meant = is_of_the_user and module is not None
    if is_meant or (counts and _is_asked_by_the_user()):
        for each in tellers:
            each.seen.imported(name)


def _is_asked_by_the_user() -> bool:
    from stagecache.fingerprint.reads.asking import call

    asked = call()
    return asked is not None and asked.of is None
