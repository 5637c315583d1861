"""Takes apart small values of the standard library: dates, exact numbers, enums, paths."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.names import name_of
from stagecache.fingerprint.objects import take_object
from stagecache.fingerprint.parts import Parts, Refused, digest_of, framed
from stagecache.sentinels import place_of

if TYPE_CHECKING:
    import contextvars
    import datetime
    import decimal
    import enum
    import fractions
    import pathlib
    import re
    import struct
    import uuid
    import zoneinfo
    from collections.abc import Callable


def _take_datetime(value: datetime.datetime | datetime.time) -> Parts | bytes:
    # Its pickle's bytes hold the fold; the zone stands beside them.
    state: Any = value.__reduce_ex__(4)[1]
    head = framed(type(value).__name__, state[0])
    if value.tzinfo is None:
        return digest_of(b"naive:" + head)
    return Parts(b"aware:" + head, (value.tzinfo,), label=lambda _: ".tzinfo")


def _take_date(value: datetime.date) -> bytes:
    return digest_of(b"date:%d" % value.toordinal())


def _take_timedelta(value: datetime.timedelta) -> bytes:
    return digest_of(b"timedelta:%d:%d:%d" % (value.days, value.seconds, value.microseconds))


def _take_timezone(value: datetime.timezone) -> Parts:
    return Parts(b"timezone:", value.__getinitargs__())  # type: ignore[attr-defined]


def _take_zone(value: zoneinfo.ZoneInfo) -> Parts:
    if value.key is None:
        raise Refused("a ZoneInfo that was read from a file has no name")
    name, ref = name_of(type(value))
    return Parts(b"zone:" + name, (value.key,), ref=ref)


def _take_decimal(value: decimal.Decimal) -> Parts:
    sign, digits, exponent = value.as_tuple()
    if exponent in ("n", "N"):
        rest = (sign, bytes(digits)) if sign or digits else ()
        return Parts(b"decimal nan:", (exponent, *rest))
    return Parts(b"decimal:", (sign, bytes(digits), exponent))


def _take_decimal_context(value: decimal.Context) -> Parts:
    """Leave out which signals were met so far: every division would make it another."""
    traps = sorted(signal.__name__ for signal, is_on in value.traps.items() if is_on)
    numbers = (value.prec, value.Emin, value.Emax, value.capitals, value.clamp)
    return Parts(b"decimal context:", (value.rounding, *numbers, *traps))


def _take_fraction(value: fractions.Fraction) -> Parts:
    return Parts(b"fraction:", (value.numerator, value.denominator))


def _take_uuid(value: uuid.UUID) -> bytes:
    return digest_of(b"uuid:" + value.bytes)


def _take_pattern(value: re.Pattern[Any]) -> Parts:
    lists = getattr(value, "named_lists", None)  # of the package regex
    return Parts(b"pattern:", (value.pattern, int(value.flags), *([lists] if lists else ())))


def _take_struct(value: struct.Struct) -> Parts:
    return Parts(b"struct:", (value.format,))


def _take_context(value: contextvars.ContextVar[Any]) -> Parts:
    try:
        held: tuple[object, ...] = (value.get(),)
    except LookupError:
        held = ()
    return Parts(b"context variable:", held, label=lambda _: ".get()")


def _take_bare(value: object) -> Parts:
    """Take a sentinel, which is equal to nothing but itself, by the name that a module gives it."""
    place = place_of(value)
    return take_object(value) if place is None else Parts(b"bare object:" + framed(place[1]))


def _take_hash(value: Any) -> Parts:
    digest = value.digest(32) if value.digest_size == 0 else value.digest()
    return Parts(b"hash:", (value.name, digest, value.block_size))


def _take_enum(value: enum.Enum) -> Parts:
    import enum

    name, ref = name_of(type(value))
    # The name of a combination of flags is worded differently by different Pythons.
    member = None if isinstance(value, enum.Flag) else value._name_
    return Parts(b"enum:" + name, (member, value._value_), ref=ref, label=lambda _: ".value")


def _take_path(value: pathlib.PurePath) -> Parts:
    kind = type(value)
    name, ref = name_of(kind)
    if ref is None:  # the module is not the same in every Python
        name = framed(kind.__name__)
    return Parts(b"path:" + name, (os.fspath(value),), ref=ref)


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "datetime": _take_datetime,
    "date": _take_date,
    "time": _take_datetime,
    "timedelta": _take_timedelta,
    "timezone": _take_timezone,
    "ZoneInfo": _take_zone,
    "Decimal": _take_decimal,
    "Context": _take_decimal_context,
    "Fraction": _take_fraction,
    "UUID": _take_uuid,
    "Pattern": _take_pattern,
    "Struct": _take_struct,
    "ContextVar": _take_context,
    **dict.fromkeys(("HASH", "HMAC", "blake2b", "blake2s"), _take_hash),
    "object": _take_bare,
    "Enum": _take_enum,
    "PurePath": _take_path,
}
