"""Persistent collections: what many processes share and nothing can compute again.

They lie in the cache directory, in a file that is never emptied. What they hold never gives way to
results; where something cannot be kept, that is an error.
"""

from __future__ import annotations

from stagecache.collections.index import Index
from stagecache.collections.means import Means

__all__ = ["Index", "Means"]
