"""What callers exclude each other by: all handles of a process on one directory share it.

So a lock that was acquired by one handle is known by another one to be this thread's.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from stagecache.forking import hold_over_forks
from stagecache.leases.flight import Flight
from stagecache.leases.local import LocalLeases
from stagecache.locks.locks import Locks

if TYPE_CHECKING:
    from stagecache.stores.disk import DiskStore


class Exclusion:
    """That of one directory.

    Parameters
    ----------
    store : DiskStore or None
        The directory; None: one in which nothing is written.
    """

    def __init__(self, store: DiskStore | None) -> None:
        self.leases = LocalLeases(store.lock_file if store else None)
        self.flight = Flight()
        self.locks = Locks(store, "`read_only` lets nobody lock anything there")


class Exclusions:
    """Those of this process."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, Exclusion] = WeakValueDictionary()
        self._lock = threading.Lock()
        hold_over_forks(self)

    def of(self, store: DiskStore, *, read_only: bool) -> Exclusion:
        """Return that of a directory, the same as long as anybody has it."""
        if read_only:
            return Exclusion(None)
        where = os.path.realpath(store.directory)
        with self._lock:
            found = self._known.get(where)
            if found is None:
                found = self._known[where] = Exclusion(store)
            return found

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """Go on."""
        self._lock.release()


exclusions = Exclusions()
