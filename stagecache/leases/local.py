"""Which thread of which process on this machine may compute a key; the lock file does the rest.

One slot a locked byte: the process takes the byte once and passes it on among its threads. A
thread that has to wait for another process never blocks in the system call itself: a daemon
thread does, so that Ctrl-C returns at once and whoever came first in this process is served
when the byte arrives, even if the thread that asked has gone.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from stagecache.clock import SystemClock
from stagecache.leases.base import Holder, computing
from stagecache.leases.filelocks import LockFolder
from stagecache.leases.lockfile import IS_SUPPORTED, LockFile, byte_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stagecache.clock import Clock
    from stagecache.model import Key


class _Claim:
    """One caller's wish for a key, from asking to giving back."""

    __slots__ = ("byte", "is_lost", "key", "outer", "since", "thread", "turn")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.byte = byte_of(key)
        self.thread = threading.get_ident()
        self.turn = threading.Lock()
        self.turn.acquire()
        self.since = 0.0
        self.is_lost = False
        outer = [computation.key for computation in computing.get()]
        if outer and outer[-1] == key:
            outer.pop()
        self.outer = outer


class _Slot:
    """A byte that this process has, or is fetching from another one."""

    __slots__ = ("file", "owner", "queue")

    def __init__(self, file: LockFile | LockFolder | None) -> None:
        self.file = file
        self.owner: _Claim | None = None
        self.queue: deque[_Claim] = deque()


