"""Locks that one caller at a time has, over threads, tasks and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import LockError
from stagecache.locks.acquiring import Acquirable

if TYPE_CHECKING:
    from stagecache.locks.acquiring import Means
    from stagecache.locks.grounds import Wanted
    from stagecache.locks.holdings import Holding, Owner
    from stagecache.model import Key


class _Exclusive(Acquirable):
    """What at most one caller has."""

    def _holding(self, owner: Owner) -> Holding | None:
        return self._holdings.of(self._identity, owner)


class Lock(_Exclusive):
    """What :class:`threading.Lock` is within a process, over processes.

    It belongs to the thread, or the task, that acquired it: only that one can release it. If its
    process ends, however it does, the lock is free.

    Parameters
    ----------
    wanted, identity, means
        As of :class:`~stagecache.locks.acquiring.Acquirable`.
    thread_local : bool
        False: any thread of the process that has it may release it.

    Examples
    --------
    >>> import os, tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     lock = cache.lock("reports")
    ...     with lock:
    ...         lock.locked(), lock.holder().pid == os.getpid()
    ...     lock.locked()
    (True, True)
    False
    """

    def __init__(
        self, wanted: Wanted, identity: Key, means: Means, *, thread_local: bool = True
    ) -> None:
        super().__init__(wanted, identity, means)
        self._thread_local = thread_local

    def _holding(self, owner: Owner) -> Holding | None:
        return self._holdings.of(self._identity, owner if self._thread_local else None)

    def _refuse_deadlock(self, owner: Owner, patience: float | None, *, is_async: bool) -> None:
        if patience is not None or not self._thread_local:
            return
        holding = self._holdings.of(self._identity)
        if holding is None:
            return
        if holding.owner == owner:
            raise LockError(
                self.name,
                "who has it asks for it again, and would wait for itself for ever. "
                "`rlock` is for that.",
            )
        _refuse_blocked_loop(self.name, holding, owner, is_async=is_async)


class RLock(_Exclusive):
    """What :class:`threading.RLock` is within a process, over processes.

    Who has it may acquire it again, and releases it as often.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     with cache.rlock("reports"), cache.rlock("reports"):
    ...         print("twice")
    twice
    """

    def _has_more(self, owner: Owner) -> bool:
        holding = self._holdings.of(self._identity, owner)
        if holding is None:
            return False
        if holding.is_lost():
            raise self._lost()
        holding.count += 1
        return True

    def _refuse_deadlock(self, owner: Owner, patience: float | None, *, is_async: bool) -> None:
        holding = self._holdings.of(self._identity)
        if patience is None and holding is not None:
            _refuse_blocked_loop(self.name, holding, owner, is_async=is_async)


def _refuse_blocked_loop(name: str, holding: Holding, owner: Owner, *, is_async: bool) -> None:
    if not is_async and holding.owner.task is not None and holding.owner.thread == owner.thread:
        raise LockError(
            name,
            "a task of this event loop has it, and could never release it while the loop is "
            "blocked here. Use `async with` or `await lock.aacquire()`.",
        )
