"""Whether SQLite finds the pages of an index in order; nothing is changed and nothing is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = 20_000
"""Of SQLite's machine between two calls of ``beat``: some milliseconds."""


def damages(path: str, beat: Callable[[], None], *, alone: bool = False) -> list[str]:
    """Return what SQLite finds wrong with the index at `path`; at most a hundred things.

    Parameters
    ----------
    path : str
        The index.
    beat : callable
        Called now and then. What it raises ends the check: a large index takes its time, and
        Python hears of Ctrl-C only when it is called.
    alone : bool, optional
        Whether nobody has the index open; then not even a lock is taken.

    Raises
    ------
    apsw.Error
        If it cannot be read at all.
    """
    connection = reader(path, alone=alone)

    def go_on() -> bool:
        beat()
        return False

    try:
        connection.set_progress_handler(go_on, _STEPS)
        found = connection.execute("PRAGMA quick_check").fetchall()
        return [str(text) for (text,) in found if text != "ok"]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)]
    finally:
        connection.close()


def reader(path: str, *, alone: bool = False) -> apsw.Connection:
    """Return a connection that cannot write.

    Raises
    ------
    apsw.Error
        If it cannot be had.
    """
    name = f"file:{quote(path)}?mode=ro{'&immutable=1' if alone else ''}"
    connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    connection.set_busy_timeout(5_000)
    return connection
