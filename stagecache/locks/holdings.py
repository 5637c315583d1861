"""Who in this process has which lock: a thread, or a task of an event loop."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    import asyncio

    from stagecache.locks.grounds import Grant
    from stagecache.model import Key


class Owner(NamedTuple):
    """Who acquires and releases."""

    thread: int
    task: asyncio.Task[object] | None
    """The task that the thread is in, if it runs an event loop."""


def caller() -> Owner:
    """Return who calls.

    Examples
    --------
    >>> caller() == caller()
    True
    """
    task = None
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # this thread runs no event loop
            task = None
    return Owner(threading.get_ident(), task)


class Holding:
    """What one caller has of a lock.

    Parameters
    ----------
    owner : Owner
        The caller.
    grants : tuple of Grant
        One of each ground.
    """

    __slots__ = ("count", "grants", "owner")

    def __init__(self, owner: Owner, grants: tuple[Grant, ...]) -> None:
        self.owner = owner
        self.grants = grants
        self.count = 1
        """How often it was acquired and not released yet."""

    def is_lost(self) -> bool:
        """Tell whether somebody else may have it by now."""
        return any(grant.is_lost() for grant in self.grants)


class Holdings:
    """What the callers of this process have. A forked child has nothing: all is its parent's."""

    def __init__(self) -> None:
        self._held: dict[Key, list[Holding]] = {}
        self._mutex = threading.Lock()
        hold_over_forks(self)

    def add(self, name: Key, holding: Holding) -> None:
        """Note what was acquired."""
        with self._mutex:
            self._held.setdefault(name, []).append(holding)

    def of(self, name: Key, owner: Owner | None = None) -> Holding | None:
        """Return what `owner` has, the last first; without one, what anybody here has."""
        for holding in reversed(self._held.get(name, ())):
            if owner is None or holding.owner == owner:
                return holding
        return None

    def all_of(self, name: Key) -> list[Holding]:
        """Return all that callers of this process have of one lock."""
        return list(self._held.get(name, ()))

    def remove(self, name: Key, holding: Holding) -> bool:
        """Note that it is not had any more; tell whether it was."""
        with self._mutex:
            held = self._held.get(name, [])
            if holding not in held:
                return False
            held.remove(holding)
            if not held:
                del self._held[name]
            return True

    def before_fork(self) -> None:
        """Wait until what is noted is whole."""
        self._mutex.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Forget, in the child, what its parent has."""
        if in_child:
            self._held = {}
        self._mutex.release()
