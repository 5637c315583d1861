"""What an entry says of its value, as bytes and back, without its key, which is its name.

What all entries have comes first, so that most are read by one call; then what few have. Written
out by hand: an import of msgspec costs 40 ms, and JSON has no bytes.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, cast, get_args

from stagecache.model import Digest, Entry, Key, Read, ReadKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST = struct.Struct("<qQdddB16s16sHHI")
"""Generation, size, created, seconds, expires, length of the code's digest, result, code; length
of the stage, of the codec's name, and of the rest."""
_REST = struct.Struct("<B6I")
"""Whether there are items; length of each field of the rest."""
_NO_REST = (None, (), (), None, (), b"")
_DIGEST = 16
_KINDS = frozenset(get_args(ReadKind))
_new = tuple.__new__


def said_of(entry: Entry) -> bytes:
    """Return what an entry says, with neither its key nor its inline value.

    Raises
    ------
    ValueError
        If a name or a number in it cannot be kept.

    Examples
    --------
    >>> from stagecache.testing.stores import make_entry
    >>> entry = make_entry(bytes(16), generation=3)
    >>> entry_from(entry.key, said_of(entry)) == entry
    True
    """
    if len(entry.result) != _DIGEST or len(entry.code) > _DIGEST:
        raise ValueError("a digest of another length")
    stage, codec = _joined((entry.stage,)), _joined((entry.codec,))
    rest = _rest_of(entry)
    numbers = (entry.generation, entry.size, entry.created, entry.seconds)
    expires = nan if entry.expires is None else entry.expires
    digests = (len(entry.code), entry.result, entry.code)
    try:
        first = _FIRST.pack(*numbers, expires, *digests, len(stage), len(codec), len(rest))
    except struct.error as error:
        raise ValueError("a number out of range") from error
    return b"".join((first, stage, codec, rest))


def entry_from(key: Key, said: bytes) -> Entry:
    """Return the entry of that key which says this, without its inline value.

    Raises
    ------
    ValueError
        If nothing that :func:`said_of` returns is like this.
    """
    if len(said) < _FIRST.size:
        raise ValueError("it says too little")
    (generation, size, created, seconds, expires, code_size, result, code, stage_size, codec_size,
     rest_size) = _FIRST.unpack_from(said)  # fmt: skip
    at = _FIRST.size + stage_size
    end = at + codec_size
    if end + rest_size != len(said) or not (isfinite(created) and isfinite(seconds)):
        raise ValueError("it says what no entry says")
    stage = said[_FIRST.size : at].decode("utf-8", "surrogatepass")
    codec = said[at:end].decode("utf-8", "surrogatepass")
    rest = _rest_from(said[end:]) if rest_size else _NO_REST
    blob, reads, refs, items, parts, epoch = rest
    return _new(
        Entry,
        (
            key, result, stage, code[:code_size], codec, None, blob, size, created, seconds,
            generation, reads, refs, items, None if expires != expires else expires, parts, epoch,
            False,
        ),
    )  # fmt: skip


def with_value(entry: Entry, inline: bytes) -> Entry:
    """Return the entry with its value in it."""
    return _new(Entry, (*entry[:5], inline, *entry[6:]))


def _rest_of(entry: Entry) -> bytes:
    """Return what few entries say; nothing of one that has none of it."""
    reads = [text for kind, name, digest in entry.reads for text in (kind, name, digest.hex())]
    fields = (
        entry.blob or b"",
        _joined(reads),
        _joined(entry.refs),
        entry.items or b"",
        b"".join(entry.parts),
        entry.epoch,
    )
    if entry.items is None and not any(fields):
        return b""
    lengths = [len(field) for field in fields]
    return b"".join((_REST.pack(entry.items is not None, *lengths), *fields))


def _rest_from(said: bytes) -> tuple[Any, ...]:
    if len(said) < _REST.size:
        raise ValueError("it says too little")
    has_items, *lengths = _REST.unpack_from(said)
    ends = list(accumulate(lengths, initial=_REST.size))
    if ends[-1] != len(said):
        raise ValueError("it says what no entry says")
    blob, reads, refs, items, parts, epoch = [said[start:end] for start, end in pairwise(ends)]
    if len(blob) not in (0, _DIGEST) or len(parts) % _DIGEST:
        raise ValueError("it names what has no digest")
    return (
        blob or None,
        _reads(_parted(reads)) if reads else (),
        tuple(_parted(refs)) if refs else (),
        items if has_items else None,
        tuple(parts[at : at + _DIGEST] for at in range(0, len(parts), _DIGEST)),
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
