"""Reads files that the user's own code may hold locks on, without giving these up.

A process loses all its locks on a file when it closes any descriptor of that file (fcntl(2),
"Record locks"), and SQLite and DuckDB lock their databases so: who hashes a database that the job
has open, and closes it, lets other processes write into the job's transaction. (SQLite itself puts
such closing off; "How To Corrupt An SQLite Database File", 2.2.) So descriptors of databases, and
of files that Python code has locked by ``fcntl.lockf``, stay open and are used again.
"""

from __future__ import annotations

import io
import os
import threading
from typing import Any

from stagecache.forking import hold_over_forks

_MARKS = ((0, b"SQLite format 3\0"), (8, b"DUCK"))
"""Where a file says that it is a database, and how."""
_LOCKS_GO = os.name == "posix"

_locked: set[tuple[int, int]] = set()
"""Files that Python code has locked, by device and inode."""


class _Descriptors:
    """Those that stay open, by device and inode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, int], int] = {}
        self._borrowed: list[int] = []
        """Those of them that are read just now, each as often as that is."""
        hold_over_forks(self)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        self._lock.release()

    def borrow(self, path: str | os.PathLike[str]) -> int | None:
        """Return that of a file, to be given back; None: there is none."""
        if not self._kept:
            return None
        found = os.stat(path)
        with self._lock:
            file = self._kept.get((found.st_dev, found.st_ino))
            if file is not None:
                self._borrowed.append(file)
        return file

    def take(self, stream: Reading) -> None:
        """Take back what was borrowed; keep or close what was not."""
        file = stream.fileno()
        with self._lock:
            if file in self._borrowed:  # it stays, whatever the file has become meanwhile
                self._borrowed.remove(file)
                return
            if stream.stays_open:
                self._drop_those_of_removed_files()
                self._kept.setdefault(_key_of(file), file)  # of two that were as fast both stay
                return
        os.close(file)

    def _drop_those_of_removed_files(self) -> None:
        for key, file in list(self._kept.items()):
            # Nobody else can come to one that is removed.
            if file not in self._borrowed and not os.fstat(file).st_nlink:
                os.close(self._kept.pop(key))


class Reading(io.RawIOBase):
    """A file that is open for reading, from its start.

    Parameters
    ----------
    path : path-like
        Of a regular file: to open a pipe may wait for its other end.

    Raises
    ------
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> with Reading(__file__) as stream:
    ...     len(stream.read(3))
    3
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._at = 0
        known = _descriptors.borrow(path)
        self._file = os.open(path, os.O_RDONLY | _BINARY) if known is None else known

    def readable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, which may be in use elsewhere: its position says nothing."""
        return self._file

    @property
    def stays_open(self) -> bool:
        """Whether the descriptor, and every other one of the file, has to stay open."""
        return _LOCKS_GO and (_key_of(self._file) in _locked or _is_database(self._file))

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as there are and fit; return how many."""
        count = _read_at(self._file, buffer, self._at)
        self._at += count
        return count

    def close(self) -> None:
        """Read no more."""
        if not self.closed:
            super().close()
            _descriptors.take(self)


def note_lock(descriptor: int, command: int, length: int, start: int, _whence: int) -> None:
    """Note that somebody locks a file, or gives up the lock, as the arguments of ``lockf`` say."""
    import fcntl

    gives_all_up = command == fcntl.LOCK_UN and not length and not start
    (_locked.discard if gives_all_up else _locked.add)(_key_of(descriptor))


def _key_of(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def _is_database(file: int) -> bool:
    head = bytearray(16)
    _read_at(file, head, 0)
    return any(head.startswith(mark, at) for at, mark in _MARKS)


_descriptors = _Descriptors()
_BINARY = getattr(os, "O_BINARY", 0)

if hasattr(os, "preadv"):

    def _read_at(file: int, buffer: Any, at: int) -> int:
        return os.preadv(file, [buffer], at)

else:

    def _read_at(file: int, buffer: Any, at: int) -> int:
        os.lseek(file, at, os.SEEK_SET)
        data = os.read(file, len(buffer))
        buffer[: len(data)] = data
        return len(data)
