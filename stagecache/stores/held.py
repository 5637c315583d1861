"""Parts in memory and who holds them; how many bytes they may take is for the store to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.model import Entry, Key, Provenance


class Refuge(NamedTuple):
    """What is kept of a result that is kept nowhere else."""

    entry: Entry
    provenance: Provenance
    sections: tuple[bytes, ...] | None
    """The value if it is not inline."""


class HeldParts:
    """Parts that somebody holds, each as long as somebody does.

    Examples
    --------
    >>> held = HeldParts()
    >>> held.add(b"part", None, b"writer")
    >>> held.hold(b"holder", [b"part"])
    >>> held.release(b"writer"), held.release(b"holder")
    ([], [b'part'])
    """

    def __init__(self) -> None:
        self._parts: dict[Key, Refuge] = {}
        self._holders: dict[Key, set[Key]] = {}
        self._held: dict[Key, set[Key]] = {}
        """Holder -> what it holds."""

    def get(self, key: Key) -> Refuge | None:
        """Return the part under `key`."""
        return self._parts.get(key)

    def add(self, key: Key, part: Refuge, holder: Key) -> None:
        """Keep a part for `holder`."""
        self._parts[key] = part
        self._holders[key] = set()
        self.hold(holder, [key])

    def hold(self, holder: Key, parts: Iterable[Key]) -> None:
        """Let `holder` hold those of `parts` that are here, beside what it holds already."""
        for part in parts:
            if part in self._parts:
                self._holders[part].add(holder)
                self._held.setdefault(holder, set()).add(part)

    def release(self, holder: Key) -> list[Key]:
        """Let `holder` hold nothing; return the parts that nobody holds now."""
        lonely = []
        for part in self._held.pop(holder, ()):
            holders = self._holders[part]
            holders.discard(holder)
            if not holders:
                lonely.append(part)
        return lonely

    def remove(self, key: Key) -> None:
        """Let go of a part, whoever holds it."""
        if self._parts.pop(key, None) is not None:
            for holder in self._holders.pop(key):
                self._held[holder].discard(key)
