"""How people write sizes and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

_SIZES: dict[str, int] = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgtp", 1):
    _SIZES |= dict.fromkeys((_letter, f"{_letter}b"), 1000**_power)
    _SIZES |= dict.fromkeys((f"{_letter}i", f"{_letter}ib"), 1 << 10 * _power)

_DURATIONS = {"ms": 0.001}
for _names, _seconds in (
    ("s sec secs second seconds", 1.0),
    ("m min mins minute minutes", 60.0),
    ("h hour hours", 3600.0),
    ("d day days", 86400.0),
    ("w week weeks", 604800.0),
):
    _DURATIONS |= dict.fromkeys(_names.split(), _seconds)


def parse_size(size: str | int) -> int:
    """Return a number of bytes.

    Parameters
    ----------
    size : str or int
        Bytes, or a number with a unit: ``kB``, ``MB``, ``GB`` and ``K``, ``M``, ``G`` are
        powers of 1000, ``KiB``, ``MiB``, ``GiB`` and ``Ki``, ``Mi``, ``Gi`` powers of 1024;
        up to ``P``, in either case.

    Raises
    ------
    SettingsError
        If it is no size, or negative.

    Examples
    --------
    >>> parse_size("256 MiB"), parse_size("1.5 GB"), parse_size(1024)
    (268435456, 1500000000, 1024)
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    parts = list(_measures(size)) if isinstance(size, str) else []
    if len(parts) == 1 and parts[0][1] in _SIZES and len(parts[0][0]) < 99:
        whole, _, fraction = parts[0][0].partition(".")
        # In integers, because a float would round large sizes.
        scale: int = 10 ** len(fraction)
        return int(whole + fraction) * _SIZES[parts[0][1]] // scale
    raise SettingsError(f'{size!r} is not a size; write bytes, or "256 MiB", or "20 GB"')


def parse_duration(duration: str | float | timedelta) -> float:
    """Return a number of seconds.

    Parameters
    ----------
    duration : str or float or datetime.timedelta
        Seconds, or numbers with units, each unit once: ``ms``, ``s``, ``m``, ``h``, ``d``,
        ``w``, or their names in full.

    Raises
    ------
    SettingsError
        If it is no duration, negative, or not finite.

    Examples
    --------
    >>> parse_duration("1d"), parse_duration("1h30m"), parse_duration("0.5 s"), parse_duration(90)
    (86400.0, 5400.0, 0.5, 90.0)
    """
    seconds = -1.0
    if isinstance(duration, str):
        parts = list(_measures(duration))
        units = [_DURATIONS.get(unit) for _, unit in parts]
        if len(parts) == 1 and parts[0][1] == "":
            seconds = float(parts[0][0])
        elif parts and None not in units and len(set(units)) == len(units):
            seconds = sum((float(number) * _DURATIONS[unit] for number, unit in parts), 0.0)
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        seconds = float(duration)
    elif hasattr(duration, "total_seconds"):
        seconds = duration.total_seconds()
    if 0 <= seconds < float("inf"):
        return seconds
    raise SettingsError(
        f'{duration!r} is not a duration; write seconds, or "90s", "1h30m", "1d", '
        "or a datetime.timedelta"
    )


def _measures(text: str) -> Iterator[tuple[str, str]]:
    """Split ``"1h 30.5 min"`` into numbers and units in lower case; nothing if it is malformed."""
    text = text.strip().lower()
    pairs = []
    while text:
        rest = text.lstrip("0123456789.")
        number, text = text[: len(text) - len(rest)], rest.lstrip()
        rest = text.lstrip("abcdefghijklmnopqrstuvwxyz")
        unit, text = text[: len(text) - len(rest)], rest.lstrip()
        if number.count(".") > 1 or not number.strip(".") or (text and not unit):
            return
        pairs.append((number, unit))
    yield from pairs
