"""Sets right what a check found: what is damaged goes aside, what rests on it is forgotten.

Everything is looked at again first: others are at work on the directory all the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from stagecache.stores.disk.examine import PIECE, examine
from stagecache.stores.sections import unseal

if TYPE_CHECKING:
    from stagecache.model import Digest, Key
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.connections import Connections
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index
    from stagecache.stores.disk.items import Items
    from stagecache.stores.reports import Problem


class Repair:
    """Called with a problem, sets it right and tells whether it is.

    Parameters
    ----------
    index, blobs, files, directory, connections, items
        Of the store that has the problem.
    """

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        files: Files,
        directory: Directory,
        connections: Connections,
        items: Items,
    ) -> None:
        self._index = index
        self._blobs = blobs
        self._files = files
        self._directory = directory
        self._connections = connections
        self._items = items

    def __call__(self, problem: Problem) -> bool:
        """Set one problem right.

        Raises
        ------
        OSError, apsw.Error
            If the directory cannot be written.
        """
        match problem.kind:
            case "index":
                return self._connections.mend(apsw.CorruptError(problem.detail))
            case "row" if problem.key is not None:
                return self._remove(problem.key)
            case "part" if problem.key is not None:
                entry = self._index.lying(problem.key)
                return (
                    entry is None or not self._index.lacks_parts(entry) or self._remove(entry.key)
                )
            case "item" if problem.item is not None:
                return self._items.forget_damaged(*problem.item)
            case "collections":
                return self._items.mend(problem.detail)
            case "account":
                self._files.mend(self._index)
                return True
            case "value" if problem.key is not None:
                return self._value(problem.key)
            case "blob" | "missing" | "stray" if problem.blob is not None:
                return self._blob(problem.blob, problem.key)
        return False

    def _remove(self, key: Key) -> bool:
        self._index.remove([key], 0.0, self._files.delete)
        return True

    def _value(self, key: Key) -> bool:
        entry = self._index.lying(key)
        if entry is not None and entry.inline is not None and unseal(entry) is None:
            self._index.drop(entry, lambda _: True)
        return True

    def _blob(self, where: Digest, key: Key | None) -> bool:
        entry = None if key is None else self._index.lying(key)
        if entry is not None and entry.blob != where:
            return True
        path = self._directory.blob(where.hex())
        codec = None if entry is None else entry.codec
        fault = examine(path, where, codec, bytearray(PIECE), lambda _: None)
        if fault is None:
            return True
        inode = fault.inode

        def set_aside(connection: apsw.Connection) -> bool:
            if inode and self._blobs.is_file(where, inode):
                self._files.quarantine(connection, where)
            return self._files.is_gone(connection, where)

        if entry is not None:
            self._index.drop(entry, set_aside)
        else:  # under the lock of writers, so that nobody publishes it meanwhile
            self._index.write(set_aside)
        return not self._blobs.has(where)
