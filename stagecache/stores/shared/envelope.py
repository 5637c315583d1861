"""The bytes of an entry, or of a blob, as they lie on a shelf: pure functions, to bytes and back.

    0   magic, version, whether sections are aligned, id of the key (zeros: nobody signed)
        length of what is said of the value, number of sections
    22  length of each section, what is said of the value
        the sections, in a blob each at a multiple of 64
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
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_128, xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.stores.shared.keyring import Keyring

ALIGNMENT = 64
_MAGIC = b"\x89SGS"
_VERSION = 1
_HEAD = struct.Struct("<4sBB8sII")
_NO_KEY = bytes(8)
_DIGEST = 16
_MAC = 32
_LARGE = 100_000
"""Bytes: what is shorter is digested and signed in one call each, which copies it."""
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
    name: str,
    said: bytes,
    views: Sequence[memoryview],
    keyring: Keyring | None,
    *,
    aligned: bool = False,
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
    aligned : bool, optional
        Whether sections begin at multiples of 64.

    Examples
    --------
    >>> pieces = closed("team/e1/{00}", b"said", [memoryview(b"value")], None)
    >>> found = opened("team/e1/{00}", b"".join(pieces), None)
    >>> found.said, bytes(found.sections[0]), found.is_signed
    (b'said', b'value', False)
    """
    key_id = _NO_KEY if keyring is None else keyring.signing.id
    lengths = [view.nbytes for view in views]
    head = _HEAD.pack(
        _MAGIC, _VERSION, aligned, key_id, len(said), len(views)
    ) + struct.pack(f"<{len(lengths)}Q", *lengths)  # fmt: skip
    top = head + said
    payload: list[bytes | memoryview] = list(views)
    if aligned:
        top += bytes(-len(top) % ALIGNMENT)
        payload = []
        for view in views:
            payload += [view, bytes(-view.nbytes % ALIGNMENT)]
    context = _context(name)
    tail = _digest(context, [top, *payload])
    if keyring is not None:
        tail += _mac(keyring.signing.secret, context, [top, *payload, tail])
    return [top, *payload, tail]


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
    magic, version, aligned, key_id, said_size, count = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or aligned > 1:
        raise Refused("it is nothing that this version has written")
    is_signed = key_id != _NO_KEY
    end = size - (_DIGEST + _MAC if is_signed else _DIGEST)
    table_end = _HEAD.size + 8 * count
    start = said_end = table_end + said_size
    if aligned:
        start += -start % ALIGNMENT
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
        if not hmac.compare_digest(_mac(key.secret, context, [view[:signed]]), view[signed:]):
            raise Refused("its signature is not that of its contents")
    said = bytes(view[table_end:said_end])
    if count == 1 and not aligned:  # most entries
        if struct.unpack_from("<Q", view, _HEAD.size)[0] != end - start:
            raise Refused("its sections are not where they should be")
        return Opened(said, [view[start:end]], is_signed)
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    extents = [length + -length % ALIGNMENT for length in lengths] if aligned else lengths
    places = list(accumulate(extents, initial=start))
    if places[-1] != end:
        raise Refused("its sections are not where they should be")
    sections = [view[at : at + length] for at, length in zip(places, lengths, strict=False)]
    return Opened(said, sections, is_signed)


def is_signed(data: bytes | memoryview) -> bool:
    """Tell whether somebody has signed an envelope, or says so."""
    return len(data) >= _HEAD.size and _HEAD.unpack_from(data)[3] != _NO_KEY


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


def _mac(secret: bytes, context: bytes, pieces: Sequence[bytes | memoryview]) -> bytes:
    """Return the signature. The head in `pieces` says how long each of its fields is."""
    if len(pieces) == 1 and len(pieces[0]) < _LARGE:
        return hmac.digest(secret, context + pieces[0], "sha256")
    state = hmac.new(secret, context, "sha256")
    for piece in pieces:
        state.update(piece)
    return state.digest()
