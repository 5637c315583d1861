"""Remembers of which states of objects it is known that they are others, with what was filled.

What was filled there while a body ran is found by ``filling``. A state stands for the one before as
long as the code of the objects and what that code reaches are what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.fingerprint.code.lazy import mentions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from stagecache.fingerprint.code.nodes import Filled

_MOST = 1000

_Refs = tuple[object, ...]


_filled: dict[tuple[bytes, tuple[int, ...]], tuple[_Refs, Filled]] = {}


def knows_any() -> bool:
    """Tell whether any state is known to be another one."""
    return bool(_filled)


def filled_in(digest: bytes, refs: _Refs, codes: Iterable[CodeType] = ()) -> Filled | None:
    """Return which state another one is, with what was filled; None: nobody knows of any.

    Parameters
    ----------
    digest : bytes
        The fingerprint of an object as it is, without names.
    refs : tuple of object
        What it names.
    codes : iterable of CodeType, optional
        All code that may see the difference.
    """
    known = _filled.get((digest, tuple(map(id, refs))))
    if known is None or not known[1].reached.holds():
        return None
    found = known[1]
    for code in codes:
        if code not in found.codes and not found.names.isdisjoint(mentions(code)):
            return None
    return found


def remember(digest: bytes, refs: _Refs, filled: Filled) -> None:
    """Remember that the state of these is another one with what was filled."""
    if len(_filled) >= _MOST:  # what is forgotten counts as any other state
        _filled.clear()
    _filled[digest, tuple(map(id, refs))] = refs, filled


def forget(digest: bytes, refs: _Refs) -> None:
    """Forget it: something changes what was filled."""
    _filled.pop((digest, tuple(map(id, refs))), None)
