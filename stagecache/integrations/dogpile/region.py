"""A region that does what no backend can do for it; see ``docs/from-dogpile.md``.

Many keys are made once as single ones are, functions may be ``async def``, what was begun before
an invalidation is invalid, and names are those of the backend wherever keys are locked.
"""

from __future__ import annotations

import inspect
import threading
import time
from typing import TYPE_CHECKING, Any

from stagecache.integrations.dogpile.awaiting import Awaiting
from stagecache.integrations.dogpile.backend import StagecacheBackend
from stagecache.integrations.dogpile.invalidation import SharedInvalidation
from stagecache.integrations.dogpile.keys import key_generator, multi_key_generator
from stagecache.integrations.dogpile.standing import Standing, State
from stagecache.leases.flight import Flight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from dogpile.cache.api import CacheMutex


class _Begun(threading.local):
    """When the value was begun that this thread has just made and is about to keep."""

    time: float | None = None


class Region(Standing):
    """A region of dogpile.cache; :func:`make_region` makes it.

    Parameters
    ----------
    name, function_key_generator, function_multi_key_generator, **how
        As of :class:`dogpile.cache.region.CacheRegion`. By default keys are those of
        :mod:`~stagecache.integrations.dogpile.keys`.

    Examples
    --------
    >>> region = Region().configure(arguments={"directory": ":memory:"})
    >>> @region.cache_on_arguments()
    ... def doubled(x):
    ...     print("computing")
    ...     return 2 * x
    >>> doubled(2), doubled(x=2)
    computing
    (4, 4)
    """

    def __init__(
        self,
        name: str | None = None,
        function_key_generator: Callable[..., Callable[..., str]] = key_generator,
        function_multi_key_generator: Callable[
            ..., Callable[..., Sequence[str]]
        ] = multi_key_generator,
        **how: Any,
    ) -> None:
        super().__init__(name, function_key_generator, function_multi_key_generator, **how)
        self._begun = _Begun()
        self._flight = Flight()

    def configure(self, backend: str = "stagecache", *args: Any, **how: Any) -> Self:
        """Configure it; on our backend its invalidation is that of all who share it.

        Parameters
        ----------
        backend, *args, **how
            As of :meth:`dogpile.cache.region.CacheRegion.configure`.
        """
        super().configure(backend, *args, **how)
        given = how.get("region_invalidator") or (args[6] if len(args) > 6 else None)
        if given is None and isinstance(self.actual_backend, StagecacheBackend):
            self.region_invalidator = SharedInvalidation(self)
        return self

    def key_is_locked(self, key: str) -> bool:
        """Tell whether somebody makes the value under `key`, in whatever process."""
        return self.mutex_of(self.mangled(key)).locked()

    def get_or_create(
        self,
        key: str,
        creator: Callable[..., Any],
        expiration_time: float | None = None,
        should_cache_fn: Callable[[Any], bool] | None = None,
        creator_args: tuple[Any, Mapping[str, Any]] | None = None,
    ) -> Any:
        """Return the value under `key`, which `creator` makes if there is none, or anew.

        Parameters
        ----------
        key, creator, expiration_time, should_cache_fn, creator_args
            As of :meth:`dogpile.cache.region.CacheRegion.get_or_create`.
        """
        if self.async_creation_runner is not None:  # calls `set`, whenever and wherever it wants
            return super().get_or_create(
                key, creator, expiration_time, should_cache_fn, creator_args
            )

        begun = self._begun

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.time()
            value = creator(*args, **kwargs)
            begun.time = began
            return value

        outer, begun.time = begun.time, None
        try:
            return super().get_or_create(key, timed, expiration_time, should_cache_fn, creator_args)
        finally:
            begun.time = outer

    def get_or_create_multi(
        self,
        keys: Iterable[str],
        creator: Callable[..., Any],
        expiration_time: float | None = None,
        should_cache_fn: Callable[[Any], bool] | None = None,
    ) -> Sequence[Any]:
        """Return the values under `keys`; `creator` makes those that nobody else makes or has made.

        Parameters
        ----------
        keys, creator, expiration_time, should_cache_fn
            As of :meth:`dogpile.cache.region.CacheRegion.get_or_create_multi`.
        """
        wanted = list(keys)
        limit = self.limit(expiration_time)
        names = {key: self.mangled(key) for key in sorted(set(wanted))}
        values = self.look(names)
        held: dict[str, CacheMutex] = {}
        try:
            # In one order for all callers, so that none waits for another one in a ring.
            for key, name in names.items():
                state = self.state(values[key], key, limit)
                if state is State.GOOD:
                    continue
                mutex = self.mutex_of(name)
                if mutex.acquire(state is State.MISSING):
                    held[key] = mutex
            if held:  # somebody may have made them while we waited
                values.update(self.look({key: names[key] for key in held}))
            for key in list(held):
                if self.state(values[key], key, limit) is State.GOOD:
                    held.pop(key).release()
            if held:
                began = time.time()
                made = dict(zip(held, creator(*held), strict=True))
                values.update(self.keep(names, made, began, limit, should_cache_fn))
        finally:
            for mutex in held.values():
                mutex.release()
        return [values[key].payload for key in wanted]

    # --- functions

    def cache_on_arguments(
        self,
        namespace: str | None = None,
        expiration_time: float | Callable[[], float | None] | None = None,
        should_cache_fn: Callable[[Any], bool] | None = None,
        to_str: Callable[[Any], str] = str,
        function_key_generator: Callable[..., Callable[..., str]] | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator as dogpile has it, for ``async def`` as well.

        Of an ``async def``, ``set``, ``get``, ``invalidate`` and ``refresh`` are awaited, too.

        Parameters
        ----------
        namespace, expiration_time, should_cache_fn, to_str, function_key_generator
            As of :meth:`dogpile.cache.region.CacheRegion.cache_on_arguments`.

        Raises
        ------
        TypeError
            By the decorator, if the function is a generator.
        """
        plain = super().cache_on_arguments(
            namespace, expiration_time, should_cache_fn, to_str, function_key_generator
        )

        def decorator(fn: Callable[..., Any]) -> Callable[..., Any]:
            if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
                raise TypeError(f"{fn.__qualname__} yields, and what it yields can be read once")
            if not inspect.iscoroutinefunction(fn):
                return plain(fn)
            make = function_key_generator or self.function_key_generator
            key = make(namespace, fn) if to_str is str else make(namespace, fn, to_str)
            return Awaiting(self, self._flight).function(fn, key, expiration_time, should_cache_fn)

        return decorator

    def cache_multi_on_arguments(self, *args: Any, **how: Any) -> Callable[..., Any]:
        """Return a decorator as dogpile has it.

        Parameters
        ----------
        *args, **how
            As of :meth:`dogpile.cache.region.CacheRegion.cache_multi_on_arguments`.

        Raises
        ------
        TypeError
            By the decorator, if the function is to be awaited.
        """
        plain = super().cache_multi_on_arguments(*args, **how)

        def decorator(fn: Callable[..., Any]) -> Callable[..., Any]:
            if inspect.iscoroutinefunction(fn):
                raise TypeError(
                    f"{fn.__qualname__} is an async def, which cache_multi_on_arguments cannot "
                    "await. Use cache_on_arguments, or get_or_create_multi in a thread."
                )
            return plain(fn)

        return decorator

    async def aget_or_create(
        self,
        key: str,
        creator: Callable[[], Any],
        expiration_time: float | None = None,
        should_cache_fn: Callable[[Any], bool] | None = None,
    ) -> Any:
        """Return the value under `key`, which `creator`, an ``async def`` or not, makes.

        However many coroutines, threads and processes ask, it is called once; waiting takes no
        thread.

        Parameters
        ----------
        key, expiration_time, should_cache_fn
            As of :meth:`get_or_create`.
        creator : callable
            Awaited on this event loop, or called in a thread.

        Examples
        --------
        >>> import asyncio
        >>> region = Region().configure(arguments={"directory": ":memory:"})
        >>> async def fetch():
        ...     return "welcome"
        >>> asyncio.run(region.aget_or_create("/", fetch))
        'welcome'
        """
        return await Awaiting(self, self._flight).obtain(
            key, creator, expiration_time, should_cache_fn
        )

    def _gen_metadata(self) -> Mapping[str, Any]:
        metadata = super()._gen_metadata()
        began = self._begun.time
        return metadata if began is None else {**metadata, "ct": began}


def make_region(*args: Any, **how: Any) -> Region:
    """Return a region that is still to be configured.

    Parameters
    ----------
    *args, **how
        As of :class:`Region`.
    """
    return Region(*args, **how)
