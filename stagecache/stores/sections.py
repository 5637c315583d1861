"""Sections as flat bytes: their address, and their sealed form for the index row."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from xxhash import xxh3_128, xxh3_128_digest

from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

    from stagecache.model import Entry

_COUNT = struct.Struct("<I")
_ONE = struct.Struct("<IQ")
_FIRST = 12
"""Where the contents begin when there is one section."""


def flat(sections: Iterable[Buffer]) -> list[memoryview]:
    """Return a view of bytes over each section, without a copy.

    Examples
    --------
    >>> [view.tolist() for view in flat([b"ab", bytearray(1)])]
    [[97, 98], [0]]
    """
    views = []
    for section in sections:
        view = memoryview(section)
        if view.ndim != 1 or view.format != "B":
            # An empty view of several dimensions cannot be cast.
            view = view.cast("B") if view.nbytes else memoryview(b"")
        views.append(view)
    return views


def address(codec: str, views: Sequence[memoryview]) -> Digest:
    """Return the digest that a value of these sections is found by.

    The codec and the lengths are in it, so that equal bytes cut or read in another way are
    another value.
    """
    state = begin(codec, [view.nbytes for view in views])
    for view in views:
        state.update(view)
    return Digest(state.digest())


def begin(codec: str, lengths: Sequence[int]) -> xxh3_128:
    """Return the state that the contents of the sections are to be added to, for their address."""
    name = codec.encode()
    return xxh3_128(struct.pack(f"<H{len(name)}sQ{len(lengths)}Q", len(name), name, len(lengths),
                                *lengths))  # fmt: skip


def seal(entry: Entry, views: Sequence[memoryview]) -> bytes:
    """Return the sections of a small value as one string: count, lengths, contents, digest.

    The digest also covers what the row says of the value: SQLite does not check its pages.
    """
    if len(views) == 1:
        table = _ONE.pack(1, views[0].nbytes)
    else:
        count = len(views)
        table = struct.pack(f"<I{count}Q", count, *[view.nbytes for view in views])
    body = b"".join([table, *views])
    return body + _seal_of(entry, body)


def unseal(entry: Entry) -> list[memoryview] | None:
    """Return the sections, read-only, of an entry with an inline value; None if damaged."""
    sealed = entry.inline
    if sealed is None:
        return None
    body = sealed[:-16]
    if sealed[-16:] != _seal_of(entry, body):
        return None
    if body[:4] == b"\1\0\0\0":
        return [memoryview(body)[_FIRST:]]
    (count,) = _COUNT.unpack_from(body)
    start = _COUNT.size + 8 * count
    sections = []
    for length in struct.unpack_from(f"<{count}Q", body, _COUNT.size):
        sections.append(memoryview(body)[start : start + length])
        start += length
    return sections


def _seal_of(entry: Entry, body: bytes) -> bytes:
    return xxh3_128_digest(b"".join((entry.key, entry.result, entry.codec.encode(), body)))
