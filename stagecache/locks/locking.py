"""The locks of a cache, as whoever has one asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stagecache.locks.lock import Lock, RLock
    from stagecache.locks.locks import Locks
    from stagecache.locks.semaphore import Semaphore
    from stagecache.locks.throttle import Throttle
    from stagecache.locks.wrapping import Function


class Locking:
    """Methods that make locks. One name of a kind is one lock, whoever makes it."""

    @property
    def _locks(self) -> Locks:
        raise NotImplementedError

    def lock(self, name: str, *, team: bool = False, thread_local: bool = True) -> Lock:
        """Return a lock that one caller at a time has, over threads, tasks and processes.

        Parameters
        ----------
        name : str
            What those know it by who are to exclude each other.
        team : bool, optional
            Whether it is over all machines that reach the server of the setting ``redis``, else
            over the processes of this machine that use the directory. The two are not the same
            lock.
        thread_local : bool, optional
            Whether only the thread or task that acquired it can release it; False: any of its
            process.

        Raises
        ------
        SettingsError
            If there is no directory, or nothing may be written there; with `team`, if there is no
            Redis server, or this machine only reads there. Exclusion would be empty.

        Examples
        --------
        >>> from stagecache import Cache
        >>> with Cache() as cache, cache.lock("reports"):
        ...     print("nobody else is here")
        nobody else is here
        """
        return self._locks.lock(name, team=team, thread_local=thread_local)

    def rlock(self, name: str, *, team: bool = False) -> RLock:
        """Return the lock of that name; who has it may acquire it again, and releases it as often.

        Parameters
        ----------
        name, team
            As of :meth:`lock`.
        """
        return self._locks.rlock(name, team=team)

    def semaphore(self, name: str, value: int = 1, *, team: bool = False) -> Semaphore:
        """Return a lock that `value` callers have at the same time.

        Parameters
        ----------
        name, team
            As of :meth:`lock`.
        value : int, optional
            At most 256. Who says less than others waits for fewer of the same permits.

        Examples
        --------
        >>> from stagecache import Cache
        >>> with Cache() as cache, cache.semaphore("database", 4):
        ...     print("one of four")
        one of four
        """
        return self._locks.semaphore(name, value, team=team)

    def throttle(
        self,
        count: int,
        seconds: float | str | timedelta,
        name: str | None = None,
        *,
        team: bool = False,
    ) -> Throttle:
        """Return a decorator that lets calls wait until at most `count` begin in any `seconds`.

        Parameters
        ----------
        count : int
            How many.
        seconds : float or str or datetime.timedelta
            Within how long, for example ``"1m"``.
        name : str, optional
            What those know it by who count together; by default ``module:qualname`` of the
            function. With a name, ``wait_turn()`` and ``await_turn()`` do without a function.
        team : bool, optional
            As of :meth:`lock`.

        Examples
        --------
        >>> from stagecache import Cache
        >>> with Cache() as cache:
        ...     @cache.throttle(10, "1s")
        ...     def ask(page: int) -> str:
        ...         return f"page {page}"
        ...     ask(1)
        'page 1'
        """
        return self._locks.throttle(count, parse_duration(seconds), name, team=team)

    def barrier(
        self, name: str | None = None, *, value: int = 1, team: bool = False
    ) -> Callable[[Function], Function]:
        """Return a decorator: one call at a time of the function runs, or `value` calls.

        With one, the function may call itself.

        Parameters
        ----------
        name : str, optional
            What those know it by who exclude each other; by default ``module:qualname``.
        value : int, optional
            How many.
        team : bool, optional
            As of :meth:`lock`.

        Examples
        --------
        >>> from stagecache import Cache
        >>> with Cache() as cache:
        ...     @cache.barrier()
        ...     def rebuild() -> str:
        ...         return "alone"
        ...     rebuild()
        'alone'
        """
        from stagecache.locks.wrapping import inside, name_of

        def decorate(function: Any) -> Any:
            known = name_of(function) if name is None else name
            if value == 1:
                return inside(function, lambda: self.rlock(known, team=team))
            return inside(function, lambda: self.semaphore(known, value, team=team))

        return decorate
