"""Fingerprints Python's own plain values, by exact type: numbers, strings and small containers.

What is large, nested deeply or of any other type is left to ``walk``, which gives the same
digests.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.parts import COUNT, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LIST, TUPLE, DICT, SET, FROZENSET = b"list:", b"tuple:", b"dict:", b"set:", b"frozenset:"

_LONG = 1024
"""Bytes above which a tag is not put before the data, which would copy them."""
_SMALL = 32
"""Elements up to which a container takes the short path."""

_double = Struct("<d").pack
_doubles = Struct("<dd").pack
_NAN = digest_of(b"float:nan")
_nan = float("nan")


def _int(value: int) -> bytes:
    return digest_of(b"int:%x" % value)  # decimal is quadratic, and limited to 4,300 digits


def _float(value: float) -> bytes:
    return digest_of(b"float:" + _double(value)) if value == value else _NAN


def _complex(value: complex) -> bytes:
    real, imag = value.real, value.imag
    return digest_of(
        b"complex:" + _doubles(real if real == real else _nan, imag if imag == imag else _nan)
    )


def _str(value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError:
        data = value.encode("utf-8", "surrogatepass")
    if len(data) > _LONG:
        return digest_of(b"long str:" + digest_of(data))
    return digest_of(b"str:" + data)


def _bytes(value: bytes) -> bytes:
    if len(value) > _LONG:
        return digest_of(b"long bytes:" + digest_of(value))
    return digest_of(b"bytes:" + value)


def _bytearray(value: bytearray) -> bytes:
    return digest_of(b"bytearray:" + digest_of(value))


def _constant(name: bytes) -> Callable[[Any], bytes]:
    known = digest_of(b"constant:" + name)
    return lambda _: known


_TRUE, _FALSE = digest_of(b"constant:True"), digest_of(b"constant:False")


def _bool(value: bool) -> bytes:
    return _TRUE if value else _FALSE


SCALARS: dict[type, Callable[[Any], bytes]] = {
    int: _int,
    str: _str,
    float: _float,
    bool: _bool,
    type(None): _constant(b"None"),
    bytes: _bytes,
    complex: _complex,
    bytearray: _bytearray,
    type(...): _constant(b"Ellipsis"),
    type(NotImplemented): _constant(b"NotImplemented"),
}
"""Exact type -> what digests its values."""


def scalar_digests(values: Collection[object]) -> list[bytes] | None:
    """Return the digests of `values`, or None if one of them is no scalar."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return [digest_of(b"int:%x" % value) for value in values]  # type: ignore[str-format]
    if len(kinds) == 1:
        one = SCALARS.get(kinds.pop())
        return None if one is None else [one(value) for value in values]
    if kinds <= SCALARS.keys():
        return [SCALARS[type(value)](value) for value in values]
    return None


def plain_digest(value: Any, depth: int = 3) -> bytes | None:
    """Return the digest of a scalar or of a small container of such; None if it is neither.

    Parameters
    ----------
    value : object
        Anything.
    depth : int
        Levels of containers to look into. With the bound on their size it makes cycles and
        shared elements harmless here.
    """
    kind = type(value)
    scalar = SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    if depth == 0:
        return None
    children: Any = value
    if kind is dict:
        head = DICT
    elif kind is list:
        head = LIST
    elif kind is tuple:
        head = TUPLE
    elif kind is set:
        head = SET
    elif kind is frozenset:
        head = FROZENSET
    else:
        return None
    if len(value) > _SMALL:
        return None
    if kind is dict:
        children = chain.from_iterable(value.items())
    digests = []
    for child in children:
        scalar = SCALARS.get(type(child))
        digest = plain_digest(child, depth - 1) if scalar is None else scalar(child)
        if digest is None:
            return None
        digests.append(digest)
    if kind is set or kind is frozenset:
        digests.sort()
    return digest_of(head + COUNT(len(digests)) + b"".join(digests))
