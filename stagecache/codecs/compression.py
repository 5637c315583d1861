"""Sections of any codec, compressed and back; what they mean is the codec's own.

An entry's codec is then called ``pickle+zstd``. The first section says of each section of the
value how long it is and in how many pieces it follows (none: as it is), and holds a checksum of
every piece. Large sections are cut, so that neither way ever takes more memory beside the value
than one piece. The bytes that a store digests and verifies are the compressed ones.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_digest

from stagecache.errors import DecodeError
from stagecache.settings import COMPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.codecs.base import Sections

_PIECE = 4 << 20
"""Bytes; part of the layout."""
_SMALL = 4 << 10
"""A shorter section stays as it is."""
_PAYS = 0.9
"""Compressed to more than this share of itself, a section stays as it is."""
_TRUSTED = 256 << 20
_RATIO = 1000
"""From a shared place a value may be this many times as large as what is stored of it, beyond
the bytes above: a few kilobytes cannot make a reader run out of memory."""

_COUNT = struct.Struct("<Q")
_ROW = struct.Struct("<QQ")


def compress(kind: str, sections: Sections, *, private: bool) -> Sections | None:
    """Return the sections compressed, or None if that is not worth it.

    Parameters
    ----------
    kind : str
        One of ``stagecache.settings.COMPRESSIONS``.
    sections : sequence of buffers
        As a codec wrote them. Each piece is decompressed again at once and compared; a section
        that does not come back is left as it is.
    private : bool
        Whether only this user can have written where they go.

    Examples
    --------
    >>> packed = compress("zstd", [b"head", b"x" * 10_000], private=True)
    >>> [len(memoryview(section)) < 100 for section in packed]
    [True, True, True]
    >>> compress("zstd", [b"short"], private=True) is None
    True
    """
    views = [memoryview(section).cast("B") for section in sections]
    if all(view.nbytes < _SMALL for view in views):
        return None
    codec = _codec(kind)
    rows, checks, stored = [], [], []
    for view in views:
        pieces = _pack(codec, view) if view.nbytes >= _SMALL else []
        rows.append(_ROW.pack(view.nbytes, len(pieces)))
        stored += [piece for piece, _ in pieces] or [view]
        checks += [check for _, check in pieces]
    total = sum(view.nbytes for view in views)
    if not checks or not (private or is_bearable(total, stored)):
        return None
    return [b"".join([_COUNT.pack(len(rows)), *rows, *checks]), *stored]


def decompress(kind: str, sections: Sequence[memoryview], *, private: bool) -> list[memoryview]:
    """Return the sections that :func:`compress` took, those it compressed in new memory.

    Parameters
    ----------
    kind : str
        As it stands in the codec's name.
    sections : sequence of memoryviews
        As they are stored.
    private : bool
        Whether only this user can have written them. All lengths are checked before any memory
        is taken, and those from a shared place are bounded as well.

    Raises
    ------
    DecodeError
        If the compression is unknown, or the sections are foreign or damaged.

    Examples
    --------
    >>> packed = compress("lz4", [b"x" * 10_000], private=True)
    >>> [found] = decompress("lz4", [memoryview(part) for part in packed], private=True)
    >>> bytes(found) == b"x" * 10_000
    True
    """
    if kind not in COMPRESSIONS:
        raise DecodeError(f"no compression is called {kind!r}; there are {', '.join(COMPRESSIONS)}")
    rows, checks = _head(sections)
    total = sum(length for length, _ in rows)
    if not private and not is_bearable(total, sections):
        raise DecodeError(f"a value of {total:,} bytes from a shared place in too few bytes")
    codec = _codec(kind)
    stored = zip(sections[1:], checks, strict=True)
    return [
        _unpack(codec, length, pieces, stored) if pieces else next(stored)[0]
        for length, pieces in rows
    ]


def _pack(codec: Any, view: memoryview) -> list[tuple[Any, bytes]]:
    """Return the pieces of a section with their checksums; none if compressing does not pay.

    The first piece decides that.
    """
    import pyarrow as pa

    packed = []
    for start in range(0, view.nbytes, _PIECE):
        piece = pa.py_buffer(view[start : start + _PIECE])
        small = codec.compress(piece)
        if not start and small.size > _PAYS * piece.size:
            return []
        if not codec.decompress(small, piece.size).equals(piece):
            return []
        # The pool gives out more than is used: 4 MiB that hold 1 MiB would add up.
        packed.append((small.to_pybytes(), xxh3_64_digest(piece)))
    return packed


def _head(sections: Sequence[memoryview]) -> tuple[list[tuple[int, int]], list[bytes]]:
    """Return length and pieces of each section, and the checksum of every stored one.

    What is stored as it is has an empty one.
    """
    head = bytes(sections[0]) if sections else b""
    if len(head) < _COUNT.size:
        raise DecodeError("a compressed value without a head")
    (count,) = _COUNT.unpack_from(head)
    start = _COUNT.size + _ROW.size * count
    if start > len(head):
        raise DecodeError("a compressed value whose head is cut short")
    rows = list(_ROW.iter_unpack(head[_COUNT.size : start]))
    sums = (head[at : at + 8] for at in range(start, len(head), 8))
    checks: list[bytes] = []
    for length, pieces in rows:
        if pieces not in (0, -(-length // _PIECE)):
            raise DecodeError("a compressed section of other pieces than its length says")
        if not pieces and (
            len(checks) + 1 >= len(sections) or sections[len(checks) + 1].nbytes != length
        ):
            raise DecodeError("a section of another length than its head says")
        if len(checks) + pieces >= len(sections):
            raise DecodeError("a compressed value of too few pieces")
        checks += [next(sums, b"") for _ in range(pieces)] or [b""]
    if len(checks) != len(sections) - 1 or next(sums, None) is not None:
        raise DecodeError("a compressed value of other pieces than its head says")
    return rows, checks


def _unpack(
    codec: Any, length: int, pieces: int, stored: Iterator[tuple[memoryview, bytes]]
) -> memoryview:
    import pyarrow as pa

    whole = memoryview(pa.allocate_buffer(length))
    for at in range(pieces):
        part = whole[at * _PIECE : (at + 1) * _PIECE]
        piece, check = next(stored)
        try:
            found = codec.decompress(pa.py_buffer(piece), part.nbytes)
        except (OSError, ValueError) as error:
            raise DecodeError(f"a piece cannot be decompressed: {error}") from error
        # Some decompressors leave a rest as it was in memory when there is too little.
        if xxh3_64_digest(found) != check:
            raise DecodeError("a piece decompresses to something else")
        part[:] = memoryview(found)
    return whole


def is_bearable(total: int, stored: Sequence[Any]) -> bool:
    """Tell whether `stored`, from a shared place, may say that it holds `total` bytes."""
    return total <= _TRUSTED + _RATIO * sum(memoryview(part).nbytes for part in stored)


def _codec(kind: str) -> Any:
    import pyarrow as pa

    return pa.Codec(kind)
