"""A store in a directory: an SQLite index beside content-addressed blobs."""

from __future__ import annotations

from stagecache.stores.disk.store import DiskStore

__all__ = ["DiskStore"]
