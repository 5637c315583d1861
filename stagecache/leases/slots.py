"""Which caller of this process has a key, and who is next; the lock file decides among processes.

One slot a locked byte: the process takes the byte once and passes it on among its callers. When
another process has it, a daemon thread waits for it, never the caller: so the caller can be
interrupted, and the byte serves whoever is first in the queue when it comes.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from stagecache.leases.base import Holder, this_host
from stagecache.leases.filelocks import LockFolder
from stagecache.leases.idle import is_idle
from stagecache.leases.lockfile import IS_SUPPORTED, LockFile, byte_of

if TYPE_CHECKING:
    from stagecache.clock import Clock
    from stagecache.leases.claims import Claim
    from stagecache.model import Key


_LINGERING = 0.05
"""Seconds for which a thread that has woken others does not end: to unmap its stack it interrupts
the other processors, with Python's lock in its hands."""


class _Slot:
    """A byte that this process has, or is fetching from another one."""

    __slots__ = ("file", "is_fetched", "owner", "queue", "since")

    def __init__(self, file: LockFile | LockFolder | None) -> None:
        self.file = file
        self.owner: Claim | None = None
        self.queue: deque[Claim] = deque()
        self.is_fetched = False
        """Whether a thread waits for the byte."""
        self.since: float | None = None
        """When this process got the byte, or got it again."""


