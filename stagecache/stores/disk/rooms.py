"""Puts together all that works on one directory; what it does is for each room to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.stores.disk import recover
from stagecache.stores.disk.blobs import Blobs
from stagecache.stores.disk.connections import Connections
from stagecache.stores.disk.directory import Directory
from stagecache.stores.disk.evict import Evictor
from stagecache.stores.disk.files import Files
from stagecache.stores.disk.guard import Guard
from stagecache.stores.disk.index import Index
from stagecache.stores.disk.indexfile import IndexFile
from stagecache.stores.disk.items import Items
from stagecache.stores.disk.kept import Limits
from stagecache.stores.disk.pending import Pending
from stagecache.stores.disk.readonly import ReadOnlyConnections
from stagecache.stores.disk.trust import Trust

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import apsw

    from stagecache.clock import Clock


class Rooms:
    """What works on one directory.

    Parameters
    ----------
    root, durable, limits, clock, shared, read_only, secret
        As of the store.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durable: bool,
        limits: Mapping[str, Any],
        clock: Clock,
        shared: bool,
        read_only: bool,
        secret: str | None,
    ) -> None:
        self.clock = clock
        self.read_only = read_only
        self.directory = Directory(root, shared=shared)
        self.trust = Trust(self.directory, secret_file=secret, read_only=read_only)
        self.blobs = Blobs(self.directory, durable=durable)
        self.files = Files(self.directory, self.blobs, clock)
        self.index_file = IndexFile(self.directory, self._fill)
        if read_only:
            self.connections: Connections = ReadOnlyConnections(self.index_file, self.trust)
        else:
            self.connections = Connections(self.index_file, self.trust, durable=durable)
        self.guard = Guard(self.directory.root, self.connections)
        self.pending = Pending(clock)
        self.index = Index(self.connections, self.trust, self.pending)
        self.limits = Limits(self.directory, limits)
        self.items = Items(self.directory, self.trust, clock, durable=durable, read_only=read_only)
        self.evictor = Evictor(
            self.index, self.files, self.directory, self.limits, clock, self._besides
        )

    def _besides(self) -> int:
        return self.items.size() + self.directory.side_size()

    def _fill(self, connection: apsw.Connection) -> None:
        recover.fill(connection, self.directory, self.blobs, self.files)
