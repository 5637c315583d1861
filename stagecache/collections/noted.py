"""Lets results rest on the items of collections that their bodies read.

An item counts by its encoded value; who looks at many, or at all, rests on the whole collection.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from stagecache.clock import SystemClock
from stagecache.errors import StoreError
from stagecache.fingerprint.parts import framed
from stagecache.fingerprint.reads.attribution import running
from stagecache.fingerprint.reads.check import MISSING, UNREADABLE
from stagecache.fingerprint.reads.collected import tell_looked_at
from stagecache.model import Digest
from stagecache.stores.disk.store import store_of

if TYPE_CHECKING:
    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value


def note_item(collection: Collection, encoded: bytes, key: object) -> None:
    """Say that an item is about to be looked at.

    Parameters
    ----------
    collection : Collection
        Which one.
    encoded : bytes
        The key as it is kept.
    key : object
        As a person writes it.
    """
    _note(collection, encoded.hex(), repr(key))


def note_all(collection: Collection) -> None:
    """Say that all items of a collection are about to be looked at, or counted."""
    _note(collection, "", "")


def _note(collection: Collection, *what: str) -> None:
    if running:
        tell_looked_at(json.dumps([*collection.place, *what]))


def answer(name: str) -> Digest:
    """Return the digest of what an item, or a collection, holds now.

    Parameters
    ----------
    name : str
        Of a read of an item.
    """
    directory, collection, key, _ = json.loads(name)
    try:
        found = _open(directory, collection)
        return _of_one(found, bytes.fromhex(key)) if key else _of_all(found)
    except StoreError:
        return UNREADABLE


def _open(directory: str, name: str) -> Collection:
    store = store_of(directory)
    return store.items.open(name, dict(store.items.names()).get(name, "index"))


def _of_one(collection: Collection, key: bytes) -> Digest:
    found = collection.get(key)
    if found is None or (found[2] is not None and found[2] <= SystemClock().now()):
        return MISSING
    return _digest(xxh3_128(b"item:"), found[0], found[1])


def _of_all(collection: Collection) -> Digest:
    now, digest = SystemClock().now(), xxh3_128(b"items:")
    for stored in collection.scan():
        if stored.expires is None or stored.expires > now:
            digest.update(framed(stored.key or b""))
            _digest(digest, stored.codec, stored.value)
    return Digest(digest.digest())


def _digest(digest: Any, codec: str, value: Value) -> Digest:
    pieces = [value] if isinstance(value, bytes) else value
    digest.update(framed(codec, *(b"%d" % memoryview(piece).nbytes for piece in pieces)))
    for piece in pieces:
        digest.update(piece)
    return Digest(digest.digest())
