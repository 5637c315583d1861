"""Calls that are let in at most so often, over all processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from stagecache.errors import LockUnavailableError, StoreError
from stagecache.locks.wrapping import before, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.locks.acquiring import Acquirable
    from stagecache.locks.times import Times
    from stagecache.locks.wrapping import Function


class Entrance(NamedTuple):
    """Where callers are let in under one name."""

    lock: Acquirable
    """Whoever has it is let in next."""
    times: Times


class Throttle:
    """Lets callers in at most `count` times within any `seconds`, those first who came first.

    Whoever has to wait sleeps once: all others wait for the lock that it holds. A caller that is
    killed or interrupted meanwhile costs nobody anything. What was let in counts from that moment,
    however long it takes.

    Parameters
    ----------
    count : int
        How many.
    seconds : float
        Within how long.
    entrance : callable
        Returns where a name's callers are let in.
    name : str or None
        The name; None: that of the decorated function.
    sleep : callable, optional
        Sleeps.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     @cache.throttle(10, 1.0)
    ...     def ask(page: int) -> str:
    ...         return f"page {page}"
    ...     ask(1)
    'page 1'
    """

    def __init__(
        self,
        count: int,
        seconds: float,
        entrance: Callable[[str], Entrance],
        name: str | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.count = count
        self.seconds = seconds
        self._entrance = entrance
        self._name = name
        self._sleep = sleep

    def __call__(self, function: Function) -> Function:
        """Return `function`, whose calls wait for their turn."""
        name = self._name or name_of(function)

        def enter() -> None:
            self._wait(self._entrance(name))

        async def enter_async() -> None:
            await self._await(self._entrance(name))

        return before(function, enter, enter_async)

    def wait_turn(self) -> None:
        """Return when the caller may go on.

        Raises
        ------
        LockUnavailableError
            If nobody can say who was let in.
        ValueError
            If it has no name.
        """
        self._wait(self._named())

    async def await_turn(self) -> None:
        """Do the same without blocking the event loop."""
        await self._await(self._named())

    def _named(self) -> Entrance:
        if self._name is None:
            raise ValueError("a throttle that decorates no function needs a name")
        return self._entrance(self._name)

    def _wait(self, entrance: Entrance) -> None:
        with entrance.lock:
            while left := self._let_in(entrance):
                self._sleep(left)

    async def _await(self, entrance: Entrance) -> None:
        import asyncio

        async with entrance.lock:
            while left := await asyncio.to_thread(self._let_in, entrance):
                await asyncio.sleep(left)

    def _let_in(self, entrance: Entrance) -> float:
        try:
            return entrance.times.let_in(self.count, self.seconds)
        except (OSError, StoreError) as error:
            raise LockUnavailableError(
                entrance.lock.name,
                f"nobody is let in, because that cannot be noted ({error}). See whether the disk "
                "is full, or the server of the team out of reach.",
            ) from error
