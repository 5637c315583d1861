"""The mutex of a key, as dogpile.cache asks for it: a lease, which ends with who holds it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dogpile.cache.api import CacheMutex

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.leases.base import Lease, Leases
    from stagecache.model import Key


class LeaseMutex(CacheMutex):
    """Lets one caller in, among all threads and processes, and machines if leases reach them.

    If a holder is killed, others get in at once; on another machine, some seconds later. A thread
    that has it already, and would wait for itself for ever, is let in. It may be released by
    another thread than that which acquired it.

    Parameters
    ----------
    leases : Leases
        By which callers exclude each other.
    key : Key
        What they want to have.
    prepare : callable
        Called before a lease is taken: processes need a file to meet in.

    Examples
    --------
    >>> from stagecache.leases.local import LocalLeases
    >>> mutex = LeaseMutex(LocalLeases(None), bytes(16), lambda: None)
    >>> mutex.acquire(), mutex.acquire(False), mutex.locked()
    (True, False, True)
    >>> mutex.release()
    >>> mutex.locked()
    False
    """

    def __init__(self, leases: Leases, key: Key, prepare: Callable[[], None]) -> None:
        self.leases = leases
        self.key = key
        self.prepare = prepare
        self._held: list[tuple[int, Lease]] = []

    def acquire(self, wait: bool = True) -> bool:
        """Get in, after waiting for it unless `wait` is False; tell whether we are."""
        self.prepare()
        lease = self.leases.acquire(self.key) if wait else self.leases.acquire_nowait(self.key)
        if lease is None:
            return False
        self._held.append((threading.get_ident(), lease))
        return True

    def release(self) -> None:
        """Let somebody else in.

        Raises
        ------
        RuntimeError
            If nobody is in.
        """
        me = threading.get_ident()
        for place in reversed(range(len(self._held))):
            if self._held[place][0] == me:
                break
        else:
            place = len(self._held) - 1  # handed on by another thread
            if place < 0:
                raise RuntimeError("a mutex is released that nobody has acquired")
        self._held.pop(place)[1].release()

    def locked(self) -> bool:
        """Tell whether somebody is in, in whatever process."""
        self.prepare()
        lease = self.leases.acquire_nowait(self.key)
        if lease is None:
            return True
        lease.release()
        return False
