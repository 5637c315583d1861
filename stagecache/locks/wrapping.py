"""Functions whose calls wait for something first, or have something while they run."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from stagecache.locks.acquiring import Acquirable

Function = TypeVar("Function", bound="Callable[..., Any]")


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which a function's callers meet those of other processes.

    Examples
    --------
    >>> name_of(name_of)
    'stagecache.locks.wrapping:name_of'
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
