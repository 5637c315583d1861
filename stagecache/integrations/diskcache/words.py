"""The words of diskcache: constants, settings, warnings, and the error of who has waited enough."""

from __future__ import annotations

import pickle
from typing import Any


class Constant(tuple[str]):
    """A constant that is shown by its name, and is what it was after it was pickled."""

    __slots__ = ()

    def __new__(cls, name: str) -> Constant:  # noqa: D102
        return tuple.__new__(cls, (name,))

    def __repr__(self) -> str:
        return self[0]


ENOVAL: Any = Constant("ENOVAL")
UNKNOWN: Any = Constant("UNKNOWN")

DEFAULT_SETTINGS: dict[str, Any] = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "least-recently-stored",
    "size_limit": 2**30,
    "cull_limit": 10,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2**13,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 2**26,
    "sqlite_synchronous": 1,
    "disk_min_file_size": 2**15,
    "disk_pickle_protocol": pickle.HIGHEST_PROTOCOL,
}
"""Those that begin with ``sqlite_`` are kept, and have no effect."""

COUNTERS = ("count", "size", "hits", "misses")
"""What :meth:`Cache.reset` tells of besides settings."""

EVICTION_POLICY: dict[str, dict[str, str | None]] = {
    "none": {"init": None, "get": None, "cull": None},
    "least-recently-stored": {
        "init": None,
        "get": None,
        "cull": "SELECT {fields} FROM Cache ORDER BY store_time LIMIT ?",
    },
    "least-recently-used": {
        "init": None,
        "get": "access_time = {now}",
        "cull": "SELECT {fields} FROM Cache ORDER BY access_time LIMIT ?",
    },
    "least-frequently-used": {
        "init": None,
        "get": "access_count = access_count + 1",
        "cull": "SELECT {fields} FROM Cache ORDER BY access_count LIMIT ?",
    },
}
"""Name -> in which order items give way. What is added here can be used as well, with one of
``store_time``, ``access_time`` and ``access_count``; ``init`` is not needed, and not run."""


class Timeout(Exception):  # noqa: N818 - as users know it
    """Others were writing for longer than a cache's `timeout`."""


class UnknownFileWarning(UserWarning):
    """`Cache.check` found a file that belongs to no item."""


class EmptyDirWarning(UserWarning):
    """`Cache.check` of diskcache found an empty folder; here they are no fault."""
