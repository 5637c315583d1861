"""The bytes of an entry, or of a blob, as they lie on a shelf: pure functions, to bytes and back.

    0   magic, version, id of the key (zeros: nobody signed), length of what is said of the value,
        number of sections
    24  length of each section, what is said of the value, the sections
        xxh3_128 of the name that it lies under and all of this
        where it is signed: HMAC-SHA256 of the same and of that digest

The name has the namespace, the kind and the key or address in it, so bytes that were copied to
another name, another namespace or another kind are none. Everything that a reader acts on is under
the seal, the name of the codec and all lengths included: what only signs the contents lets others
choose who reads them. The seal is compared before anything but the fixed head is looked at. Bytes
that no key signed are checked by the digest, which finds damage but no forgery.
"""

from __future__ import annotations

import hmac
import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_128, xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.stores.shared.keyring import Keyring

_MAGIC = b"\x89SGS"
_VERSION = 1
_HEAD = struct.Struct("<4sI8sII")
_NO_KEY = bytes(8)
_DIGEST = 16
_MAC = 32
_LARGE = 100_000
"""Bytes: what is shorter is digested in one call, which copies it."""
_MOST_SECTIONS = 1 << 20
_DOMAIN = b"stagecache envelope 1\0"


class Refused(Exception):  # noqa: N818 - a miss, not an error
    """The bytes are not what a member of the team has put under that name."""


class Opened(NamedTuple):
    """A whole envelope."""

    said: bytes
    """What is said of the value."""
    sections: list[memoryview]
    """Read-only."""
    is_signed: bool


def closed(
    name: str, said: bytes, views: Sequence[memoryview], keyring: Keyring | None
) -> list[bytes | memoryview]:
    """Return the pieces of an envelope.

    Parameters
    ----------
    name : str
        Under which it is to lie.
    said : bytes
        What is said of the value.
    views : sequence of memoryviews
        Its sections, as bytes; not copied.
    keyring : Keyring or None
        Whose first key signs; None: nobody signs.

    Examples
    --------
    >>> pieces = closed("team/e1/{00}", b"said", [memoryview(b"value")], None)
    >>> found = opened("team/e1/{00}", b"".join(pieces), None)
    >>> found.said, bytes(found.sections[0]), found.is_signed
    (b'said', b'value', False)
    """
    key_id = _NO_KEY if keyring is None else keyring.signing.id
    lengths = struct.pack(f"<{len(views)}Q", *[view.nbytes for view in views])
    head = _HEAD.pack(_MAGIC, _VERSION, key_id, len(said), len(views))
    pieces: list[bytes | memoryview] = [head + lengths + said, *views]
    context = _context(name)
    pieces.append(_digest(context, pieces))
    if keyring is not None:
        pieces.append(keyring.signing.signature([context, *pieces]))
    return pieces


def opened(name: str, data: bytes | memoryview, keyring: Keyring | None) -> Opened:
    """Return what is in an envelope.

    Parameters
    ----------
    name : str
        Under which it lay.
    data : bytes or memoryview
        All of it.
    keyring : Keyring or None
        Whose keys have to have signed; None: whoever wrote it, it is to be undamaged.

    Raises
    ------
    Refused
        If it is damaged or cut short, lay under another name, or is not signed by one of the keys.
    """
    size = len(data)
    if size < _HEAD.size + _DIGEST:
        raise Refused("it is too short")
    magic, version, key_id, said_size, count = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise Refused("it is nothing that this version has written")
    is_signed = key_id != _NO_KEY
    end = size - (_DIGEST + _MAC if is_signed else _DIGEST)
    table_end = _HEAD.size + 8 * count
    start = table_end + said_size
    if start > end or count > _MOST_SECTIONS:
        raise Refused("it is cut short")
    view = memoryview(data).toreadonly()
    context = _context(name)
    if keyring is None:
        if _digest(context, [view[:end]]) != view[end : end + _DIGEST]:
            raise Refused("it is damaged")
    else:
        key = keyring.find(key_id)
        if key is None:
            raise Refused("a key signed it that is not here" if is_signed else "nobody signed it")
        signed = end + _DIGEST
        if not hmac.compare_digest(key.signature((context, view[:signed])), view[signed:]):
            raise Refused("its signature is not that of its contents")
    said = bytes(view[table_end:start])
    if count == 1:  # most entries
        if struct.unpack_from("<Q", view, _HEAD.size)[0] != end - start:
            raise Refused("its sections are not where they should be")
        return Opened(said, [view[start:end]], is_signed)
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    places = list(accumulate(lengths, initial=start))
    if places[-1] != end:
        raise Refused("its sections are not where they should be")
    return Opened(said, [view[at:to] for at, to in pairwise(places)], is_signed)


def is_signed(data: bytes | memoryview) -> bool:
    """Tell whether somebody has signed an envelope, or says so."""
    return _key_id(data) != _NO_KEY


def is_foreign(data: bytes | memoryview, keyring: Keyring | None) -> bool:
    """Tell whether somebody has signed an envelope, or says so, with a key that is not here."""
    key_id = _key_id(data)
    return key_id != _NO_KEY and (keyring is None or keyring.find(key_id) is None)


def _key_id(data: bytes | memoryview) -> bytes:
    if len(data) < _HEAD.size:
        return _NO_KEY
    key_id: bytes = _HEAD.unpack_from(data)[2]
    return key_id


def _context(name: str) -> bytes:
    encoded = name.encode("ascii")
    return b"%s%d\0%s" % (_DOMAIN, len(encoded), encoded)


def _digest(context: bytes, pieces: Sequence[bytes | memoryview]) -> bytes:
    digest: bytes
    if len(pieces) == 1 and len(pieces[0]) < _LARGE:
        digest = xxh3_128_digest(context + pieces[0])
        return digest
    state = xxh3_128(context)
    for piece in pieces:
        state.update(piece)
    digest = state.digest()
    return digest
