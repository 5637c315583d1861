"""Names classes and functions in digests: the user's by qualified name and reference, others by
module and qualified name.

Where the code of what is referred to counts anyway, the user's names need not: ``unnamed``.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_user_class, is_user_module
from stagecache.fingerprint.parts import framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet


class LeavingOut:
    """What cannot be taken apart in an object or a container of the user's may be left out.

    Parameters
    ----------
    changing : callable
        Tells the attributes that the methods of a class set or fill after an object is made. Of an
        object that holds what is left out they do not count: it is at work, not data.
    """

    def __init__(self, changing: Callable[[type], AbstractSet[str]]) -> None:
        self.changing = changing
        self.problems: list[tuple[type, str]] = []
        """The type of each thing that was left out, and where and why."""


class _Naming(threading.local):
    rank: Callable[[Any], bytes] | None = None
    leaving_out: LeavingOut | None = None


_naming = _Naming()


@contextmanager
def unnamed(rank: Callable[[Any], bytes], leaving_out: LeavingOut) -> Iterator[None]:
    """Let digests that are taken inside the block be without the names of the user's things.

    Parameters
    ----------
    rank : callable
        What orders the user's classes and functions in a set, where names do not.
    leaving_out : LeavingOut
        Takes down what is left out.
    """
    before = _naming.rank, _naming.leaving_out
    _naming.rank, _naming.leaving_out = rank, leaving_out
    try:
        yield
    finally:
        _naming.rank, _naming.leaving_out = before


def current_rank() -> Callable[[Any], bytes] | None:
    """Return the order of references if names do not count, else None."""
    return _naming.rank


def current_leaving_out() -> LeavingOut | None:
    """Return who takes down what is left out; None: nothing may be."""
    return _naming.leaving_out


def name_of(named: Any) -> tuple[bytes, object]:
    """Return what stands for a class or function in a digest, and the reference if it has one.

    Where a user's module lies does not count, so its name is left out; the code counts instead.
    """
    module, name = getattr(named, "__module__", None), named.__qualname__
    if is_user_module(module) or (isinstance(named, type) and is_user_class(named)):
        return framed(b"user", name if _naming.rank is None else ""), named
    return framed(str(module), name), None


def is_importable(named: Any) -> bool:
    """Tell whether module and qualified name lead back to `named`."""
    found: Any = sys.modules.get(getattr(named, "__module__", None) or "")
    for part in named.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is named


def shown(named: Any) -> str:
    """Return the name that an error shows, for example ``sqlite3.Connection``."""
    module = getattr(named, "__module__", None)
    prefix = "" if module in (None, "builtins", "__main__") else f"{module}."
    return f"{prefix}{named.__qualname__}"
