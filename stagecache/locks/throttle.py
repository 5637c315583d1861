"""Calls that are let in at most so often, over all processes; and calls let in one at a time."""

from __future__ import annotations

import functools
import inspect
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from stagecache.errors import LockUnavailableError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from stagecache.locks.acquiring import Acquirable
    from stagecache.locks.times import Times

Function = TypeVar("Function", bound="Callable[..., Any]")


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


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which a function's callers meet those of other processes.

    Examples
    --------
    >>> name_of(name_of)
    'stagecache.locks.throttle:name_of'
    """
    return f"{function.__module__}:{function.__qualname__}"


def before(
    function: Function,
    enter: Callable[[], object],
    enter_async: Callable[[], Coroutine[Any, Any, object]],
) -> Function:
    """Return `function` with something to be done before each call."""
    refuse_generators(function)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            await enter_async()
            return await function(*args, **kwargs)

        return cast("Function", awaited)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        enter()
        return function(*args, **kwargs)

    return cast("Function", called)


def inside(function: Function, lock: Callable[[], Acquirable]) -> Function:
    """Return `function`, each call of which has what `lock` returns while it runs."""
    refuse_generators(function)
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            async with lock():
                return await function(*args, **kwargs)

        return cast("Function", awaited)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with lock():
            return function(*args, **kwargs)

    return cast("Function", called)


def refuse_generators(function: Callable[..., Any]) -> None:
    """Raise TypeError for a function whose body runs after its call."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{function.__qualname__} yields: its body would run when nobody is kept out any more. "
            "Use the lock in it."
        )
