"""Remembers of which entries all was found to hold, until anything is removed or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecache.model import Entry, Key

_MOST = 10_000


class Settled:
    """Entries that were looked into, each under a stamp: what would differ if that had to be done
    again. Threads may note the same at once.
    """

    def __init__(self) -> None:
        self._known: dict[Key, tuple[int, float, object]] = {}

    def holds(self, entry: Entry, stamp: object) -> bool:
        """Tell whether this was noted of the same entry under an equal stamp."""
        known = self._known.get(entry.key)
        return known is not None and known == (entry.generation, entry.created, stamp)

    def note(self, entry: Entry, stamp: object) -> None:
        """Remember that all holds that an entry rests on."""
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[entry.key] = entry.generation, entry.created, stamp
