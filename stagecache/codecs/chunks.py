"""Many small encoded values as one: which codec has which sections, then all the sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.codecs.plain import Plain
from stagecache.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.codecs.base import Sections

CHUNK = "chunk"
"""Stands in an entry, in place of a codec's name, for several values as one."""
ITEMS = "items"
"""The same, for what a generator gave, which lies in the parts of the entry."""

_table = Plain()


def join(values: Sequence[tuple[str, Sections]]) -> Sections:
    """Return the sections of several values as those of one.

    Parameters
    ----------
    values : sequence of (str, sections)
        The name of each one's codec, and what it wrote.

    Examples
    --------
    >>> [*_, last] = join([("plain", [b"one"]), ("pickle", [b"two", b"more"])])
    >>> last
    b'more'
    """
    names = [(name, len(sections)) for name, sections in values]
    return [*_table.encode(names), *(part for _, sections in values for part in sections)]


def split(sections: Sequence[memoryview]) -> list[tuple[str, Sequence[memoryview]]]:
    """Return what :func:`join` was given.

    Raises
    ------
    DecodeError
        If the sections are foreign or damaged.

    Examples
    --------
    >>> views = [memoryview(part) for part in join([("plain", [b"one"]), ("plain", [])])]
    >>> [(name, [bytes(part) for part in parts]) for name, parts in split(views)]
    [('plain', [b'one']), ('plain', [])]
    """
    names = _table.decode(sections[:1])
    values, at = [], 1
    if type(names) is not list:
        raise DecodeError("a chunk without a table")
    for row in names:
        match row:
            case str(name), int(count) if 0 <= count <= len(sections) - at:
                values.append((name, sections[at : at + count]))
                at += count
            case _:
                raise DecodeError("a chunk with a damaged table")
    if at != len(sections):
        raise DecodeError("a chunk of more sections than its table says")
    return values