class Slots:
    """The claims of one process.

    Parameters
    ----------
    path : str or None
        The lock file; None: no other process is excluded.
    clock : Clock
        Where times come from.
    """

    def __init__(self, path: str | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._reset()
        _instances.add(self)

    def _reset(self) -> None:
        """Hold nothing, whoever held the mutex."""
        self._mutex = threading.Lock()
        self._slots: dict[int, _Slot] = {}
        self._dropped: list[Claim] = []
        self._file: LockFile | LockFolder | None = None

    def enter(self, claim: Claim) -> bool:
        """Take the key or queue up for it; tell whether there is nothing to wait for.

        A claim that would wait for itself is lost at once.
        """
        with self._mutex:
            self._sweep()
            slot = self._slots.get(claim.byte)
            if slot is None:
                slot = _Slot(self._open())
                try:
                    if self._try_lock(slot, claim.byte):
                        self._slots[claim.byte] = slot
                        self._grant(slot, claim)
                        return True
                    if claim.waits_for_itself(None) or not self._start_fetching(claim.byte, slot):
                        claim.is_lost = True
                        return True
                    self._slots[claim.byte] = slot
                except BaseException:
                    self._undo(claim.byte, slot)
                    raise
            elif claim.waits_for_itself(slot.owner):
                claim.is_lost = True
                return True
            slot.queue.append(claim)
        return False

    def enter_nowait(self, claim: Claim) -> bool:
        """Take the key if nobody has it or queues up for it, and tell whether that was so."""
        with self._mutex:
            self._sweep()
            if claim.byte in self._slots:
                return False
            slot = _Slot(self._open())
            try:
                if not self._try_lock(slot, claim.byte):
                    return False
                self._slots[claim.byte] = slot
                self._grant(slot, claim)
            except BaseException:
                self._undo(claim.byte, slot)
                raise
        return True

    def leave(self, claim: Claim) -> None:
        """Give the key back, or leave the queue; a claim that is neither may leave, too."""
        slot = self._slots.get(claim.byte)
        try:
            with self._mutex:
                self._withdraw(claim)
                self._sweep()
        except BaseException:  # Ctrl-C in the middle of it
            if slot is not None:
                with self._mutex:
                    self._finish(claim.byte, slot)
            raise

    def drop(self, claim: Claim) -> None:
        """Do the same from a finalizer, which may interrupt this very thread in here."""
        self._dropped.append(claim)
        if self._mutex.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._mutex.release()

    def give_up(self, claim: Claim) -> None:
        """Wait no longer: the claim is lost unless its turn has come just now."""
        with self._mutex:
            slot = self._slots.get(claim.byte)
            if slot is None or slot.owner is not claim:
                self._withdraw(claim)
                claim.is_lost = True

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`, or had it last, if that is known."""
        with self._mutex:
            slot = self._slots.get(byte_of(key))
            if slot is not None and slot.owner is not None:
                return Holder(os.getpid(), this_host(), slot.owner.since)
            file = self._open() if slot is None else slot.file
            note = file.read_note(key) if file is not None else None
        return note.holder if note is not None else None

    def announce(self, claim: Claim, waits_for: Key | None) -> None:
        """Say, for every key that the caller computes, which one it waits for now."""
        for key in claim.outer:
            with self._mutex:
                slot = self._slots.get(byte_of(key))
                if slot is not None and slot.owner is not None and slot.file is not None:
                    slot.file.write_note(key, slot.owner.since, waits_for)

    def say_published(self, claim: Claim) -> None:
        """Let those who wait in other processes hear that the result is there."""
        with self._mutex:
            slot = self._slots.get(claim.byte)
            if slot is not None and slot.owner is claim and slot.file is not None:
                slot.file.write_note(claim.key, claim.since, claim.key, is_idle=is_idle())

    def is_deadlocked(self, claim: Claim) -> bool:
        """Tell whether the holder waits, through however many others, for the caller."""
        file = self._file
        key, seen = claim.key, set[bytes]()
        while file is not None and claim.outer and key not in seen:
            seen.add(key)
            note = file.read_note(key)
            if note is None or note.waits_for is None:
                return False
            key = note.waits_for
            if key in claim.outer:
                return True
        return False

    def lose_all(self) -> None:
        """Free every key and let nobody wait any longer: all claims are lost."""
        with self._mutex:
            slots = list(self._slots.values())
            self._slots.clear()
            file, self._file = self._file, None
            for slot in slots:
                for claim in slot.queue:
                    claim.is_lost = True
                    claim.wake()
                if slot.owner is not None:
                    slot.owner.is_lost = True
        if file is not None:
            file.close()

    def forget_in_child(self) -> None:
        """Hold nothing in a forked process: every claim is the parent's."""
        for slot in list(self._slots.values()):
            if slot.owner is not None:
                slot.owner.is_lost = True
        self._reset()

    # --- under the mutex

    def _undo(self, byte: int, slot: _Slot) -> None:
        """Leave no byte locked, and no slot that nobody serves, when Ctrl-C ended what was done."""
        if self._slots.get(byte) is slot:
            del self._slots[byte]
        if slot.file is not None:
            with suppress(OSError):
                slot.file.unlock(byte)

    def _open(self) -> LockFile | LockFolder | None:
        if self._path is None:
            return None
        try:
            if self._file is None or self._file.is_deleted():
                # Slots keep a deleted file for as long as they need it.
                self._file = self._opened(self._path)
        except OSError:
            self._file = None
        return self._file

    def _opened(self, path: str) -> LockFile | LockFolder:
        return (LockFile if IS_SUPPORTED else LockFolder)(path)

    def _grant(self, slot: _Slot, claim: Claim) -> None:
        slot.owner = claim
        claim.since = self._clock.now()
        if slot.since is None:
            slot.since = claim.since
        if slot.file is not None:
            slot.file.write_note(claim.key, claim.since)

    def _pass_on(self, byte: int, slot: _Slot) -> None:
        slot.owner = None
        if slot.queue:
            claim = slot.queue.popleft()
            self._grant(slot, claim)
            claim.wake()
            return
        del self._slots[byte]
        if slot.file is not None:
            with suppress(OSError):
                slot.file.unlock(byte)

    def _give_up(self, byte: int, slot: _Slot) -> None:
        """Let somebody else have what its owner gives back."""
        self._pass_on(byte, slot)

    def _finish(self, byte: int, slot: _Slot) -> None:
        """Do what is left of giving `slot` up, which nobody else would go on with."""
        current = self._slots.get(byte)
        if current not in (None, slot) or slot.owner is not None or slot.is_fetched:
            return
        if current is None or not slot.queue:
            self._undo(byte, slot)
        elif not self._start_fetching(byte, slot):  # whether it still is ours is not known
            self._refuse(byte, slot)

    def _refuse(self, byte: int, slot: _Slot) -> None:
        """Go on where a byte cannot be waited for."""
        slot.file = None
        self._pass_on(byte, slot)

    def _try_lock(self, slot: _Slot, byte: int) -> bool:
        if slot.file is None:
            return True
        try:
            return slot.file.try_lock(byte)
        except OSError:  # a file system without locks
            slot.file = None
            return True

    def _withdraw(self, claim: Claim) -> None:
        slot = self._slots.get(claim.byte)
        if slot is None:
            return
        if slot.owner is claim:
            self._give_up(claim.byte, slot)
        elif claim in slot.queue:
            slot.queue.remove(claim)

    def _sweep(self) -> None:
        while self._dropped:
            self._withdraw(self._dropped.pop())

    def _start_fetching(self, byte: int, slot: _Slot) -> bool:
        slot.is_fetched = True
        try:
            # A `threading.Thread` is 50 us at its end, in which those whom it woke cannot go on.
            _thread.start_new_thread(self._fetch, (byte, slot))
        except RuntimeError:  # no more threads, or the interpreter is going down
            slot.is_fetched = False
            return False
        return True

    # --- in the daemon thread

    def _fetch(self, byte: int, slot: _Slot) -> None:
        is_locked = True
        try:
            assert slot.file is not None
            slot.file.lock(byte)
        except (OSError, ValueError):  # no locks here after all; or just closed
            is_locked = False
        with self._mutex:
            heard, has_time = self._those_who_hear(byte, slot) if is_locked else ([], False)
            if not has_time:
                self._fetched(byte, slot, is_locked=is_locked)
            for claim in heard:
                claim.has_heard = True
                claim.wake()
        if has_time:
            # All processes that wait would only take turns: this one's threads go first, wherever
            # there is no other processor. Where others work it would be long until it is our turn.
            os.sched_yield()
            with self._mutex:
                self._fetched(byte, slot, is_locked=True)
        if heard:
            time.sleep(_LINGERING)

    def _fetched(self, byte: int, slot: _Slot, *, is_locked: bool) -> None:
        """Go on with a byte that was waited for."""
        slot.is_fetched = False
        current = self._slots.get(byte)
        if current is not slot:
            # Who asked for it was interrupted, or all was closed.
            if is_locked and (current is None or current.file is not slot.file):
                self._undo(byte, slot)
        elif is_locked:
            self._pass_on(byte, slot)
        else:
            self._refuse(byte, slot)

    def _those_who_hear(self, byte: int, slot: _Slot) -> tuple[list[Claim], bool]:
        """Take those out of the queue to whom another process has said what they wait for.

        Returns
        -------
        tuple
            Those; and whether nobody else was at work when it was said.
        """
        heard: list[Claim] = []
        was_idle = False
        if self._slots.get(byte) is slot and slot.file is not None:
            for claim in [claim for claim in slot.queue if claim.hears]:
                said = slot.file.published(claim.key)
                if said is not None:
                    slot.queue.remove(claim)
                    heard.append(claim)
                    was_idle = was_idle or said
        return heard, was_idle


_instances: WeakSet[Slots] = WeakSet()


def _forget_all_in_child() -> None:
    for slots in list(_instances):
        slots.forget_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all_in_child)
