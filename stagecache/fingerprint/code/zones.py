"""Decides which code asks for the local time zone, which the machine or a variable sets.

``TZ`` is looked up in C, and so is what the system says; nobody sees it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.code.extensions import names_in
from stagecache.fingerprint.code.resolve import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

_ASKERS = frozenset({"astimezone", "fromtimestamp", "localtime", "mktime", "timestamp"})
"""Methods and functions; of what is not known before the code runs, so a name has to do."""


def zone_for(code: CodeType) -> Iterator[tuple[Slot, Any]]:
    """Yield where the local time zone is said, with what is there, if `code` may ask for it.

    Examples
    --------
    >>> [slot.name for slot, _ in zone_for((lambda day: day.astimezone()).__code__)]
    ['tzname', 'timezone', 'altzone']
    >>> list(zone_for((lambda day: day.isoformat()).__code__))
    []
    """
    if not _ASKERS.isdisjoint(names_in(code)):
        for name in ("tzname", "timezone", "altzone"):
            slot = Slot(vars(time), name)
            yield slot, slot.content()
