"""Words what differs between two arguments, from the digests of their parts; pure.

What the parts of a value are is decided by ``fingerprint.anatomy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.model import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.model import Argument, Digest

    Parts = dict[str, Digest]

SHOWN = 5
"""How many names a line lists."""


def argument_change(old: Argument, new: Argument) -> str:
    """Return what changed in an argument, one line for each kind of difference.

    Parameters
    ----------
    old, new : Argument
        With different digests.

    Examples
    --------
    >>> from stagecache.model import Argument
    >>> parts = (("key 'low'", b"3"), ("key 'up'", b"4"))
    >>> old = Argument("limits", b"1", "dict of 2", parts=parts)
    >>> new = old._replace(parts=(parts[0], ("key 'up'", b"5")))
    >>> argument_change(old, new)
    "keys changed: 'up'"
    >>> argument_change(old, Argument("limits", b"2", "settings[3]", parts=None))
    'was dict of 2, is settings[3]'
    >>> argument_change(old, Argument("limits", b"2", "dict of 2", parts=None))
    'changed (from dict of 2)'
    """
    lines = _part_lines(dict(old.parts or ()), dict(new.parts or ()))
    is_alike = old.label.partition(" ")[0] == new.label.partition(" ")[0]
    if old.label != new.label and not (lines and is_alike):
        lines.insert(0, f"was {old.label}, is {new.label}")
    whence = "from " if new.parts is None else ""
    return "\n".join(lines) or f"changed ({whence}{new.label})"


def _part_lines(old: Parts, new: Parts) -> list[str]:
    before, now = _by_kind(old), _by_kind(new)
    if before.keys().isdisjoint(now):  # not even values of one kind
        return []
    lines = []
    is_resized = False
    for kind in dict.fromkeys((*now, *before)):
        was, names = before.get(kind, []), now.get(kind, [])
        if kind.endswith(":"):
            is_resized = was != names
            if is_resized:
                lines.append(f"{kind} was {' '.join(was)}, is {' '.join(names)}")
            continue
        common = [name for name in names if name in set(was)]
        changed = [n for n in common if old[_label(kind, n)] != new[_label(kind, n)]]
        if kind in ("column", "index") and is_resized:
            changed = []  # with the number of rows each of them has changed
        if kind not in _NAMED:
            lines += [f"{kind} changed"] if changed else []
            continue
        # What was cut off as one part too many is neither added nor removed.
        added = [name for name in names if name not in set(was)] if _is_whole(old) else []
        removed = [name for name in was if name not in set(names)] if _is_whole(new) else []
        for what, which in (("changed", changed), ("added", added), ("removed", removed)):
            if which:
                lines.append(f"{kind}s {what}: {_listed(which)}")
        kept = set(common)
        if [name for name in was if name in kept] != common:
            lines.append(f"order of the {kind}s changed")
    return lines


_NAMED = ("column", "key", "position")


def _by_kind(parts: Parts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label in parts:
        kind, _, name = label.partition(" ")
        found.setdefault(kind, []).append(name)
    return found


def _label(kind: str, name: str) -> str:
    return f"{kind} {name}" if name else kind


def _is_whole(parts: Parts) -> bool:
    return len(parts) < MOST_PARTS


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} ... and {len(names) - SHOWN} more"
