"""What a lock stands on: a place where one of several keys is had by one caller at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stagecache.leases.base import Holder
    from stagecache.model import Key


class Wanted(NamedTuple):
    """What callers ask for."""

    name: str
    """As people know it."""
    keys: tuple[Key, ...]
    """Any one of them will do."""


class Grant(Protocol):
    """A key that one caller has; dropped means released."""

    def is_lost(self) -> bool:
        """Tell whether somebody else may have it by now."""

    def release(self) -> bool:
        """Give it back; tell whether it was held until now."""


class Wishing(Protocol):
    """One caller's asking, from the first question to the grant or to giving up.

    Every method but :meth:`end` raises LockUnavailableError if nobody can say who has the keys.
    """

    def ask(self) -> Grant | None:
        """Take a key if one is free at once."""

    def begin(self) -> Grant | None:
        """Take a key if one is free, else wait: ``wake`` is called when there is news."""

    def look(self) -> Grant | None:
        """Return what was granted, if that is the news."""

    def end(self) -> None:
        """Wait no longer; what was granted and not looked at is given back."""


class Ground(Protocol):
    """Where keys are had."""

    is_far: bool
    """Whether asking takes so long that an event loop cannot wait for it."""

    def wish(self, wanted: Wanted, wake: Callable[[], object], *, is_async: bool) -> Wishing:
        """Return a caller's asking; `wake` is called from any thread."""

    def holder(self, wanted: Wanted) -> Holder | None:
        """Return who has one of the keys if all are had; None if one is free."""

    def close(self) -> None:
        """Give all keys back and let nobody wait."""


def obtain(
    grounds: Sequence[Ground], wanted: Wanted, timeout: float | None
) -> tuple[Grant, ...] | None:
    """Return a grant of each ground, one after the other; None if `timeout` seconds are over.

    Parameters
    ----------
    grounds : sequence of Ground
        From the nearest to the farthest, so that one of each machine at a time asks farther away.
    wanted : Wanted
        What is asked for.
    timeout : float or None
        0.0: ask only. None: wait for ever.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    grants: list[Grant] = []
    try:
        for ground in grounds:
            grant = _one(ground, wanted, deadline, only_ask=timeout == 0.0)
            if grant is None:
                give_back(grants)
                return None
            grants.append(grant)
    except BaseException:
        give_back(grants)
        raise
    return tuple(grants)


async def obtain_async(
    grounds: Sequence[Ground], wanted: Wanted, timeout: float | None
) -> tuple[Grant, ...] | None:
    """Do the same without blocking the event loop, nor for long a thread of its executor."""
    deadline = None if timeout is None else time.monotonic() + timeout
    grants: list[Grant] = []
    try:
        for ground in grounds:
            grant = await _one_async(ground, wanted, deadline, only_ask=timeout == 0.0)
            if grant is None:
                await give_back_async(grants, grounds)
                return None
            grants.append(grant)
    except BaseException:
        await give_back_async(grants, grounds)
        raise
    return tuple(grants)


def give_back(grants: Iterable[Grant]) -> bool:
    """Release all, the last one first; tell whether all were held until now."""
    were_held = [grant.release() for grant in reversed(tuple(grants))]
    return all(were_held)


async def give_back_async(grants: Sequence[Grant], grounds: Sequence[Ground]) -> bool:
    """Do the same beside the event loop, where a ground is far."""
    import asyncio

    if any(ground.is_far for ground in grounds[: len(grants)]):
        # What is cancelled meanwhile is given back all the same.
        return await asyncio.shield(asyncio.to_thread(give_back, tuple(grants)))
    return give_back(grants)


def _one(ground: Ground, wanted: Wanted, deadline: float | None, *, only_ask: bool) -> Grant | None:
    from threading import Lock

    turn = Lock()
    turn.acquire()

    def wake() -> None:
        with suppress(RuntimeError):  # woken already
            turn.release()

    wishing = ground.wish(wanted, wake, is_async=False)
    if only_ask:
        return wishing.ask()
    try:
        grant = wishing.begin()
        while grant is None:
            left = -1.0 if deadline is None else max(0.0, deadline - time.monotonic())
            is_over = not turn.acquire(timeout=left)
            grant = wishing.look()
            if is_over:
                break
    except BaseException:
        wishing.end()
        raise
    if grant is None:
        wishing.end()
    return grant


async def _one_async(
    ground: Ground, wanted: Wanted, deadline: float | None, *, only_ask: bool
) -> Grant | None:
    import asyncio

    loop = asyncio.get_running_loop()
    turn = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # that loop is closed; what was dropped is given back
            loop.call_soon_threadsafe(turn.set)

    wishing = ground.wish(wanted, wake, is_async=True)
    if only_ask:
        return await asyncio.to_thread(wishing.ask) if ground.is_far else wishing.ask()
    try:
        grant = wishing.begin()
        while grant is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            is_over = False
            try:
                await asyncio.wait_for(turn.wait(), left)
            except TimeoutError:
                is_over = True
            turn.clear()
            grant = wishing.look()
            if is_over:
                break
    except BaseException:
        wishing.end()
        raise
    if grant is None:
        wishing.end()
    return grant
