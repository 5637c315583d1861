"""What a lease promises; how exclusion is won is for the leaves.

A lease saves work, it never guards correctness: commits are insert-if-absent. So whatever goes
wrong with one costs a second computation, never an error and never a wait without end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stagecache.model import Key


class Holder(NamedTuple):
    """Who has a lease, as far as the waiter can tell."""

    pid: int
    host: str
    since: float
    """Seconds since the epoch."""


def this_host() -> str:
    """Return the name of this machine, for people."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


class Lease(Protocol):
    """The right to compute one key; a context manager that gives it back."""

    key: Key

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the key by now. A commit is safe all the same."""

    def say_published(self) -> None:
        """Let those hear who wait that the result is there, where that saves them the key."""

    def release(self) -> None:
        """Give the key to whoever waits; again: does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Leases(Protocol):
    """Where leases come from.

    After acquiring one, look the key up again: whoever held it may have computed it.
    """

    def acquire(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease:
        """Block until `key` is the caller's.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        on_wait : callable, optional
            Called with the holder, where it is known, and the seconds waited so far: once when
            waiting begins, then about every second.
        """

    async def acquire_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease:
        """Do the same without blocking the event loop, nor a thread of its executor."""

    def acquire_or_hear(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease | None:
        """Do as :meth:`acquire`, or return None: whoever had the key says that the result is there.

        Then nobody has to wait for his turn to look. If it is not good enough, or not there,
        acquire the key. Of a crowd of processes all are let go at once; with the key given to each
        in turn, each would wait until all before it have looked.
        """

    async def acquire_or_hear_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease | None:
        """Do the same without blocking the event loop, nor a thread of its executor."""

    def acquire_nowait(self, key: Key, *, is_async: bool = False) -> Lease | None:
        """Return the lease if nobody has it and nobody waits for it, else None at once.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        is_async : bool, optional
            Whether this thread goes on with other things, on its event loop, while it computes.
        """

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`, or had it last, as far as that is known: for people."""

    def close(self) -> None:
        """Give up every lease and let nobody wait any longer."""
