"""Turns text into a value of one plain type; containers and alternatives are `values`' business."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.file import File

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_NONE = ("none", "null")


class UnusableValueError(ValueError):
    """A text is no value of the wanted type; the message says what would be."""


def scalar(text: str, wanted: type) -> Any:
    """Return the `wanted` that `text` means.

    Parameters
    ----------
    text : str
        What a person typed.
    wanted : type
        A class, not an alias or a union.

    Raises
    ------
    UnusableValueError
        If the text does not fit, or nothing of that type can be written as text.

    Examples
    --------
    >>> import datetime
    >>> scalar("2013-01-31", datetime.date), scalar("off", bool), scalar("a.csv", File)
    (datetime.date(2013, 1, 31), False, File('a.csv'))
    """
    import enum

    if issubclass(wanted, enum.Enum):
        return _enum_member(text, wanted)
    maker = _maker(wanted)
    if maker is None:
        raise UnusableValueError(f"{wanted.__name__} cannot be written as text")
    try:
        return maker(text)
    except (ValueError, ArithmeticError):
        name = "None" if wanted is type(None) else wanted.__name__
        raise UnusableValueError(f"not {name}: {text!r}") from None


def _maker(wanted: type) -> Callable[[str], Any] | None:
    import datetime
    import decimal
    import pathlib

    makers: dict[Any, Callable[[str], Any]] = {
        str: str,
        int: int,
        float: float,
        complex: complex,
        bool: _bool,
        type(None): _none,
        File: File,
        os.PathLike: pathlib.Path,
        decimal.Decimal: decimal.Decimal,
        datetime.date: datetime.date.fromisoformat,
        datetime.datetime: datetime.datetime.fromisoformat,
        datetime.time: datetime.time.fromisoformat,
        datetime.timedelta: _timedelta,
    }
    if wanted in makers:
        return makers[wanted]
    return wanted if issubclass(wanted, pathlib.PurePath) else None


def _bool(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def _none(text: str) -> None:
    if text.lower() not in _NONE:
        raise ValueError(text)


def _timedelta(text: str) -> Any:
    import datetime

    from stagecache.settings import parse_duration

    return datetime.timedelta(seconds=parse_duration(text))


def _enum_member(text: str, wanted: type[enum.Enum]) -> enum.Enum:
    for member in wanted:
        if text in (member.name, str(member.value)):
            return member
    names = ", ".join(member.name for member in wanted)
    raise UnusableValueError(f"not one of {names}: {text!r}")
