"""Persistent collections: what many processes share and nothing can compute again.

They lie in the cache directory, in a file that is never emptied. What they hold never gives way to
results; where something cannot be kept, that is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.late import late

if TYPE_CHECKING:
    from stagecache.collections.deque import Deque
    from stagecache.collections.index import Index
    from stagecache.collections.letters import DeadLetter
    from stagecache.collections.means import Means
    from stagecache.collections.queue import Queue
    from stagecache.collections.taken import Taken

__all__ = ["DeadLetter", "Deque", "Index", "Means", "Queue", "Taken"]

# A cache that opens no collection imports none.
_LAZY = {
    "Deque": "stagecache.collections.deque",
    "Index": "stagecache.collections.index",
    "DeadLetter": "stagecache.collections.letters",
    "Means": "stagecache.collections.means",
    "Queue": "stagecache.collections.queue",
    "Taken": "stagecache.collections.taken",
}


__getattr__ = late(__name__, _LAZY)
