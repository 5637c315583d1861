"""Keys as bytes and back: equal keys are one key, as in a dict, in every process and for ever.

So ``1``, ``1.0``, ``True`` and ``Decimal(1)`` are one key, equal tuples always meet, and ``"1"``
and ``b"1"`` are others. Nothing is pickled to find a key: a pickle of equal values may differ.
A key comes back as who set it first wrote it.
"""

from __future__ import annotations

import enum
import math
import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOUBLE = struct.Struct(">d")
_LENGTH = struct.Struct(">I")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - the same in 3.11
_MICROSECOND = timedelta(microseconds=1)
_WHERE = "the key"


def encode_key(key: Any, where: str = _WHERE) -> bytes:
    """Return the bytes that stand for `key`, the same for all that are equal to it.

    Raises
    ------
    TypeError
        If it is of a type, or holds something, that is no key: it says what.

    Examples
    --------
    >>> encode_key(1) == encode_key(1.0) == encode_key(True) != encode_key("1")
    True
    >>> encode_key(("a", [1]))
    Traceback (most recent call last):
    TypeError: the key[1] is a list, which cannot be a key: it may change; use a tuple
    """
    kind: Any = type(key)
    data: bytes
    if kind is str:
        data = key.encode("utf-8", "surrogatepass")
        return b"s" + data
    if kind is bytes:
        data = key
        return b"b" + data
    if kind is int:
        data = key.to_bytes(key.bit_length() // 8 + 1, "big", signed=True)
        return b"i" + data
    if kind is tuple:
        return _tuple(key, where)
    if key is None:
        return b"n"
    for base, how in _BASES:
        if isinstance(key, base) and _equals_as(kind, base):
            data = how(key, where)
            return data
    if isinstance(key, enum.Enum):
        return b"e" + f"{kind.__module__}:{kind.__qualname__}.{key.name}".encode()
    if kind.__module__ == "numpy" and hasattr(key, "item") and kind.__hash__ is not None:
        plain = key.item()
        if type(plain) in (bool, int, float, str, bytes) and plain == key:
            return encode_key(plain, where)
    if kind.__hash__ is None:
        advice = "it may change; use a tuple" if kind in (list, set, dict, bytearray) else ""
    else:
        advice = "text, bytes, numbers, dates, paths, enums, UUIDs and tuples of them can"
    reason = f": {advice}" if advice else ""
    raise TypeError(f"{where} is a {kind.__qualname__}, which cannot be a key{reason}")


def decode_key(data: bytes) -> Any:
    """Return a key from its bytes.

    Raises
    ------
    ValueError
        If they do not say all of it: then somebody has kept it in full.

    Examples
    --------
    >>> decode_key(encode_key(("a", 1, None)))
    ('a', 1, None)
    """
    tag, rest = data[:1], data[1:]
    if tag == b"s":
        return rest.decode("utf-8", "surrogatepass")
    if tag == b"b":
        return rest
    if tag == b"i":
        return int.from_bytes(rest, "big", signed=True)
    if tag == b"t":
        return tuple([decode_key(part) for part in _parts(rest)])
    if tag == b"n":
        return None
    if tag == b"f":
        return _DOUBLE.unpack(rest)[0]
    if tag == b"a":
        return date.fromisoformat(rest.decode())
    if tag == b"D":
        return datetime.fromisoformat(rest.decode())
    if tag == b"l":
        return int(rest) * _MICROSECOND
    if tag == b"u":
        return UUID(bytes=rest)
    if tag == b"p":
        return Path(rest.decode("utf-8", "surrogatepass"))
    raise ValueError(f"the key {data!r} does not say how it was written")


def says_all(key: Any) -> bool:
    """Tell whether `decode_key(encode_key(key))` is `key` as it was written, not only equal."""
    kind = type(key)
    if kind is tuple:
        return all(map(says_all, key))
    if kind is float:
        return not key.is_integer()
    if kind is datetime:
        return key.tzinfo is None and not key.fold
    return kind in _PLAIN


def _parts(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        yield data[start : start + length]
        start += length


def _equals_as(kind: type, base: type) -> bool:
    """Tell whether values of `kind` are equal by the rule of `base`."""
    return kind.__eq__ is base.__eq__ and kind.__hash__ is base.__hash__


def _text(key: Any, where: str) -> bytes:
    return encode_key(str.__str__(key), where)


def _octets(key: Any, where: str) -> bytes:
    return encode_key(bytes(key), where)


def _integer(key: Any, where: str) -> bytes:
    return encode_key(int(key), where)


def _number(key: Any, where: str) -> bytes:
    if key != key:
        raise TypeError(f"{where} is not a number, which equals nothing, so it is never found")
    # A float of a large Decimal would be infinite as well.
    if key in (math.inf, -math.inf):
        return b"f" + _DOUBLE.pack(float(key))
    above, below = key.as_integer_ratio()
    if below == 1:
        return encode_key(above, where)
    try:
        as_float = above / below
    except OverflowError:
        as_float = math.inf
    if as_float == key:
        return b"f" + _DOUBLE.pack(as_float)
    return b"r%x/%x" % (above, below)


def _tuple(key: Any, where: str) -> bytes:
    parts = []
    try:
        for part in key:
            encoded = encode_key(part)
            parts.append(_LENGTH.pack(len(encoded)) + encoded)
    except TypeError as error:  # where in it is put into words only now
        said = str(error)
        if not said.startswith(_WHERE):
            raise
        raise TypeError(f"{where}[{len(parts)}]{said[len(_WHERE) :]}") from None
    return b"t" + b"".join(parts)


def _set(key: Any, where: str) -> bytes:
    parts = sorted([encode_key(part, f"{where}{{...}}") for part in key])
    return b"z" + b"".join([_LENGTH.pack(len(part)) + part for part in parts])


def _moment(key: datetime, where: str) -> bytes:  # noqa: ARG001
    if key.utcoffset() is None:
        return b"D" + key.replace(fold=0, tzinfo=None).isoformat().encode()
    return b"d%d" % ((key - _EPOCH) // _MICROSECOND)


def _day(key: date, where: str) -> bytes:  # noqa: ARG001
    return b"a" + key.isoformat().encode()


def _hour(key: time, where: str) -> bytes:  # noqa: ARG001
    offset = key.utcoffset()
    if offset is None:
        return b"h" + key.replace(fold=0, tzinfo=None).isoformat().encode()
    since = timedelta(
        hours=key.hour, minutes=key.minute, seconds=key.second, microseconds=key.microsecond
    )
    return b"H%d" % ((since - offset) // _MICROSECOND)


def _span(key: timedelta, where: str) -> bytes:  # noqa: ARG001
    return b"l%d" % (key // _MICROSECOND)


def _path(key: PurePath, where: str) -> bytes:  # noqa: ARG001
    text = str(key)
    if isinstance(key, PureWindowsPath):
        return b"w" + text.lower().encode("utf-8", "surrogatepass")
    return b"p" + text.encode("utf-8", "surrogatepass")


def _uuid(key: UUID, where: str) -> bytes:  # noqa: ARG001
    return b"u" + key.bytes


_BASES: tuple[tuple[type, Any], ...] = (
    (str, _text), (bytes, _octets), (bool, _integer), (int, _integer), (float, _number),
    (Decimal, _number), (Fraction, _number), (tuple, _tuple), (frozenset, _set),
    (datetime, _moment), (date, _day), (time, _hour), (timedelta, _span), (PurePath, _path),
    (UUID, _uuid),
)  # fmt: skip
_PLAIN = frozenset((str, bytes, int, type(None), date, timedelta, UUID, type(Path())))
