"""The stand-in for the lock file where the system has no open-file-description locks.

A file for every key, locked by the `filelock` package: waiting is polling, nobody says who holds
what, and the empty files stay until the whole directory goes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from stagecache.leases.lockfile import Note
    from stagecache.model import Key


class LockFolder:
    """Does what :class:`~stagecache.leases.lockfile.LockFile` does, by a folder of files.

    Parameters
    ----------
    path : str
        Where the lock file would be; the folder is ``<path>.d``.

    Raises
    ------
    OSError
        If the folder cannot be made, or the `filelock` package is not installed.
    """

    def __init__(self, path: str) -> None:
        try:
            import filelock
        except ImportError as error:
            raise OSError("no file locks here without the filelock package") from error
        self._folder = f"{path}.d"
        if not os.path.isdir(self._folder):
            os.mkdir(self._folder)
        self._make = filelock.FileLock
        self._held: dict[int, BaseFileLock] = {}

    def is_deleted(self) -> bool:
        """Tell whether somebody deleted the folder."""
        return not os.path.isdir(self._folder)

    def is_at(self, path: str) -> bool:  # noqa: ARG002 - as that of a lock file
        """Tell whether the folder is still there."""
        return os.path.isdir(self._folder)

    def try_lock(self, byte: int) -> bool:
        """Lock `byte` if no other process has it."""
        lock = self._lock_of(byte)
        try:
            lock.acquire(blocking=False)
        except TimeoutError:
            return False
        self._held[byte] = lock
        return True

    def lock(self, byte: int) -> None:
        """Wait until `byte` is ours."""
        lock = self._lock_of(byte)
        lock.acquire()
        self._held[byte] = lock

    def unlock(self, byte: int) -> None:
        """Free `byte`."""
        lock = self._held.pop(byte, None)
        if lock is not None:
            lock.release(force=True)

    def is_locked(self, byte: int) -> bool:
        """Tell whether somebody else has `byte`."""
        lock = self._lock_of(byte)
        try:
            lock.acquire(blocking=False)
        except TimeoutError:
            return True
        lock.release(force=True)
        return False

    def write_note(
        self, key: Key, since: float, waits_for: Key | None = None, *, is_idle: bool = False
    ) -> None:
        """Do nothing: there is no place for notes."""

    def read_note(self, key: Key) -> Note | None:
        """Return None: nobody says who holds a key."""

    def published(self, key: Key) -> bool | None:
        """Return None: nobody says so."""

    def close(self) -> None:
        """Free every lock."""
        while self._held:
            self._held.popitem()[1].release(force=True)

    def _lock_of(self, byte: int) -> BaseFileLock:
        # The thread that waits is not the one that releases.
        return self._make(os.path.join(self._folder, f"{byte:016x}"), thread_local=False)
