"""Makes the processes of a machine take turns at making or repairing an index."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagecache.stores.disk.directory import no_follow

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 60.0
"""Seconds; an index of a million blobs is filled in less."""


@contextmanager
def locked(path: str) -> Iterator[int]:
    """Hold the lock file at `path`, and yield its descriptor, at the end of the file.

    Raises
    ------
    OSError
        If it cannot be opened, or had in time.
    """
    descriptor = no_follow(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        _lock(descriptor)
        try:
            yield descriptor
        finally:
            _unlock(descriptor)
    finally:
        os.close(descriptor)


try:
    import fcntl
except ImportError:  # Windows: the first to open the index for writing has it, by SQLite's locks

    def _lock(descriptor: int) -> None:
        """Take no lock."""

    def _unlock(descriptor: int) -> None:
        """Release no lock."""

else:

    def _lock(descriptor: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # rare: only while an index is made
            else:
                return

    def _unlock(descriptor: int) -> None:
        # Said aloud: a child that was forked meanwhile has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
