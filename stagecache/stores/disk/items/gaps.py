"""Closes the gaps that damage leaves among items whose ids are to follow each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stagecache.stores.disk.items.schema import name_of

if TYPE_CHECKING:
    import apsw


def is_gapless(connection: apsw.Connection, number: int) -> bool:
    """Tell whether a collection was declared ``gapless``."""
    settings = connection.execute(
        "SELECT settings FROM collections WHERE number = ?", (number,)
    ).get
    return settings is not None and bool(json.loads(settings).get("gapless"))


def close_gaps(connection: apsw.Connection, number: int) -> None:
    """Move the items of a gapless collection together, inside a transaction.

    Parameters
    ----------
    connection : apsw.Connection
        To the file.
    number : int
        The collection's.
    """
    if not is_gapless(connection, number):
        return
    table = f"items_{name_of(number)}"
    ids = [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]  # noqa: S608
    for place, found in enumerate(ids, ids[0] if ids else 0):
        if found != place:
            connection.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (place, found))  # noqa: S608
