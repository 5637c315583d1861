"""Decides what an object has made from the rest of itself: that is no data.

It comes as an object is used; in a run where a kept result saves the use, it is not there.
``libraries`` names what they keep so, ``properties`` finds what cached properties hold. What
methods fill by themselves is found by ``code.lazy``; ``undone`` looks at an object as if they had
not.
"""

from __future__ import annotations

from typing import Any

from stagecache.fingerprint.derived.libraries import without_kept
from stagecache.fingerprint.derived.properties import (
    Warming,
    looking,
    without_made_since,
    without_warm,
)
from stagecache.fingerprint.derived.undone import ABSENT, undone, without_filled
from stagecache.fingerprint.names import current_rank

__all__ = ["ABSENT", "Warming", "looking", "undone", "without_derived"]


def without_derived(value: Any, kind: type, state: Any) -> Any:
    """Return the state of an object without what it has made from the rest of it.

    Parameters
    ----------
    value : object
        Of the class `kind`.
    kind : type
        Its class.
    state : object
        What ``__reduce_ex__`` gives of it.
    """
    state = without_filled(value, without_kept(kind, state))
    if current_rank() is not None:
        return without_made_since(value, kind, state)
    return without_warm(value, state) if looking.at_inputs else state
