"""Keys as bytes in the order of diskcache: numbers, text, bytes, then anything else.

Equal keys are one key, as in :mod:`stagecache.collections.keys`; the bytes sort as the keys do, so
that a range of them is a queue. What has no equality to rely on (lists, dicts, objects) is known by
its fingerprint, never by its pickle: pickles of equal values may differ.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from stagecache.collections.keys import decode_key, encode_key, says_all
from stagecache.fingerprint.values import fingerprint

_NUMBER, _TEXT, _BYTES, _OTHER, _PRINTED = b"1", b"2", b"3", b"4", b"5"
_DOUBLE = struct.Struct(">d")
_HALF = 1 << 63
_SIGN, _ALL = 1 << 63, (1 << 64) - 1


def encode(key: Any) -> bytes:
    """Return the bytes that stand for `key`, and sort as it does.

    Raises
    ------
    TypeError, FingerprintError
        If it is not a number, or cannot be taken apart.

    Examples
    --------
    >>> keys = ["b", 10, 9.5, b"a", -1, "a", (2,)]
    >>> sorted(keys, key=encode)
    [-1, 9.5, 10, 'a', 'b', b'a', (2,)]
    >>> encode(1) == encode(1.0) and encode([1, {"a": 2}]) == encode([1, {"a": 2}])
    True
    """
    kind = type(key)
    if kind is str:
        return _TEXT + key.encode("utf-8", "surrogatepass")  # type: ignore[no-any-return]
    if kind is int and -_HALF <= key < _HALF:
        return _NUMBER + (key + _HALF).to_bytes(8, "big")  # type: ignore[no-any-return]
    if kind is bytes:
        return _BYTES + key  # type: ignore[no-any-return]
    try:
        found = encode_key(key)
    except TypeError:
        if key != key:  # no number
            raise
        return _PRINTED + _printed(key)
    tag, rest = found[:1], found[1:]
    if tag == b"s":
        return _TEXT + rest
    if tag == b"b":
        return _BYTES + rest
    if tag == b"i":
        number = int.from_bytes(rest, "big", signed=True)
        if -_HALF <= number < _HALF:
            return _NUMBER + (number + _HALF).to_bytes(8, "big")
    elif tag == b"f":
        broken = _DOUBLE.unpack(rest)[0]
        if math.isfinite(broken):  # between two whole numbers
            whole = (math.floor(broken) + _HALF).to_bytes(8, "big")
            return _NUMBER + whole + _ordered(broken)  # type: ignore[no-any-return]
    return _OTHER + found


def decode(data: bytes) -> Any:
    """Return a key that its bytes say in full; see :func:`tells`.

    Examples
    --------
    >>> [decode(encode(key)) for key in (-3, 0.25, "a", b"b", ("c", 1))]
    [-3, 0.25, 'a', b'b', ('c', 1)]
    """
    tag, rest = data[:1], data[1:]
    if tag == _TEXT:
        return rest.decode("utf-8", "surrogatepass")
    if tag == _NUMBER:
        if len(rest) == 8:
            return int.from_bytes(rest, "big") - _HALF
        return _of_ordered(rest[8:])
    if tag == _BYTES:
        return rest
    if tag == _OTHER:
        return decode_key(rest)
    raise ValueError(f"the key {data!r} does not say how it was written")


def tells(key: Any) -> bool:
    """Tell whether the bytes of `key` say all of it, its type too."""
    try:
        return says_all(key)
    except TypeError:
        return False


def _printed(key: Any) -> bytes:
    """Return what stands for a key that holds something without an equality to rely on."""
    if type(key) is tuple:
        parts = []
        for part in key:
            try:
                parts.append(b"k" + encode_key(part))
            except TypeError:
                parts.append(b"p" + _printed(part))
        return b"t" + b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    found = fingerprint(key, name="key")
    return b"v" + found.digest + repr(found.refs).encode() * bool(found.refs)


def _ordered(number: float) -> bytes:
    bits = int.from_bytes(_DOUBLE.pack(number), "big")
    return (bits ^ (_ALL if bits & _SIGN else _SIGN)).to_bytes(8, "big")


def _of_ordered(data: bytes) -> float:
    bits = int.from_bytes(data, "big")
    return _DOUBLE.unpack((bits ^ (_SIGN if bits & _SIGN else _ALL)).to_bytes(8, "big"))[0]  # type: ignore[no-any-return]
