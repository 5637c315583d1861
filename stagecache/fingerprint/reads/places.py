"""Sees whether a body asks for the working directory, by itself or by making a path absolute.

``os.getcwd`` raises no audit event, so it is wrapped, once. What a body opens by a path made so, it
would open elsewhere if it were run elsewhere, as in a copy of the project.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.between import PATHS
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners
from stagecache.fingerprint.reads.standing import standing_for

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN = __name__.partition(".")[0] + "."


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    plain: Callable[[], str] = os.getcwd

    def getcwd() -> str:
        try:  # noqa: SIM105 - it would cost as much as what is asked
            _tell()
        except Exception:  # noqa: BLE001, S110 - what cannot be told is one event not seen
            pass
        return plain()

    os.getcwd = standing_for(plain, getcwd)


def _tell() -> None:
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in PATHS:
        frame = frame.f_back
    if frame is None or str(frame.f_globals.get("__name__")).startswith(_OWN):
        return
    for each in owners(frame):
        each.seen.asked_where_it_is()
