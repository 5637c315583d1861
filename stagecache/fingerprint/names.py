"""Names classes and functions in digests: the user's by qualified name and reference, others by
module and qualified name.

Where the code of what is referred to counts anyway, the user's names need not: ``unnamed``.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import distribution_of, is_user_class, is_user_module
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
    standing_for : callable, optional
        Makes what is to be taken in the place of something, or None if that is to be left out.
    """

    def __init__(
        self,
        changing: Callable[[type], AbstractSet[str]],
        standing_for: Callable[[Any], Any] = lambda _: None,
    ) -> None:
        self.changing = changing
        self.standing_for = standing_for
        self.problems: list[tuple[type, str]] = []
        """The type of each thing that was left out, and where and why."""


_DATA = frozenset({"numpy", "pandas", "polars", "pyarrow", "stagecache"})


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
    So does the version of an installed package, for whoever gets the value runs its methods;
    but values of the libraries that hold data are the data.
    """
    module = getattr(named, "__module__", None)
    is_class = isinstance(named, type)
    if is_user_module(module) or (is_class and is_user_class(named)):
        return framed(b"user", called(named) if _naming.rank is None else ""), named
    is_data = is_class and str(module).partition(".")[0] in _DATA
    text = named.__qualname__ if is_data else versioned(str(module), named.__qualname__)
    return framed(str(module), text), None


def called(named: Any) -> str:
    """Return the name by which a digest knows a class or function of the user's.

    What a function defines is called without that function, which may get another name.
    """
    return str(getattr(named, "__qualname__", type(named).__qualname__)).rpartition("<locals>.")[2]


def versioned(module: str, name: str = "") -> str:
    """Return a name in `module` with the version of the package that brought it, if one did."""
    package = distribution_of(module)
    return name if package is None else f"{name} of {package[0]} {package[1]}"


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
