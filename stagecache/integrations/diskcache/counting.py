"""Hits and misses: counted in memory, and added to what the directory keeps now and then."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.errors import StoreError
from stagecache.forking import hold_over_forks
from stagecache.integrations.diskcache.words import ENOVAL

if TYPE_CHECKING:
    from stagecache.integrations.diskcache.place import Place

_MANY = 1_000


class Counts:
    """The counts of one handle.

    Parameters
    ----------
    place : Place
        Where they are kept.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._waiting = {"hits": 0, "misses": 0}
        hold_over_forks(self)

    def add(self, name: str) -> None:
        """Count one."""
        with self._lock:
            self._waiting[name] += 1
            is_much = sum(self._waiting.values()) >= _MANY
        if is_much:
            self.let_go()

    def reset(self, name: str, value: Any) -> int:
        """Return what is kept of a count, which is `value` afterwards if one is given."""
        self.write()
        if value is not ENOVAL:
            self._place.change({name: value})
            return int(value)
        return int(self._place.kept().get(name, 0))

    def write(self) -> None:
        """Add what was counted to what is kept."""
        with self._lock:
            waiting, self._waiting = self._waiting, {"hits": 0, "misses": 0}
        if not any(waiting.values()):
            return
        with self._place.collection.transaction():
            kept = self._place.kept()
            self._place.change({name: kept.get(name, 0) + more for name, more in waiting.items()})

    def let_go(self) -> None:
        """Write what was counted, or forget it if that cannot be: nobody reads less for it."""
        with suppress(StoreError):
            self.write()

    def before_fork(self) -> None:
        """Let nobody be counting."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; what was counted is for the process that did it to write."""
        if in_child:
            self._waiting = {"hits": 0, "misses": 0}
        self._lock.release()
