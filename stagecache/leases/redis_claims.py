"""What one caller wants of a server that keeps leases, and how far that has come."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecache.leases.computing import computing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stagecache.leases.base import Holder
    from stagecache.model import Key


class Claim:
    """One caller's wish for a key, from asking to giving back.

    Parameters
    ----------
    key : Key
        What is wished for.
    value : bytes
        Signs for it.
    wake : callable
        Called from any thread when there is news.
    """

    __slots__ = (
        "failures", "holder", "inside", "is_lost", "is_over", "is_settled", "is_suspect", "key",
        "look_at", "may_stand", "pid", "rivals", "until", "value", "wake", "was_refused",
    )  # fmt: skip

    def __init__(self, key: Key, value: bytes, wake: Callable[[], object]) -> None:
        self.key = key
        self.value = value
        self.wake = wake
        self.pid = os.getpid()
        self.inside = computing.get()
        self.holder: Holder | None = None
        self.until = 0.0
        """When it is ours no more unless it is renewed: by our clock, before the server's."""
        self.is_lost = False
        self.is_settled = False
        """Whether there is nothing to wait for any more."""
        self.is_over = False
        """Whether the caller wants it no more."""
        self.may_stand = False
        """Whether the server may have it as ours."""
        self.was_refused = False
        self.failures = 0
        self.is_suspect = False
        self.look_at = 0.0
        self.rivals: Sequence[Claim] = ()
        """Others of the same caller, who wants no more than one of them."""

    def lose(self) -> None:
        """Let its caller go on without it."""
        self.is_lost = self.is_settled = True
        self.wake()
