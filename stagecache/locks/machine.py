"""Keys among the processes of one machine: bytes of the lock file that a cache directory has."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from stagecache.clock import SystemClock
from stagecache.errors import LockUnavailableError, StoreError
from stagecache.leases.strict import UNKNOWN, StrictSlots, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.clock import Clock
    from stagecache.leases.base import Holder
    from stagecache.locks.grounds import Wanted

Answer = TypeVar("Answer")

_MOMENT = 0.001
"""Seconds."""


class Place(Protocol):
    """A cache directory, as far as locks need one."""

    @property
    def lock_file(self) -> str:
        """The file whose bytes are locked."""

    def prepare(self) -> None:
        """Make the directory unless it is there; StoreError if that cannot be."""

    def throttle_file(self, name: str) -> str:
        """Return the file of a throttle's times, which is made if it is not there."""


class Machine:
    """Keys that the processes of this machine have one at a time.

    Parameters
    ----------
    place : Place or None
        Where their lock file is; None: this process alone has the keys.
    clock : Clock, optional
        Where times come from.
    """

    is_far = False

    def __init__(self, place: Place | None, clock: Clock | None = None) -> None:
        self._place = place
        path = None if place is None else os.path.abspath(place.lock_file)
        self._slots = StrictSlots(path, clock or SystemClock())

    def wish(
        self,
        wanted: Wanted,
        wake: Callable[[], object],
        *,
        is_async: bool,  # noqa: ARG002
    ) -> MachineWishing:
        """Return a caller's asking."""
        return MachineWishing(self, self._slots, wanted, wake)

    def holder(self, wanted: Wanted) -> Holder | None:
        """Return who has one of the keys if all are had; None if one is free."""
        found: Holder | None = None
        try:
            for key in wanted.keys:
                holder = self._slots.holder_now(key)
                if holder is None:
                    return None
                found = holder if found in (None, UNKNOWN) else found
        except FileNotFoundError:  # there is no directory yet, so nobody has anything in it
            return None
        except OSError as error:
            raise _unavailable(wanted, error) from error
        return found

    def close(self) -> None:
        """Give all keys back and let nobody wait."""
        self._slots.lose_all()

    def asked(self, wanted: Wanted, question: Callable[[], Answer]) -> Answer:
        """Return the answer; make the directory if there is none.

        Raises
        ------
        LockUnavailableError
            If the lock file cannot be had.
        """
        try:
            try:
                return question()
            except FileNotFoundError:
                if self._place is None:
                    raise
                self._place.prepare()
                return question()
        except (OSError, StoreError) as error:
            raise _unavailable(wanted, error) from error


class MachineGrant:
    """A byte that is ours."""

    __slots__ = ("_slots", "_wish")

    def __init__(self, slots: StrictSlots, wish: Wish) -> None:
        self._slots = slots
        self._wish = wish

    def is_lost(self) -> bool:
        """Tell whether somebody else may have it by now."""
        return self._slots.has_lost(self._wish)

    def release(self) -> bool:
        """Give it back; tell whether it was held until now."""
        was_held = not self._slots.has_lost(self._wish)
        self._slots.leave(self._wish)
        return was_held

    def __del__(self) -> None:
        self._slots.drop(self._wish)


class MachineWishing:
    """One caller's asking.

    Parameters
    ----------
    ground : Machine
        Where.
    slots : StrictSlots
        Its bytes.
    wanted : Wanted
        What.
    wake : callable
        Called from any thread when a byte was granted.
    """

    __slots__ = ("_ground", "_slots", "_wake", "_wanted", "_wishes")

    def __init__(
        self, ground: Machine, slots: StrictSlots, wanted: Wanted, wake: Callable[[], object]
    ) -> None:
        self._ground = ground
        self._slots = slots
        self._wanted = wanted
        self._wake = wake
        self._wishes: list[Wish] = []

    def ask(self) -> MachineGrant | None:
        """Take a byte if one is free and nobody waits for it."""
        grant = self._ground.asked(self._wanted, self._ask)
        if grant is None:
            # Who waited for it until its patience was over has it for a moment all the same.
            time.sleep(_MOMENT)
            grant = self._ground.asked(self._wanted, self._ask)
        return grant

    def begin(self) -> MachineGrant | None:
        """Take a byte, or queue up for all of them."""
        if len(self._wanted.keys) > 1:  # a free one is better than to queue up for one that is not
            grant = self._ground.asked(self._wanted, self._ask)
            if grant is not None:
                return grant
        return self._ground.asked(self._wanted, self._queue)

    def look(self) -> MachineGrant | None:
        """Return what was granted; queue up anew if somebody removed the file meanwhile."""
        for wish in self._wishes:
            if wish.is_lost:
                raise _unavailable(self._wanted, None)
            if self._slots.is_granted(wish):
                return self._taken(wish) or self.begin()
        return None

    def end(self) -> None:
        """Wait no longer."""
        wishes, self._wishes = self._wishes, []
        for wish in wishes:
            self._slots.leave(wish)

    def _ask(self) -> MachineGrant | None:
        for key in self._wanted.keys:
            wish = Wish(key, self._wake)
            if self._slots.enter_nowait(wish):
                return MachineGrant(self._slots, wish)
        return None

    def _queue(self) -> MachineGrant | None:
        self.end()
        for key in self._wanted.keys:
            wish = Wish(key, self._wake)
            self._wishes.append(wish)
            if self._slots.enter(wish):
                if wish.is_lost:
                    raise OSError("this process can start no more threads")
                return self._taken(wish)
        return None

    def _taken(self, wish: Wish) -> MachineGrant | None:
        """Give back all but `wish`, and that too if its file is not the one that others lock."""
        self._wishes.remove(wish)
        grant = MachineGrant(self._slots, wish)
        self.end()
        if grant.is_lost():
            grant.release()
            return None
        return grant

    def __del__(self) -> None:
        for wish in self._wishes:
            self._slots.drop(wish)


def _unavailable(wanted: Wanted, error: Exception | None) -> LockUnavailableError:
    why = "the cache was closed" if error is None else str(error)
    return LockUnavailableError(
        wanted.name,
        f"it cannot be had, because its file cannot be locked ({why}). Nothing is let in without "
        "it. Let the cache have a `directory` that this user may write to.",
    )
