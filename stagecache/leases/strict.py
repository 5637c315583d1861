"""Claims where exclusion is the promise: nobody goes on without the byte, and none is passed by.

A lease may be given to whoever waits in this process first, since whoever gets it once needs it no
more. Here others wait as well: after a while the byte goes round by way of the other processes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.leases.base import Holder, this_host
from stagecache.leases.claims import Claim
from stagecache.leases.filelocks import LockFolder
from stagecache.leases.lockfile import IS_SUPPORTED, FairLockFile, LockFile, byte_of
from stagecache.leases.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.leases.slots import _Slot
    from stagecache.model import Key

TURN = 0.01
"""Seconds that the callers of one process have a byte among themselves while others may wait."""


class Wish(Claim):
    """A claim that may wait for any other: who waits for himself is for its caller to find out."""

    __slots__ = ()

    def __init__(self, key: Key, wake: Callable[[], object]) -> None:
        super().__init__(key, wake, is_async=True)
        self.outer = []

    def waits_for_itself(self, owner: Claim | None) -> bool:  # noqa: ARG002 - as of a claim
        """Tell that it does not."""
        return False


class StrictSlots(Slots):
    """The wishes of one process for bytes that it must have.

    A wish is lost only if the lock file cannot be locked, or is closed. What asks for a byte
    raises OSError if there is no file and none can be made.
    """

    def is_granted(self, wish: Wish) -> bool:
        """Tell whether it is its turn."""
        slot = self._slots.get(wish.byte)
        return slot is not None and slot.owner is wish

    def has_lost(self, wish: Wish) -> bool:
        """Tell whether somebody else may have what was granted."""
        slot = self._slots.get(wish.byte)
        if wish.is_lost or slot is None or slot.owner is not wish:
            return True
        return not self._is_current(slot.file)

    def holder_now(self, key: Key) -> Holder | None:
        """Return who has `key`; None if nobody has.

        Raises
        ------
        OSError
            If the lock file cannot be used.
        """
        byte = byte_of(key)
        with self._mutex:
            self._sweep()
            slot = self._slots.get(byte)
            if slot is not None and slot.owner is not None:
                return Holder(os.getpid(), this_host(), slot.owner.since)
            file = self._open() if slot is None else slot.file
            if file is None or not file.is_locked(byte):
                return None
            note = file.read_note(key)
        return note.holder if note is not None else UNKNOWN

    # --- under the mutex

    def _is_current(self, file: LockFile | LockFolder | None) -> bool:
        return file is None or (self._path is not None and file.is_at(self._path))

    def _open(self) -> LockFile | LockFolder | None:
        if self._path is not None and (self._file is None or not self._is_current(self._file)):
            self._file = None
            self._file = self._opened(self._path)
        return self._file

    def _opened(self, path: str) -> LockFile | LockFolder:
        return (FairLockFile if IS_SUPPORTED else LockFolder)(path)

    def _try_lock(self, slot: _Slot, byte: int) -> bool:
        return slot.file is None or slot.file.try_lock(byte)

    def _give_up(self, byte: int, slot: _Slot) -> None:
        is_over = slot.since is None or abs(self._clock.now() - slot.since) > TURN
        if slot.queue and slot.file is not None and is_over:
            slot.owner = slot.since = None
            with suppress(OSError):
                slot.file.unlock(byte)
            if not self._start_fetching(byte, slot):
                self._refuse(byte, slot)
            return
        self._pass_on(byte, slot)

    def _refuse(self, byte: int, slot: _Slot) -> None:
        del self._slots[byte]
        for wish in slot.queue:
            wish.is_lost = True
            wish.wake()


UNKNOWN = Holder(0, "", 0.0)
"""Somebody who left no note, or whose note another's has taken the place of."""