class LocalLease:
    """The right of one thread to compute one key; dropped means released."""

    __slots__ = ("_claim", "_leases", "key")

    def __init__(self, leases: LocalLeases, claim: _Claim) -> None:
        self.key = claim.key
        self._leases = leases
        self._claim = claim

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the key by now. A commit is safe all the same."""
        return self._claim.is_lost

    def release(self) -> None:
        """Give the key to whoever waits; again: does nothing."""
        self._leases._leave(self._claim)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leases._leave(self._claim)

    def __del__(self) -> None:
        self._leases._drop(self._claim)


class LocalLeases:
    """Leases among the threads and processes of this machine.

    Where the lock file cannot be had (a read-only directory, a file system without locks), the
    leases hold among the threads of this process only.

    Parameters
    ----------
    path : str or os.PathLike or None
        The lock file. Its directory is the store's to make: until it exists, only threads
        exclude each other. None: they alone do.
    clock : Clock, optional
        Where times come from.
    tick : float, optional
        Seconds between two calls of ``on_wait``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     leases = LocalLeases(folder + "/locks")
    ...     with leases.acquire(bytes(16)) as lease:
    ...         print(lease.is_lost())
    ...     leases.close()
    False
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, *, clock: Clock | None = None, tick: float = 1.0
    ) -> None:
        self._path = None if path is None else os.path.abspath(path)
        self._clock = clock or SystemClock()
        self._tick = tick
        self._reset()
        _instances.add(self)

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._slots: dict[int, _Slot] = {}
        self._dropped: list[_Claim] = []
        self._file: LockFile | LockFolder | None = None

    def acquire(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> LocalLease:
        """Block until `key` is this thread's.

        A thread that already has it, or that would wait for itself through other processes,
        gets a lost lease at once: it computes a second time rather than hang.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        on_wait : callable, optional
            Called with the holder, where it is known, and the seconds waited so far: once when
            waiting begins, then at every tick.
        """
        claim = _Claim(key)
        lease = LocalLease(self, claim)
        try:
            with self._mutex:
                is_ours = self._enter(claim)
            if not is_ours:
                self._wait(claim, on_wait)
        except BaseException:
            self._leave(claim)
            raise
        return lease

    def close(self) -> None:
        """Give up every lease and let nobody wait any longer."""
        with self._mutex:
            slots = list(self._slots.values())
            self._slots.clear()
            file, self._file = self._file, None
            for slot in slots:
                if slot.owner is not None:
                    slot.owner.is_lost = True
                for claim in slot.queue:
                    claim.is_lost = True
                    claim.turn.release()
        if file is not None:
            file.close()

    # --- under the mutex

    def _enter(self, claim: _Claim) -> bool:
        """Take the byte or queue up for it; tell whether there is nothing to wait for."""
        self._sweep()
        slot = self._slots.get(claim.byte)
        if slot is None:
            slot = _Slot(self._open())
            if _try_lock(slot, claim.byte):
                self._slots[claim.byte] = slot
                self._grant(slot, claim)
                return True
            if claim.key in claim.outer or not self._start_fetching(claim.byte, slot):
                claim.is_lost = True
                return True
            self._slots[claim.byte] = slot
        elif claim.key in claim.outer or (slot.owner and slot.owner.thread == claim.thread):
            claim.is_lost = True
            return True
        slot.queue.append(claim)
        return False

    def _open(self) -> LockFile | LockFolder | None:
        if self._path is None:
            return None
        try:
            if self._file is None or self._file.is_deleted():
                # Slots keep a deleted file for as long as they need it.
                self._file = (LockFile if IS_SUPPORTED else LockFolder)(self._path)
        except OSError:
            self._file = None
        return self._file

    def _grant(self, slot: _Slot, claim: _Claim) -> None:
        slot.owner = claim
        claim.since = self._clock.now()
        if slot.file is not None:
            slot.file.write_note(claim.key, claim.since)

    def _pass_on(self, byte: int, slot: _Slot) -> None:
        slot.owner = None
        if slot.queue:
            claim = slot.queue.popleft()
            self._grant(slot, claim)
            claim.turn.release()
            return
        del self._slots[byte]
        if slot.file is not None:
            with suppress(OSError):
                slot.file.unlock(byte)

    def _withdraw(self, claim: _Claim) -> None:
        slot = self._slots.get(claim.byte)
        if slot is None:
            return
        if slot.owner is claim:
            self._pass_on(claim.byte, slot)
        elif claim in slot.queue:
            slot.queue.remove(claim)

    def _sweep(self) -> None:
        while self._dropped:
            self._withdraw(self._dropped.pop())

    # --- outside it

    def _leave(self, claim: _Claim) -> None:
        with self._mutex:
            self._withdraw(claim)
            self._sweep()

    def _drop(self, claim: _Claim) -> None:
        # The garbage collector may call this while this very thread has the mutex.
        self._dropped.append(claim)
        if self._mutex.acquire(blocking=False):
            try:
                self._sweep()
            finally:
                self._mutex.release()

    def _start_fetching(self, byte: int, slot: _Slot) -> bool:
        thread = threading.Thread(
            target=self._fetch, args=(byte, slot), name="stagecache-lease", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is going down
            return False
        return True

    def _fetch(self, byte: int, slot: _Slot) -> None:
        try:
            assert slot.file is not None
            slot.file.lock(byte)
        except (OSError, ValueError):  # no locks here after all; or just closed
            slot.file = None
        with self._mutex:
            if self._slots.get(byte) is slot:
                self._pass_on(byte, slot)

    def _wait(self, claim: _Claim, on_wait: Callable[[Holder | None, float], None] | None) -> None:
        started = self._clock.monotonic()
        self._note_outer(claim, claim.key)
        try:
            if on_wait is not None:
                on_wait(self._holder(claim), 0.0)
            while not claim.turn.acquire(timeout=self._tick):
                if self._is_deadlocked(claim):
                    self._give_up(claim)
                    return
                if on_wait is not None:
                    on_wait(self._holder(claim), self._clock.monotonic() - started)
        finally:
            self._note_outer(claim, None)

    def _give_up(self, claim: _Claim) -> None:
        with self._mutex:
            slot = self._slots.get(claim.byte)
            if slot is None or slot.owner is not claim:
                self._withdraw(claim)
                claim.is_lost = True

    def _holder(self, claim: _Claim) -> Holder | None:
        with self._mutex:
            slot = self._slots.get(claim.byte)
            if slot is None:
                return None
            if slot.owner is not None:
                return Holder(os.getpid(), os.uname().nodename, slot.owner.since)
            note = slot.file.read_note(claim.key) if slot.file is not None else None
        return note.holder if note is not None else None

    def _note_outer(self, claim: _Claim, waits_for: Key | None) -> None:
        """Say, for every key that this context holds, what its computation waits for."""
        for key in claim.outer:
            with self._mutex:
                slot = self._slots.get(byte_of(key))
                if slot is not None and slot.owner is not None and slot.file is not None:
                    slot.file.write_note(key, slot.owner.since, waits_for)

    def _is_deadlocked(self, claim: _Claim) -> bool:
        file = self._file
        if file is None or not claim.outer:
            return False
        key, seen = claim.key, set[bytes]()
        while key not in seen:
            seen.add(key)
            note = file.read_note(key)
            if note is None or note.waits_for is None:
                return False
            key = note.waits_for
            if key in claim.outer:
                return True
        return False


def _try_lock(slot: _Slot, byte: int) -> bool:
    if slot.file is None:
        return True
    try:
        return slot.file.try_lock(byte)
    except OSError:  # a file system without locks
        slot.file = None
        return True


_instances: WeakSet[LocalLeases] = WeakSet()


def _forget_in_child() -> None:
    for leases in list(_instances):
        for slot in list(leases._slots.values()):
            if slot.owner is not None:
                slot.owner.is_lost = True
        leases._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
