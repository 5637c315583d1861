"""One caller's wish for a key: who asks, from inside of what, and how he is told of his turn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stagecache.leases.computing import computing
from stagecache.leases.lockfile import byte_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.model import Key


class Claim:
    """One caller's wish for a key, from asking to giving back.

    Parameters
    ----------
    key : Key
        What is wished for.
    wake : callable
        Called from any thread when it is the caller's turn.
    is_async : bool
        Whether the caller's thread does other things while it waits or computes.
    hears : bool
        Whether it is enough for the caller to hear from another process that the result is there.
    """

    __slots__ = (
        *("byte", "has_heard", "hears", "is_async", "is_lost", "key", "outer", "since"),
        *("thread", "wake"),
    )

    def __init__(
        self,
        key: Key,
        wake: Callable[[], object],
        *,
        is_async: bool = False,
        hears: bool = False,
    ) -> None:
        self.key = key
        self.byte = byte_of(key)
        self.wake = wake
        self.is_async = is_async
        self.thread = threading.get_ident()
        self.since = 0.0
        self.is_lost = False
        self.hears = hears
        self.has_heard = False
        self.outer = [computation.key for computation in computing.get()]
        """What the caller computes already; the last is what this claim is for."""
        if self.outer and self.outer[-1] == key:
            self.outer.pop()

    def waits_for_itself(self, owner: Claim | None) -> bool:
        """Tell whether `owner`, another process if None, cannot give the key back before us."""
        if self.key in self.outer:
            return True
        if owner is None or owner.thread != self.thread:
            return False
        return not (owner.is_async and self.is_async)
