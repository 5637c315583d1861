"""Where an item of a queue stands: its place says whether it waits, is taken, or is given up.

The ids of a queue's items are cut in four parts. Those that wait are in the order in which they are
taken: by priority, then by the order of their coming. An item that is taken, or put off, goes to
the same place of another part, and comes back to its own; so nobody looks at it meanwhile. Those
that were given up have an order of their own. ``due`` says when a lease ends, or when an item that
was put off may be taken; SQLite finds the first of them at once.

``note`` is how often an item was taken so far, and, while it is, a token of that taking after it.
"""

from __future__ import annotations

SPAN = 1 << 60
"""Those that wait have ids from -SPAN up to, but not, SPAN."""
TAKEN = 1 << 61
"""What is added to the id of an item that is taken."""
LATER = -(1 << 61)
"""What is added to the id of an item that is put off."""
GIVEN_UP = 1 << 62
"""The least id of those that were given up."""
NEVER = 1e300
"""When an item that was given up is due: so the index of ``due`` counts all that do not wait."""
MOST = 65_535
"""The greatest priority; the least is -MOST."""
_ROOM = 43
"""Binary digits of the order of coming."""

_LAST = """coalesce((SELECT id - {part} FROM {{table}} WHERE id > ?8 + {part}
    AND id < ?8 + {part} + {room} ORDER BY id DESC LIMIT 1), ?8)"""
_PARTS = [_LAST.format(part=part, room=1 << _ROOM) for part in (0, TAKEN, LATER)]
PLACE = f"max({', '.join(_PARTS)}) + 1 + ?9"
"""The place of a new item in SQL, given the first of its priority and the part."""

WAITS = f"id >= {-SPAN} AND id < {SPAN}"

TAKE = f"""UPDATE {{table}}
    SET id = id + {TAKEN}, due = ?1, note = (coalesce(note, 0) + 1) || ' ' || ?2
    WHERE id = (SELECT id FROM {{table}} WHERE {WAITS} ORDER BY id LIMIT 1)
    RETURNING id, codec, value, blob, seal, note"""  # noqa: S608
FIRST = f"SELECT 1 FROM {{table}} WHERE {WAITS} LIMIT 1"  # noqa: S608
UNFINISHED = f"SELECT 1 FROM {{table}} WHERE id < {GIVEN_UP} LIMIT 1"  # noqa: S608
OVERDUE = "SELECT id, note FROM {table} WHERE due <= ? ORDER BY due LIMIT 1000"
NEXT_DUE = "SELECT due FROM {table} WHERE due IS NOT NULL ORDER BY due LIMIT 1"
HELD = f"""SELECT id, note FROM {{table}} WHERE due < {NEVER}
    AND id >= {SPAN} ORDER BY due LIMIT 1000"""  # noqa: S608
COUNT = f"SELECT count(*) FROM {{table}} WHERE {WAITS}"  # noqa: S608
COUNT_OTHERS = "SELECT count(*) FROM {table} WHERE due IS NOT NULL"
COUNT_TAKEN = f"""SELECT count(*) FROM {{table}} WHERE due IS NOT NULL
    AND id >= {SPAN} AND id < {GIVEN_UP}"""  # noqa: S608
COUNT_LATER = f"SELECT count(*) FROM {{table}} WHERE due IS NOT NULL AND id < {-SPAN}"  # noqa: S608
COUNT_GIVEN_UP = f"""SELECT count(*) FROM {{table}} WHERE due IS NOT NULL
    AND id >= {GIVEN_UP}"""  # noqa: S608
RENEW = "UPDATE {table} SET due = ?1 WHERE id = ?2 AND note = ?3"
DONE = "DELETE FROM {table} WHERE id = ?1 AND note = ?2"
MOVE = """UPDATE {table} SET id = ?3, due = ?4, note = ?5, shown = coalesce(?6, shown)
    WHERE id = ?1 AND note IS ?2"""
LAST_GIVEN_UP = f"SELECT max(id) FROM {{table}} WHERE id >= {GIVEN_UP}"  # noqa: S608
LETTERS = f"""SELECT id, codec, value, blob, seal, shown FROM {{table}}
    WHERE id >= {GIVEN_UP} ORDER BY id"""  # noqa: S608
REVIVE = f"""UPDATE {{table}} SET id = {PLACE}, due = NULL, note = NULL
    WHERE id = ?1 AND shown = ?2""".replace("?8", "?3").replace("?9", "0")  # noqa: S608
DISCARD = "DELETE FROM {table} WHERE id = ?1 AND shown = ?2"
ENDS = f"""SELECT * FROM (SELECT id FROM {{table}} WHERE {WAITS} ORDER BY id LIMIT 1) UNION ALL
    SELECT * FROM (SELECT id FROM {{table}} WHERE {WAITS} ORDER BY id DESC LIMIT 1)"""  # noqa: S608
PAGE = 200
"""Items fetched at once."""
FORWARDS = f"WHERE id > ? AND id <= ? ORDER BY id LIMIT {PAGE}"
BACKWARDS = f"WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT {PAGE}"


def first_of(priority: int) -> int:
    """Return the least place of a priority; the lower it is, the sooner its items are taken.

    Examples
    --------
    >>> first_of(-1) < first_of(0) == 0 < first_of(1)
    True
    """
    return priority << _ROOM


def priority_of(place: int) -> int:
    """Return the priority of an item that waits in a place.

    Examples
    --------
    >>> [priority_of(first_of(priority) + 5) for priority in (-2, 0, 7)]
    [-2, 0, 7]
    """
    return place >> _ROOM


def times(note: int | str | None) -> int:
    """Return how often an item was taken.

    Examples
    --------
    >>> times(None), times(2), times("3 aa-1")
    (0, 2, 3)
    """
    return int(note.partition(" ")[0]) if isinstance(note, str) else note or 0


def holder_of(note: object) -> str:
    """Return the token of who has taken an item, by its note.

    Examples
    --------
    >>> holder_of("3 aabb-1")
    'aabb'
    """
    return note.partition(" ")[2].partition("-")[0] if isinstance(note, str) else ""
