"""Decides whose an event is: by its context, by which bodies run, and by which memos are at work.

What an event means is decided by ``hook`` and ``sightings``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stagecache.fingerprint.reads.attribution import owner, running
from stagecache.fingerprint.reads.memos import at_work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from stagecache.fingerprint.reads.attribution import Owner


def owners(frame: FrameType | None = None) -> Sequence[Owner]:
    """Return those that an event of this context belongs to.

    Parameters
    ----------
    frame : frame, optional
        Where to begin to look for memos, if that is not who calls the caller.
    """
    mine = owner.get()
    if mine is None:
        return ()
    # A task may outlive the body that started it: what it does then is like a stray thread's.
    told = (mine,) if mine.entered else tuple(running)
    ledgers = at_work(sys._getframe(1).f_back if frame is None else frame)
    if not ledgers:
        return told
    for one in told:
        one.filled.update(ledgers)
    return (*told, *ledgers)


def bodies() -> Sequence[Owner]:
    """Return those of them that run, whatever keeps what they make."""
    mine = owner.get()
    if mine is None:
        return ()
    return (mine,) if mine.entered else tuple(running)
