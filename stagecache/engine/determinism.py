"""Compares what a body gives now with what is kept of it; when to is for others to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.codecs.chunks import ITEMS
from stagecache.differences import argument_change
from stagecache.errors import ImpureStageWarning, warn
from stagecache.fingerprint.anatomy import parts_of
from stagecache.fingerprint.labels import label
from stagecache.fingerprint.values import fingerprint
from stagecache.model import Argument, Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.engine.request import Request
    from stagecache.model import Entry

_SHOWN = 5


def warn_of(request: Request, problem: str) -> None:
    """Warn that the body of `request` does not give what is kept of it."""
    warn(
        f"`{request.stage.name}` {problem}. Probably it uses time, randomness or state that is no "
        "argument. A hit returns what it gave the first time. Pass what it uses as an argument, "
        "or seed it.",
        ImpureStageWarning,
    )


def difference(entry: Entry, value: Any, load: Callable[[Entry], tuple[bool, Any]]) -> str | None:
    """Return None if `value` is what is kept in `entry`, else what differs.

    Down to columns, keys or positions, if the kept value can be had.
    """
    now = fingerprint(value, items=True, name="result")
    if now.digest == entry.result:
        return None
    # To load a file would be to put it back; of items no more is known than that they differ.
    if entry.codec not in ("file", ITEMS):
        is_loaded, kept = load(entry)
        if is_loaded:
            return argument_change(_described(kept), _described(value))
    return f"is {label(value)}{differing(entry.items, now.items)}"


def _described(value: Any) -> Argument:
    return Argument("result", Digest(b""), label(value), parts=parts_of(value))


def differing(before: bytes | None, now: bytes | None) -> str:
    """Say which elements of a list or tuple differ, from the digests of its elements.

    Examples
    --------
    >>> from stagecache.fingerprint.values import fingerprint
    >>> one, other = ([fingerprint(v, items=True).items for v in ([1, 2, 3], [1, 0, 3])])
    >>> differing(one, other)
    ' (elements 1)'
    """
    if not before or not now or before[:1] != now[:1] or len(before) != len(now):
        return ""
    size = 16 if before[:1] == b"s" else 32
    places = [
        (at - 1) // size
        for at in range(1, len(now), size)
        if before[at : at + size] != now[at : at + size]
    ]
    shown = ", ".join(map(str, places[:_SHOWN]))
    return f" (elements {shown}{', ...' if len(places) > _SHOWN else ''})"
