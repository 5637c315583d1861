"""Signs of life: who took something and lives, in any process of this machine.

Each holder locks a byte of one file for as long as it lives, under a token that it writes beside
what it takes. The system gives the byte back when the process ends, however it ends. A forked
child is a holder of its own.

Where there are no such locks, or the file system is one of a network, nobody is ever called dead:
what they took comes back when its time is over.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.forking import hold_over_forks
from stagecache.leases.lockfile import IS_SUPPORTED, LockFile, byte_of
from stagecache.model import Key

if TYPE_CHECKING:
    from stagecache.stores.disk.items.place import ItemsDirectory


class Presence:
    """One holder.

    Parameters
    ----------
    directory : ItemsDirectory
        Whose file it is.
    """

    def __init__(self, directory: ItemsDirectory) -> None:
        self._directory = directory
        self._lock = threading.RLock()
        self._file: LockFile | None = None
        self._token = ""
        self._can_tell = False
        hold_over_forks(self)

    @property
    def token(self) -> str:
        """Who this is, sixteen hexadecimal digits: locked from now on, if that can be done."""
        if not self._token:
            self.begin()
        return self._token

    def begin(self) -> None:
        """Lock the byte unless that was done."""
        with self._lock:
            if not self._token:
                self._begin()

    def renew(self) -> None:
        """Begin anew if the file is another one by now: somebody removed the directory."""
        if self._file is not None and not self._file.is_at(self._directory.holders):
            with self._lock:
                self._begin()

    def is_gone(self, token: str) -> bool:
        """Tell whether a holder is certainly no more."""
        if token == self.token or not self._can_tell:
            return False
        assert self._file is not None
        try:
            return not self._file.is_locked(byte_of(Key(bytes.fromhex(token))))
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """Be no more: others may have at once what was taken."""
        with self._lock:
            file, self._file, self._token = self._file, None, ""
        if file is not None:
            file.close()

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child be somebody else."""
        if in_child:
            self._file, self._token = None, ""  # the file closes itself there
        self._lock.release()

    def _begin(self) -> None:
        token = os.urandom(8)
        self._file, self._can_tell = None, False
        if IS_SUPPORTED and self._directory.is_local():
            with suppress(OSError):
                file = LockFile(self._directory.holders)
                self._can_tell = file.try_lock(byte_of(Key(token)))
                self._file = file
        self._token = token.hex()
