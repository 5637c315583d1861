"""Makes the rows of an empty index from the headers of blobs, those that may come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.stores.disk import layout, rows
from stagecache.stores.disk.forgotten import buried
from stagecache.stores.disk.holds import hold
from stagecache.stores.disk.index import insert

if TYPE_CHECKING:
    import apsw

    from stagecache.model import Entry, Key, Provenance
    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.files import Files


def fill(connection: apsw.Connection, directory: Directory, blobs: Blobs, files: Files) -> None:
    """Insert an entry for each blob; of several under one key, the newest.

    Contents are not verified here: the first read of a blob does that.
    """
    dead = buried(directory.forgotten)
    found: dict[Key, tuple[Entry, Provenance]] = {}
    for file in blobs.paths():
        try:
            header, where = blobs.header(file.path)
            entry, provenance = rows.from_header(layout.decode_header(header), where)
        except (OSError, layout.DamagedError, KeyError, ValueError, TypeError):
            continue  # it names nothing that could be found
        if entry.created <= dead.get(entry.key, float("-inf")):
            continue
        rival = found.get(entry.key)
        if rival is None or _age(rival[0]) < _age(entry):
            found[entry.key] = (entry, provenance)
    # In the order of time, so that the newest is listed first.
    insert(connection, sorted(found.values(), key=lambda pair: pair[0].created))
    for entry, _ in found.values():
        if entry.parts:
            hold(connection, entry.key, entry.parts)
    files.count(connection)


def _age(entry: Entry) -> tuple[int, float]:
    return entry.generation, entry.created
