"""How callers wait for something to happen to a queue, threads and coroutines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.collections.hearing import Ears

T = TypeVar("T")


def wait(
    ears: Ears, attempt: Callable[[], T | None], timeout: float | None, due: Callable[[], float]
) -> T | None:
    """Try until there is something; return None if that takes too long.

    Parameters
    ----------
    ears : Ears
        Hear when to try again.
    attempt : callable
        Returns None in vain.
    timeout : float or None
        Seconds to wait at most.
    due : callable
        Returns after how many seconds to try again whatever is heard.
    """
    until = None if timeout is None else time.monotonic() + timeout
    ear = ears.take()
    try:
        while True:
            found = attempt()
            if found is not None:
                return found
            left = ear.tick if until is None else min(ear.tick, until - time.monotonic())
            if left <= 0:
                return None
            ear.wait(min(left, due()))
            if not ear.is_current():
                ear.close()
                ear = ears.take()
    finally:
        ears.give(ear)


def never() -> float:
    """Return after how many seconds what comes by itself alone does so."""
    return 1e300


async def wait_async(
    ears: Ears,
    attempt: Callable[[], T | None],
    timeout: float | None,
    due: Callable[[], float],
    undo: Callable[[T], object],
    prepare: Callable[[], object],
) -> T | None:
    """Do the same without blocking the event loop.

    Parameters
    ----------
    ears, attempt, timeout, due
        As of :func:`wait`; `attempt` and `due` are called in threads.
    undo : callable
        Called with what was found when nobody waits for it any longer.
    prepare : callable
        Called in a thread before it waits.
    """
    import asyncio

    until = None if timeout is None else time.monotonic() + timeout
    found = await _cancellable(attempt, undo)
    if found is not None or timeout == 0:
        return found
    await asyncio.to_thread(prepare)
    ear = ears.take()
    try:
        while True:
            found = await _cancellable(attempt, undo)
            if found is not None:
                return found
            left = ear.tick if until is None else min(ear.tick, until - time.monotonic())
            if left <= 0:
                return None
            await ear.wait_async(min(left, await asyncio.to_thread(due)))
            if not ear.is_current():
                ear.close()
                ear = ears.take()
    finally:
        ears.give(ear)


async def _cancellable(attempt: Callable[[], T | None], undo: Callable[[T], object]) -> T | None:
    import asyncio

    loop = asyncio.get_running_loop()
    trying = asyncio.ensure_future(asyncio.to_thread(attempt))
    try:
        return await asyncio.shield(trying)
    except asyncio.CancelledError:

        def end(tried: Any) -> None:
            if tried.cancelled() or tried.exception() is not None or tried.result() is None:
                return
            try:
                loop.run_in_executor(None, undo, tried.result())
            except RuntimeError:  # the loop ends, and starts no more threads
                undo(tried.result())

        trying.add_done_callback(end)
        raise
