"""What an entry says of its value, as bytes and back, without its key, which is its name.

Numbers and the lengths of all fields first, then the fields. Written out by hand: an import of
msgspec costs 40 ms, and JSON has no bytes.
"""

from __future__ import annotations

import math
import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, cast

from stagecache.model import Digest, Entry, Key, Read

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIXED = struct.Struct("<qQdddB10I")
"""Generation, size, created, seconds, expires, whether there are items, length of each field."""
_DIGEST = 16
_KINDS = frozenset(("file", "missing", "directory", "environment"))


def said_of(entry: Entry) -> bytes:
    """Return what an entry says, with neither its key nor its inline value.

    Raises
    ------
    ValueError
        If a name in it cannot be kept.

    Examples
    --------
    >>> from stagecache.testing.stores import make_entry
    >>> entry = make_entry(bytes(16), generation=3)
    >>> entry_from(entry.key, said_of(entry)) == entry
    True
    """
    reads = [text for kind, name, digest in entry.reads for text in (kind, name, digest.hex())]
    fields = (
        entry.result,
        entry.code,
        entry.blob or b"",
        _joined((entry.stage,)),
        _joined((entry.codec,)),
        entry.items or b"",
        b"".join(entry.parts),
        _joined(entry.refs),
        _joined(reads),
        entry.epoch,
    )
    expires = math.nan if entry.expires is None else entry.expires
    numbers = (entry.generation, entry.size, entry.created, entry.seconds, expires)
    lengths = [len(field) for field in fields]
    return b"".join((_FIXED.pack(*numbers, entry.items is not None, *lengths), *fields))


def entry_from(key: Key, said: bytes) -> Entry:
    """Return the entry of that key which says this, without its inline value.

    Raises
    ------
    ValueError
        If nothing that :func:`said_of` returns is like this.
    """
    try:
        generation, size, created, seconds, expires, has_items, *lengths = _FIXED.unpack_from(said)
    except struct.error as error:
        raise ValueError("too short") from error
    ends = list(accumulate(lengths, initial=_FIXED.size))
    if ends[-1] != len(said):
        raise ValueError("fields of other lengths")
    result, code, blob, stage, codec, items, parts, refs, reads, epoch = [
        said[start:end] for start, end in pairwise(ends)
    ]
    if (
        len(result) != _DIGEST
        or len(blob) not in (0, _DIGEST)
        or len(parts) % _DIGEST
        or not (math.isfinite(created) and math.isfinite(seconds))
    ):
        raise ValueError("fields that no entry has")
    return Entry(
        key,
        Digest(result),
        stage.decode("utf-8", "surrogatepass"),
        Digest(code),
        codec.decode("utf-8", "surrogatepass"),
        None,
        Digest(blob) if blob else None,
        size,
        created,
        seconds,
        generation,
        _reads(_parted(reads)) if reads else (),
        tuple(_parted(refs)) if refs else (),
        items if has_items else None,
        None if expires != expires else expires,
        tuple(Key(parts[at : at + _DIGEST]) for at in range(0, len(parts), _DIGEST)),
        epoch,
    )


def _reads(texts: Sequence[str]) -> tuple[Read, ...]:
    if len(texts) % 3 or not _KINDS.issuperset(texts[::3]):
        raise ValueError("reads that are none")
    return tuple(
        Read(cast("Any", kind), name, Digest(bytes.fromhex(digest)))
        for kind, name, digest in zip(texts[::3], texts[1::3], texts[2::3], strict=True)
    )


def _joined(texts: Sequence[str]) -> bytes:
    """Return texts as one, with a NUL between them: no path, variable or name has one."""
    joined = "\0".join(texts)
    if joined.count("\0") > max(0, len(texts) - 1):
        raise ValueError("a name with a NUL in it")
    return joined.encode("utf-8", "surrogatepass")


def _parted(joined: bytes) -> list[str]:
    return joined.decode("utf-8", "surrogatepass").split("\0")
