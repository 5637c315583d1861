"""Leases of two places, one after the other: those of a machine first, then those among machines.

So one caller of each machine asks the farther place, and they are taken by all in one order.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from stagecache.leases.base import Leases

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from stagecache.leases.base import Holder, Lease
    from stagecache.model import Key

_OnWait: TypeAlias = "Callable[[Holder | None, float], None] | None"


class FarLeases(Leases, Protocol):
    """Leases of a place that hears of what is waited for nearer by."""

    def beside(self, key: Key) -> AbstractContextManager[None]:
        """Note that this context may wait for `key` in another place meanwhile."""


class ChainedLease:
    """Two leases of one key, given back in reverse; the nearer one first if there is a result."""

    __slots__ = ("_far", "_is_published", "_near", "key")

    def __init__(self, near: Lease, far: Lease) -> None:
        self.key = near.key
        self._near = near
        self._far = far
        self._is_published = False

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the key by now. A commit is safe all the same."""
        return self._near.is_lost() or self._far.is_lost()

    def say_published(self) -> None:
        """Let those hear who wait that the result is there."""
        self._near.say_published()
        self._far.say_published()
        self._is_published = True

    def release(self) -> None:
        """Give the key to whoever waits; again: does nothing."""
        # Who waits nearby has heard, and is not to wait for a round trip; who did not want to hear
        # asks farther by, and waits there for a moment.
        order = (self._near, self._far) if self._is_published else (self._far, self._near)
        try:
            order[0].release()
        finally:
            order[1].release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Chain:
    """Takes a nearer lease, then a farther one.

    Who lost the nearer one, because waiting for it would never end, computes beside others: it
    asks nobody else.

    Parameters
    ----------
    near : Leases
        Taken first.
    far : FarLeases
        Taken last, given back first.
    seen : callable, optional
        Returns what this machine keeps under a key, in anything that can be compared. Of callers
        who waited nearby, only those are sent on for whom nothing was published meanwhile: a crowd
        of processes has its result without a round trip for each.
    """

    def __init__(
        self, near: Leases, far: FarLeases, seen: Callable[[Key], object] | None = None
    ) -> None:
        self._near = near
        self._far = far
        self._seen = seen

    def acquire(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease:
        """Block until `key` is the caller's in both places.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        on_wait : callable, optional
            Called with the holder, where it is known, and the seconds waited so far: once when
            waiting begins, then about every second.
        """
        started, meanwhile = time.perf_counter(), _Meanwhile(key, self._seen, on_wait)
        with self._far.beside(key):
            near = self._near.acquire(key, meanwhile.waiting)
        return self._go_on(near, meanwhile, _later(on_wait, started))

    def acquire_or_hear(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease | None:
        """Do the same, or return None: somebody nearby says that the result is there."""
        started, meanwhile = time.perf_counter(), _Meanwhile(key, self._seen, on_wait)
        with self._far.beside(key):
            near = self._near.acquire_or_hear(key, meanwhile.waiting)
        return None if near is None else self._go_on(near, meanwhile, _later(on_wait, started))

    def _go_on(self, near: Lease, meanwhile: _Meanwhile, on_wait: _OnWait) -> Lease:
        if near.is_lost() or meanwhile.is_published():
            return near
        try:
            return ChainedLease(near, self._far.acquire(near.key, on_wait))
        except BaseException:
            near.release()
            raise

    async def acquire_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease:
        """Do the same without blocking the event loop, nor a thread of its executor."""
        started, meanwhile = time.perf_counter(), _Meanwhile(key, self._seen, on_wait)
        with self._far.beside(key):
            near = await self._near.acquire_async(key, meanwhile.waiting)
        return await self._go_on_async(near, meanwhile, _later(on_wait, started))

    async def acquire_or_hear_async(
        self, key: Key, on_wait: Callable[[Holder | None, float], None] | None = None
    ) -> Lease | None:
        """Do as :meth:`acquire_or_hear` without blocking the event loop."""
        started, meanwhile = time.perf_counter(), _Meanwhile(key, self._seen, on_wait)
        with self._far.beside(key):
            near = await self._near.acquire_or_hear_async(key, meanwhile.waiting)
        if near is None:
            return None
        return await self._go_on_async(near, meanwhile, _later(on_wait, started))

    async def _go_on_async(self, near: Lease, meanwhile: _Meanwhile, on_wait: _OnWait) -> Lease:
        if near.is_lost() or meanwhile.is_published():
            return near
        try:
            return ChainedLease(near, await self._far.acquire_async(near.key, on_wait))
        except BaseException:
            near.release()
            raise

    def acquire_nowait(self, key: Key, *, is_async: bool = False) -> Lease | None:
        """Return the lease if nobody has it in either place, else None at once.

        Parameters
        ----------
        key : Key
            What is about to be computed.
        is_async : bool, optional
            Whether this thread goes on with other things, on its event loop, while it computes.
        """
        near = self._near.acquire_nowait(key, is_async=is_async)
        if near is None:
            return None
        try:
            far = self._far.acquire_nowait(key, is_async=is_async)
        except BaseException:
            near.release()
            raise
        if far is None:
            near.release()
            return None
        return ChainedLease(near, far)

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`; the nearer place remembers also those who were refused farther."""
        return self._far.holder(key) or self._near.holder(key)

    def close(self) -> None:
        """Give up every lease and let nobody wait any longer."""
        self._far.close()
        self._near.close()


class _Meanwhile:
    """What came to be kept under a key while its caller waited."""

    def __init__(
        self,
        key: Key,
        seen: Callable[[Key], object] | None,
        on_wait: Callable[[Holder | None, float], None] | None,
    ) -> None:
        self._key = key
        self._seen = seen
        self._on_wait = on_wait
        self._before: object = self  # until it waits

    def waiting(self, holder: Holder | None, seconds: float) -> None:
        """Look when waiting begins, and tell whoever is to be told."""
        if self._before is self and self._seen is not None:
            self._before = self._seen(self._key)
        if self._on_wait is not None:
            self._on_wait(holder, seconds)

    def is_published(self) -> bool:
        """Tell whether something else is kept now; nobody looks if there was no waiting."""
        if self._before is self or self._seen is None:
            return False
        return self._seen(self._key) != self._before


def _later(
    on_wait: Callable[[Holder | None, float], None] | None, started: float
) -> Callable[[Holder | None, float], None] | None:
    """Return what counts the seconds from `started`, when the first of all places was asked."""
    if on_wait is None:
        return None
    tell = on_wait
    return lambda holder, _: tell(holder, time.perf_counter() - started)
