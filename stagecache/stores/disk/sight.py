"""Whether the file that a connection has open is still the one under its name.

Every commit asks. SQLite asks the system itself and has no result to build: 1.2 us, where
:func:`os.stat` takes 1.9.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import addressof
from functools import partial
from typing import TYPE_CHECKING

import apsw

from stagecache.stores.disk.directory import resolved

if TYPE_CHECKING:
    from collections.abc import Callable

_CAN_ASK = os.name == "posix"
"""Elsewhere SQLite says always that it is there."""


class Sight:
    """What is seen of one file.

    Parameters
    ----------
    path : str
        Its name.
    connection : apsw.Connection, optional
        That has it open.

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

    __slots__ = ("_answer", "_ask", "_path", "identity")

    def __init__(self, path: str, connection: apsw.Connection | None = None) -> None:
        self._path = path
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

    def is_there(self) -> bool:
        """Tell whether the file is still under its name."""
        ask = self._ask
        if ask is not None and ask():
            return not self._answer[0]
        try:
            return self._look() == self.identity
        except OSError:
            return False

    def _look(self) -> tuple[int, ...]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino
