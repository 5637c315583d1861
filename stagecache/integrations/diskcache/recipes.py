"""The recipes of diskcache: an average, locks with an owner, and what lets calls in.

Locks are those of :mod:`stagecache.locks`: whoever waits sleeps until it is woken, only who has a
lock can release it, and that of a process that ends is free. They are no items of the cache, so
none gives way or expires, and `expire` and `tag` have no effect.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stagecache.errors import NotHeldError
from stagecache.integrations.diskcache.call_keys import full_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.integrations.diskcache.memoizing import Memoizing
    from stagecache.locks.acquiring import Acquirable

F = TypeVar("F", bound="Callable[..., Any]")


class Averager:
    """An average that is kept: of all values that were added, by whomever.

    Parameters
    ----------
    cache : Cache or FanoutCache
        Where it is kept; one with the policy ``none``, if it is not to give way.
    key : object
        Under which key.
    expire : float, optional
        Seconds after the last value for which it is kept.
    tag : str or int or float or bytes, optional
        What :meth:`Cache.evict` knows it by.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     latency = Averager(cache, "latency")
    ...     latency.add(1), latency.add(2)
    ...     latency.get(), latency.pop(), latency.get()
    (None, None)
    (1.5, 1.5, None)
    """

    def __init__(
        self, cache: Memoizing, key: Any, expire: float | None = None, tag: Any = None
    ) -> None:
        self._cache = cache
        self._key = key
        self._expire = expire
        self._tag = tag

    def add(self, value: float) -> None:
        """Add a value."""
        with self._cache.transact(retry=True):
            total, count = self._cache.get(self._key, (0.0, 0))
            pair = total + value, count + 1
            self._cache.set(self._key, pair, self._expire, tag=self._tag, retry=True)

    def get(self) -> float | None:
        """Return the average; None if there is no value."""
        return _average(self._cache.get(self._key, (0.0, 0)))

    def pop(self) -> float | None:
        """Return the average, and forget all values."""
        return _average(self._cache.pop(self._key, (0.0, 0), retry=True))


class _Locked:
    """What is acquired and released by its owner.

    Parameters
    ----------
    lock : Acquirable
        The lock.
    what : str
        What it is called when it was not acquired.
    """

    def __init__(self, lock: Acquirable, what: str) -> None:
        self._lock = lock
        self._what = what

    def acquire(self) -> None:
        """Wait until it is free, and take it.

        Raises
        ------
        LockError
            If this thread would wait for itself for ever, or nobody can say who has it.
        """
        self._lock.acquire()

    def release(self) -> None:
        """Give it back.

        Raises
        ------
        AssertionError
            If it is not this thread's: whoever has it still does.
        """
        try:
            self._lock.release()
        except NotHeldError as error:
            raise AssertionError(f"cannot release un-acquired {self._what}") from error

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


class Lock(_Locked):
    """A lock over threads and processes; it belongs to the thread that acquired it.

    Parameters
    ----------
    cache : Cache or FanoutCache
        In whose directory it lies.
    key : object
        What those know it by who are to exclude each other.
    expire, tag
        Without effect.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache, Lock(cache, "report-123") as lock:
    ...     lock.locked()
    True
    """

    def __init__(
        self, cache: Memoizing, key: Any, expire: float | None = None, tag: Any = None
    ) -> None:
        del expire, tag
        super().__init__(cache._place.locks.lock(_name(cache, key)), "lock")

    def locked(self) -> bool:
        """Tell whether anybody has it."""
        return self._lock.locked()


class RLock(_Locked):
    """A lock that who has it may acquire again, and releases as often.

    Parameters
    ----------
    cache, key, expire, tag
        As of :class:`Lock`.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     lock = RLock(cache, "user-123")
    ...     with lock, lock:
    ...         print("twice")
    ...     lock.release()
    Traceback (most recent call last):
    AssertionError: cannot release un-acquired lock
    """

    def __init__(
        self, cache: Memoizing, key: Any, expire: float | None = None, tag: Any = None
    ) -> None:
        del expire, tag
        super().__init__(cache._place.locks.rlock(_name(cache, key)), "lock")


class BoundedSemaphore(_Locked):
    """A lock that `value` callers have at the same time; any thread of a process may release.

    Parameters
    ----------
    cache, key, expire, tag
        As of :class:`Lock`.
    value : int, optional
        At most 256.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     connections = BoundedSemaphore(cache, "max-cons", value=2)
    ...     with connections, connections:
    ...         print("two of two")
    two of two
    """

    def __init__(
        self,
        cache: Memoizing,
        key: Any,
        value: int = 1,
        expire: float | None = None,
        tag: Any = None,
    ) -> None:
        del expire, tag
        super().__init__(cache._place.locks.semaphore(_name(cache, key), value), "semaphore")


def throttle(
    cache: Memoizing,
    count: int,
    seconds: float,
    name: str | None = None,
    expire: float | None = None,
    tag: Any = None,
    time_func: Callable[[], float] = time.time,
    sleep_func: Callable[[float], object] = time.sleep,
) -> Callable[[F], F]:
    """Decorate a function of which calls wait until at most `count` begin in any `seconds`.

    Those who come first are let in first, over all processes.

    Parameters
    ----------
    cache : Cache or FanoutCache
        In whose directory callers meet.
    count : int
        How many.
    seconds : float
        Within how long.
    name : str, optional
        What those know it by who count together; by default the function's.
    expire, tag
        Without effect.
    time_func, sleep_func : callable, optional
        Not to be given: the clock is that of the machine, which all processes share.

    Raises
    ------
    TypeError
        If `time_func` or `sleep_func` is given.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     @throttle(cache, 10, 1)
    ...     def ask(page):
    ...         return page
    ...     ask(1)
    1
    """
    del expire, tag
    if time_func is not time.time or sleep_func is not time.sleep:
        raise TypeError("a throttle goes by the clock of the machine, which all processes share")

    def decorate(fn: F) -> F:
        return cache._place.locks.throttle(count, float(seconds), name or full_name(fn))(fn)

    return decorate


def barrier(
    cache: Memoizing,
    lock_factory: Callable[..., Any],
    name: str | None = None,
    expire: float | None = None,
    tag: Any = None,
) -> Callable[[F], F]:
    """Decorate a function that is called while a lock is held.

    Parameters
    ----------
    cache : Cache or FanoutCache
        In whose directory callers meet.
    lock_factory : callable
        `Lock`, `RLock` or `BoundedSemaphore`.
    name : str, optional
        What those know it by who exclude each other; by default the function's.
    expire, tag
        Handed to `lock_factory`.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     @barrier(cache, Lock)
    ...     def rebuild():
    ...         return "alone"
    ...     rebuild()
    'alone'
    """

    def decorate(fn: F) -> F:
        lock = lock_factory(cache, name or full_name(fn), expire=expire, tag=tag)

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return fn(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate


def _average(pair: tuple[float, int]) -> float | None:
    total, count = pair
    return total / count if count else None


def _name(cache: Memoizing, key: Any) -> str:
    """Return what a lock is called: by its key, whatever that is."""
    return f"key {key}" if isinstance(key, str) else cache._coding.key(key).hex()
