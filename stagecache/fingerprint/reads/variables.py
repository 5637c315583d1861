"""Sees which environment variables the user's code reads and sets while a stage runs.

``os.environ`` raises no audit events, so its class is wrapped, once. What a library or Python
reads for itself, such as ``PATH`` or ``TZ``, is no input that a person had in mind.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_user_code
from stagecache.fingerprint.reads.attribution import nobody, running
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN = frozenset({
    "os", "collections.abc", "_collections_abc", "posixpath", "ntpath", "importlib",
    __name__, f"{__package__}.imports",
})  # fmt: skip
"""Modules that only stand between the user's code and what it asks for."""


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    _wrap(type(os.environ))


def is_asked_by_the_user() -> bool:
    """Tell whether it is the user's code that asks, with nothing but Python's own in between."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    with nobody():  # to find out whose code it is may list folders
        return frame is not None and is_user_code(frame.f_globals)


def _wrap(kind: Any) -> None:
    get, names, put, remove = kind.__getitem__, kind.__iter__, kind.__setitem__, kind.__delitem__

    def getitem(self: Any, key: Any) -> Any:
        if running and self is os.environ:
            _tell_read(key)
        return get(self, key)

    def iterate(self: Any) -> Iterator[Any]:
        if running and self is os.environ:
            _tell_read("*")
        yield from names(self)

    def setitem(self: Any, key: Any, value: Any) -> None:
        put(self, key, value)
        if running:
            _tell_set(key)

    def delitem(self: Any, key: Any) -> None:
        remove(self, key)
        if running:
            _tell_set(key)

    wrapped = (getitem, iterate, setitem, delitem)
    for name, function in zip(
        ("__getitem__", "__iter__", "__setitem__", "__delitem__"), wrapped, strict=True
    ):
        setattr(kind, name, function)


def _tell_read(name: Any) -> None:
    with suppress(Exception):  # what cannot be told is one event not seen
        if isinstance(name, str) and is_asked_by_the_user():
            for each in owners():
                each.seen.read_variable(name)


def _tell_set(name: Any) -> None:
    with suppress(Exception):
        for each in owners():
            each.seen.set_variable(os.fsdecode(name))
