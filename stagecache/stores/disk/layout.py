"""The bytes of a blob file: pure functions from fields to bytes and back; files are not touched.

    0   magic, version, length of the header, number of sections
    24  offset and length of each section
        header: JSON, all that the index row says
        zeros up to a multiple of 64
        sections, each followed by zeros up to a multiple of 64
        trailer: digest of all before the first section, address, magic

So a blob says for itself what it is, and an index can be made from blobs alone.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.model import Digest
from stagecache.stores.sections import address

if TYPE_CHECKING:
    from collections.abc import Sequence

ALIGNMENT = 64
_MAGIC = b"\x89SGCB\r\n\x1a"
_VERSION = 1
_PREFIX = struct.Struct("<8sHxxIQ")
_TRAILER = struct.Struct("<16s16s8s")


class DamagedError(Exception):
    """The bytes are not those of a whole blob."""


class Layout(NamedTuple):
    """Where the parts of a blob lie."""

    spans: tuple[tuple[int, int], ...]
    """Offset and length of each section."""
    header: bytes
    body: int
    """Offset of the first section."""
    size: int
    """Of the whole file."""


def head(header: bytes, lengths: Sequence[int]) -> bytes:
    """Return everything that comes before the first section."""
    start = _padded(_PREFIX.size + 16 * len(lengths) + len(header))
    table = []
    offset = start
    for length in lengths:
        table += [offset, length]
        offset += _padded(length)
    top = b"".join(
        [
            _PREFIX.pack(_MAGIC, _VERSION, len(header), len(lengths)),
            struct.pack(f"<{len(table)}Q", *table),
            header,
        ]
    )
    return top + bytes(start - len(top))


def padding(length: int) -> bytes:
    """Return the zeros that follow a section of `length` bytes."""
    return bytes(_padded(length) - length)


def trailer(top: bytes, where: Digest) -> bytes:
    """Return the end of the file: digest of `top`, the address, the magic."""
    return _TRAILER.pack(xxh3_128_digest(top), where, _MAGIC)


def parse(view: memoryview, size: int) -> Layout:
    """Return where the parts lie.

    Parameters
    ----------
    view : memoryview
        The file, or its beginning with all that comes before the first section.
    size : int
        Bytes of the whole file.

    Raises
    ------
    DamagedError
        If the file cannot be whole.
    """
    if len(view) < _PREFIX.size:
        raise DamagedError("it is too short")
    magic, version, length, count = _PREFIX.unpack_from(view)
    if magic != _MAGIC or version != _VERSION:
        raise DamagedError("it is no blob of this version")
    table_end = _PREFIX.size + 16 * count
    body = _padded(table_end + length)
    if body > size:
        raise DamagedError("it is too short")
    if body > len(view):
        raise ShortError(body)
    table = struct.unpack_from(f"<{2 * count}Q", view, _PREFIX.size)
    spans = tuple(zip(table[::2], table[1::2], strict=True))
    end = body
    for offset, extent in spans:
        if offset != end or extent > size:
            raise DamagedError("its sections are not where they should be")
        end += _padded(extent)
    if end + _TRAILER.size != size:
        raise DamagedError("its length is not what its header says")
    return Layout(spans, bytes(view[table_end : table_end + length]), body, size)


class ShortError(Exception):
    """More of the file is needed to parse it: its argument says how many bytes."""


def check_head(view: memoryview, layout: Layout, tail: bytes) -> Digest:
    """Return the address that the trailer `tail` gives, if the head is as it was written.

    Raises
    ------
    DamagedError
        If a bit of it differs.
    """
    digest, where, magic = _TRAILER.unpack(tail)
    if magic != _MAGIC or digest != xxh3_128_digest(view[: layout.body]):
        raise DamagedError("its header is damaged")
    return Digest(where)


def check(view: memoryview, layout: Layout, codec: str, where: Digest) -> None:
    """Verify every bit of a blob that should be found at the address `where`.

    Raises
    ------
    DamagedError
        If a bit of it differs.
    """
    if check_head(view, layout, bytes(view[-_TRAILER.size :])) != where:
        raise DamagedError("it is another blob")
    sections = cut(view, layout)
    if address(codec, sections) != where:
        raise DamagedError("its contents are damaged")
    for offset, extent in layout.spans:
        if any(view[offset + extent : offset + _padded(extent)]):
            raise DamagedError("its padding is damaged")


def cut(view: memoryview, layout: Layout) -> list[memoryview]:
    """Return the sections as parts of `view`."""
    return [view[offset : offset + extent] for offset, extent in layout.spans]


def encode_header(fields: dict[str, Any]) -> bytes:
    """Return the header as it is stored."""
    import json

    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def decode_header(header: bytes) -> dict[str, Any]:
    """Return the fields of a header.

    Raises
    ------
    DamagedError
        If there are none.
    """
    import json

    try:
        fields = json.loads(header)
    except ValueError as error:
        raise DamagedError("its header is no JSON") from error
    if not isinstance(fields, dict):
        raise DamagedError("its header has no fields")
    return fields


TRAILER_SIZE = _TRAILER.size


def _padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
