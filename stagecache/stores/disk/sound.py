"""Whether SQLite finds the pages of an index in order; nothing is changed and nothing is mended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import apsw

from stagecache.stores.disk.databases import BUSY
from stagecache.stores.disk.directory import no_follow, resolved
from stagecache.stores.disk.rawfile import LOGGED
from stagecache.stores.disk.turns import wait_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = 20_000
"""Of SQLite's machine between two calls of ``beat``: some milliseconds."""


def damages(
    path: str, beat: Callable[[], None], *, how: str = "integrity_check", alone: bool = False
) -> list[str]:
    """Return what SQLite finds wrong with the index at `path`; at most a hundred things.

    Parameters
    ----------
    path : str
        The index.
    beat : callable
        Called now and then. What it raises ends the check: a large index takes its time, and
        Python hears of Ctrl-C only when it is called.
    how : str, optional
        The pragma. ``quick_check`` takes less time, but does not see a list of keys that leads to
        the rows of other keys.
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
        found = connection.execute(f"PRAGMA {how}").fetchall()
        return [str(text) for (text,) in found if text != "ok"]
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)]
    finally:
        connection.close()


def reader(path: str, *, alone: bool = False) -> apsw.Connection:
    """Return a connection that cannot write, not even the notes that readers leave for writers.

    Parameters
    ----------
    path : str
        The index.
    alone : bool, optional
        Whether nobody has the index open; then not even a lock is taken.

    Raises
    ------
    apsw.Error
        If it cannot be had.
    """
    how = "immutable=1" if alone or is_alone(path) else "readonly_shm=1"
    name = f"file:{quote(resolved(path))}?mode=ro&{how}"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOFOLLOW
    connection = apsw.Connection(name, flags=flags)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    wait_in_turn(connection, BUSY)
    return connection


def is_alone(path: str) -> bool:
    """Tell whether an index is whole without a log, so that nobody can be writing one.

    To open such an index as any other would be to make a log.
    """
    if os.path.exists(f"{path}-shm") or os.path.exists(f"{path}-wal"):
        return False
    with open(path, "rb", buffering=0, opener=no_follow) as stream:
        return stream.read(20)[18:] == LOGGED
