"""Where an item of a queue stands: its place says whether it waits, is put off, or is given up.

The ids of a queue's items are cut in four parts. Those that wait are in the order in which they are
taken: by priority, then by the order of their coming. One that is taken stays where it is, with a
time at which its lease ends (``due``): to move it would write twice as much. But whoever takes one
passes by all that are taken and stand before it, so where these are many they are moved
aside. An item that is moved, or put off, goes to the same place of another part, and comes back to
its own. Those that were given up have an order of their own. SQLite finds what is due first.

``note`` is how often an item was taken so far, and, while it is, a token of that taking after it.
"""

from __future__ import annotations

SPAN = 1 << 60
"""Those that wait have ids from -SPAN up to, but not, SPAN."""
ASIDE = 1 << 61
"""What is added to the id of an item that is taken, where many are."""
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
_PARTS = [_LAST.format(part=part, room=1 << _ROOM) for part in (0, ASIDE, LATER)]
PLACE = f"max({', '.join(_PARTS)}) + 1 + ?9"
"""The place of a new item in SQL, given the first of its priority and the part."""

_IN_LINE = f"id >= {-SPAN} AND id < {SPAN}"
_WAITS = f"{_IN_LINE} AND due IS NULL"
_IS = f"id IN (?1, ?1 + {ASIDE}) AND note IS ?2"

TAKE = f"""UPDATE {{table}} SET due = ?1, note = (coalesce(note, 0) + 1) || ' ' || ?2
    WHERE id = (SELECT id FROM {{table}} WHERE {_WAITS} ORDER BY id LIMIT 1)
    RETURNING id, codec, value, blob, seal, note"""  # noqa: S608
MOVE_ASIDE = f"""UPDATE {{table}} SET id = id + {ASIDE} WHERE id IN
    (SELECT id FROM {{table}} WHERE due IS NOT NULL AND {_IN_LINE})"""  # noqa: S608
FIRST = f"SELECT 1 FROM {{table}} WHERE {_WAITS} LIMIT 1"  # noqa: S608
UNFINISHED = f"SELECT 1 FROM {{table}} WHERE id < {GIVEN_UP} LIMIT 1"  # noqa: S608
OVERDUE = "SELECT id, note FROM {table} WHERE due <= ? ORDER BY due LIMIT 1000"
NEXT_DUE = "SELECT due FROM {table} WHERE due IS NOT NULL ORDER BY due LIMIT 1"
HELD = f"""SELECT id, note FROM {{table}} WHERE due < {NEVER}
    AND id >= {-SPAN} ORDER BY due LIMIT 1000"""  # noqa: S608
COUNT_IN_LINE = f"SELECT count(*) FROM {{table}} WHERE {_IN_LINE}"  # noqa: S608
COUNT_OTHERS = "SELECT count(*) FROM {table} WHERE due IS NOT NULL"
_COUNT_DUE = "SELECT count(*) FROM {{table}} WHERE due IS NOT NULL AND id >= {} AND id < {}"
COUNT_TAKEN_IN_LINE = _COUNT_DUE.format(-SPAN, SPAN)
COUNT_TAKEN = _COUNT_DUE.format(-SPAN, GIVEN_UP)
COUNT_LATER = _COUNT_DUE.format(-GIVEN_UP, -SPAN)
COUNT_GIVEN_UP = _COUNT_DUE.format(GIVEN_UP, 2 * GIVEN_UP - 1)
RENEW = f"UPDATE {{table}} SET due = ?3 WHERE {_IS}"  # noqa: S608
DONE = "DELETE FROM {table} WHERE id = ?1 AND note IS ?2"
MOVE = f"""UPDATE {{table}} SET id = ?3, due = ?4, note = ?5, shown = coalesce(?6, shown)
    WHERE {_IS}"""  # noqa: S608
LAST_GIVEN_UP = f"SELECT max(id) FROM {{table}} WHERE id >= {GIVEN_UP}"  # noqa: S608
LETTERS = f"""SELECT id, codec, value, blob, seal, shown FROM {{table}}
    WHERE id >= {GIVEN_UP} ORDER BY id"""  # noqa: S608
REVIVE = f"""UPDATE {{table}} SET id = {PLACE}, due = NULL, note = NULL
    WHERE id = ?1 AND shown = ?2""".replace("?8", "?3").replace("?9", "0")  # noqa: S608
DISCARD = "DELETE FROM {table} WHERE id = ?1 AND shown = ?2"
ENDS = f"""SELECT * FROM (SELECT id FROM {{table}} WHERE {_WAITS} ORDER BY id LIMIT 1) UNION ALL
    SELECT * FROM (SELECT id FROM {{table}} WHERE {_WAITS} ORDER BY id DESC LIMIT 1)"""  # noqa: S608
PAGE = 200
"""Items fetched at once."""
FORWARDS = f"WHERE id > ? AND id <= ? AND due IS NULL ORDER BY id LIMIT {PAGE}"
BACKWARDS = f"WHERE id < ? AND id >= ? AND due IS NULL ORDER BY id DESC LIMIT {PAGE}"


def first_of(priority: int) -> int:
    """Return the least place of a priority; the lower it is, the sooner its items are taken.

    Examples
    --------
    >>> first_of(-1) < first_of(0) == 0 < first_of(1)
    True
    """
    return priority << _ROOM


def place_of(where: int) -> int:
    """Return the place in the line of an item that is taken, aside perhaps, or put off.

    Examples
    --------
    >>> [place_of(5 + part) for part in (0, ASIDE, LATER)]
    [5, 5, 5]
    """
    if where >= SPAN:
        return where - ASIDE
    return where - LATER if where < -SPAN else where


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
