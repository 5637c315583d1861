"""The public API of diskcache 5.6.3, over collections of ours.

``from stagecache.integrations import diskcache`` stands in for ``import diskcache``. What differs,
and how an old directory is brought over, is told by ``docs/from-diskcache.md``.
"""

from __future__ import annotations

from stagecache.integrations.diskcache.cache import Cache
from stagecache.integrations.diskcache.deque import Deque
from stagecache.integrations.diskcache.disk import Disk, JSONDisk
from stagecache.integrations.diskcache.fanout import FanoutCache
from stagecache.integrations.diskcache.index import Index
from stagecache.integrations.diskcache.memoizing import memoize_stampede
from stagecache.integrations.diskcache.recipes import (
    Averager,
    BoundedSemaphore,
    Lock,
    RLock,
    barrier,
    throttle,
)
from stagecache.integrations.diskcache.words import (
    DEFAULT_SETTINGS,
    ENOVAL,
    EVICTION_POLICY,
    UNKNOWN,
    EmptyDirWarning,
    Timeout,
    UnknownFileWarning,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "ENOVAL",
    "EVICTION_POLICY",
    "UNKNOWN",
    "Averager",
    "BoundedSemaphore",
    "Cache",
    "Deque",
    "Disk",
    "EmptyDirWarning",
    "FanoutCache",
    "Index",
    "JSONDisk",
    "Lock",
    "RLock",
    "Timeout",
    "UnknownFileWarning",
    "barrier",
    "memoize_stampede",
    "throttle",
]
