"""Whether the file that a connection has open is still the one under its name.

Every commit asks. As long as a file has a name the system tells by its descriptor in 0.7 us; that
this is the name under which it was opened, SQLite finds out in 1.2 us (:func:`os.stat` 1.9), and it
is asked now and then: what is kept in between, in a directory that somebody has just moved, is
where he moved it. So is whether the log and SQLite's notes on it are still those under their names:
what is written to a log that somebody removed nobody reads, and by other notes others write, too.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from ctypes import addressof
from functools import partial
from os import fstat
from time import monotonic
from typing import TYPE_CHECKING

import apsw

from stagecache.stores.disk.directory import resolved

if TYPE_CHECKING:
    from collections.abc import Callable

_CAN_ASK = os.name == "posix"
"""Elsewhere SQLite says always that it is there."""
_WITHOUT_READING = getattr(os, "O_PATH", 0)
"""Of a descriptor that can be closed without giving up SQLite's locks on the file."""
_LOOK = 0.01
"""Seconds between two looks at the name."""


class Sight:
    """What is seen of one file.

    Parameters
    ----------
    path : str
        Its name.
    connection : apsw.Connection, optional
        That has it open.
    is_local : bool, optional
        Whether the system knows how many names the file has.

    Raises
    ------
    OSError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/index.db"
    ...     open(path, "w").close()
    ...     sight = Sight(path)
    ...     print(sight.is_there(), os.unlink(path), sight.is_there())
    True None False
    """

    __slots__ = ("_answer", "_ask", "_descriptor", "_log", "_next_look", "_path", "identity")

    def __init__(
        self, path: str, connection: apsw.Connection | None = None, *, is_local: bool = False
    ) -> None:
        self._path = path
        self._descriptor = -1
        self._log: list[tuple[int, int]] = []
        self._next_look = 0.0
        self.identity = self._look()
        """Device and inode."""
        self._ask: Callable[[], bool] | None = None
        # SQLite knows the file by a path without links: of these it would not notice a change.
        if connection is not None and _CAN_ASK and resolved(path) == path:
            answer = ctypes.c_int(0)
            self._ask = partial(
                connection.file_control, "main", apsw.SQLITE_FCNTL_HAS_MOVED, addressof(answer)
            )
            self._answer = memoryview(answer).cast("B").cast("i")
            if not self.is_there():
                raise FileNotFoundError(f"{path} was replaced a moment ago")
            if is_local and _WITHOUT_READING:
                self._hold()

    def is_there(self, now: float | None = None) -> bool:
        """Tell whether the file is still under its name.

        Parameters
        ----------
        now : float, optional
            What :func:`time.monotonic` says, for who has asked already.
        """
        descriptor = self._descriptor
        if descriptor >= 0:
            if now is None:
                now = monotonic()
            if now < self._next_look:
                return fstat(descriptor).st_nlink > 0
            self._next_look = now + _LOOK
            if self._log != self._look_at_log():
                return False
        ask = self._ask
        if ask is not None and ask():
            return not self._answer[0]
        try:
            return self._look() == self.identity
        except OSError:
            return False

    def close(self) -> None:
        """Look no more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close

    def _hold(self) -> None:
        try:
            descriptor = os.open(self._path, _WITHOUT_READING | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) == self.identity:
            self._descriptor = descriptor
            self._log = self._look_at_log()
        else:
            os.close(descriptor)

    def _look(self) -> tuple[int, ...]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino

    def _look_at_log(self) -> list[tuple[int, int]]:
        """Return which files the log and the notes on it are; none if there is no log."""
        found = []
        with suppress(OSError):
            for suffix in ("-wal", "-shm"):
                status = os.stat(self._path + suffix)
                found.append((status.st_dev, status.st_ino))
        return found
