"""Finds what a query opens of databases beside what it was given: files it attaches, and logs.

SQLite and DuckDB open both by themselves, and no audit event tells of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stagecache.fingerprint.reads.attribution import nobody
from stagecache.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTACH = re.compile(r"\battach\b[^'\";]*(?:'((?:[^']|'')*)'|\"([^\"]*)\")?", re.IGNORECASE)
_HEADERS = {"-wal": (0, b"SQLite format 3\0"), ".wal": (8, b"DUCK")}
"""How the name of a log differs, and where a database says what it is."""


def attaches(text: str) -> bool:
    """Tell whether a text may be a query that attaches a database.

    Examples
    --------
    >>> attaches("ATTACH ? AS other")
    True
    """
    return _ATTACH.search(text) is not None


def attached_in(text: str) -> Iterator[str]:
    """Yield the names of files that a query attaches, as far as they stand in its text.

    Examples
    --------
    >>> list(attached_in("attach database 'a.db' as a; attach 'file:b.db?mode=ro' as b"))
    ['a.db', 'b.db']
    """
    for quoted, identifier in _ATTACH.findall(text):
        name = file_of((quoted or identifier).replace("''", "'"))
        if name:
            yield name


def file_of(name: str) -> str:
    """Return the file that SQLite means by the name of a database; nothing if it has none.

    Examples
    --------
    >>> file_of("file:rates%20of%202013.db?mode=ro"), file_of(":memory:")
    ('rates of 2013.db', '')
    """
    if name.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        address = urlsplit(name)
        name = "" if "mode=memory" in address.query else unquote(address.path)
    return "" if name == ":memory:" else name


def log_of(path: str) -> str | None:
    """Return how the name of the log of a database goes on after its own; None: it is none.

    Parameters
    ----------
    path : str
        Of a file.
    """
    try:
        with nobody(), Reading(path) as stream:
            head = stream.read(16)
    except OSError:
        return None
    return next((end for end, (at, mark) in _HEADERS.items() if head.startswith(mark, at)), None)
