"""Items of users in named collections: what persistent mappings, deques and queues stand on.

They cannot be computed again, as results can. So they have a file of their own, which is never
emptied, is counted by the directory's bound and never gives way to it, and every method raises
:class:`~stagecache.errors.StoreError` where it cannot do what it should.

`collection` is what to build on: items by key or by place, large values in blobs, expiry, tags, a
time and a note for whatever one needs, transactions, statements of one's own. `versions` tells
whether anybody changed a value that is remembered.
"""

from __future__ import annotations

from stagecache.stores.disk.items.collection import Collection
from stagecache.stores.disk.items.file import ItemsFile
from stagecache.stores.disk.items.items import CollectionStats, Items
from stagecache.stores.disk.items.rows import Stored

__all__ = ["Collection", "CollectionStats", "Items", "ItemsFile", "Stored"]
