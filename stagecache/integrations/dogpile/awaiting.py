"""How coroutines get a value of a region, or make it: once, and without blocking the event loop."""

from __future__ import annotations

import inspect
import time
from functools import wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.integrations.dogpile.mutex import LeaseMutex
from stagecache.integrations.dogpile.standing import State
from stagecache.model import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from dogpile.cache.api import CacheMutex

    from stagecache.integrations.dogpile.standing import Standing
    from stagecache.leases.base import Lease
    from stagecache.leases.flight import Flight


class Wish(NamedTuple):
    """What one caller wants."""

    key: str
    name: str
    """What the backend knows it by."""
    creator: Callable[[], Any]
    limit: float | None
    should_cache_fn: Callable[[Any], bool] | None


class Made(NamedTuple):
    """A value that was just made, or found at the second look."""

    value: Any
    by: Wish
    """Whose it is; all others get one of their own, if it was kept."""


class Awaiting:
    """Gets values of a region for coroutines.

    Parameters
    ----------
    region : Standing
        Whose.
    flight : Flight
        By which the coroutines of this process exclude each other.
    """

    def __init__(self, region: Standing, flight: Flight) -> None:
        self._region = region
        self._flight = flight

    async def obtain(
        self,
        key: str,
        creator: Callable[[], Any],
        expiration_time: float | None,
        should_cache_fn: Callable[[Any], bool] | None,
    ) -> Any:
        """Return the value under `key`, which `creator` makes if there is none, or anew."""
        region = self._region
        wish = Wish(
            key, region.mangled(key), creator, region.limit(expiration_time), should_cache_fn
        )
        found, state = await self._look(wish)
        if state is State.GOOD:
            return found.payload
        flown = Key(blake2b(wish.name.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        made: Made | None
        if state is State.STALE:
            made = await self._flight.run_async_nowait(
                flown, lambda: self._make(wish, wait=False), name=key
            )
            if made is None:
                return found.payload
        else:
            made = await self._flight.run_async(
                flown, lambda: self._make(wish, wait=True), name=key
            )
            assert made is not None
        if made.by is not wish:
            found, state = await self._look(wish)
            if state is State.GOOD:
                return found.payload
        return made.value

    def function(
        self,
        fn: Callable[..., Any],
        key_of: Callable[..., str],
        expiration_time: float | Callable[[], float | None] | None,
        should_cache_fn: Callable[[Any], bool] | None,
    ) -> Callable[..., Any]:
        """Return an ``async def`` that obtains what `fn`, another one, gives."""
        import asyncio

        region = self._region

        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            async def create() -> Any:
                return await fn(*args, **kwargs)

            limit = expiration_time() if callable(expiration_time) else expiration_time
            return await self.obtain(key_of(*args, **kwargs), create, limit, should_cache_fn)

        async def set_(value: Any, *args: Any, **kwargs: Any) -> None:
            await asyncio.to_thread(region.set, key_of(*args, **kwargs), value)

        async def get(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(region.get, key_of(*args, **kwargs))

        async def invalidate(*args: Any, **kwargs: Any) -> None:
            await asyncio.to_thread(region.delete, key_of(*args, **kwargs))

        async def refresh(*args: Any, **kwargs: Any) -> Any:
            value = await fn(*args, **kwargs)
            await set_(value, *args, **kwargs)
            return value

        for name, extra in {
            "set": set_, "get": get, "invalidate": invalidate, "refresh": refresh, "original": fn,
        }.items():  # fmt: skip
            setattr(call, name, extra)
        return call

    async def _make(self, wish: Wish, *, wait: bool) -> Made | None:
        import asyncio

        region = self._region
        held = await _acquired(region.mutex_of(wish.name), wait=wait)
        if held is None:
            return None
        try:
            found, state = await self._look(wish)
            if state is State.GOOD:
                return Made(found.payload, wish)
            began = time.time()
            value = await _called(wish.creator)
            await asyncio.to_thread(
                region.keep,
                {wish.key: wish.name},
                {wish.key: value},
                began,
                wish.limit,
                wish.should_cache_fn,
            )
            return Made(value, wish)
        finally:
            held.release()

    async def _look(self, wish: Wish) -> tuple[Any, State]:
        import asyncio

        found = await asyncio.to_thread(self._region.look, {wish.key: wish.name})
        value = found[wish.key]
        return value, self._region.state(value, wish.key, wish.limit)


async def _acquired(mutex: CacheMutex, *, wait: bool) -> Lease | CacheMutex | None:
    """Return what is to be released, or None if somebody else is in."""
    import asyncio

    # To `isinstance` whatever has `acquire` and `release` is any kind of CacheMutex.
    if type(mutex) is not LeaseMutex:
        return mutex if await asyncio.to_thread(mutex.acquire, wait) else None
    await asyncio.to_thread(mutex.prepare)
    if wait:
        return await mutex.leases.acquire_async(mutex.key)
    return mutex.leases.acquire_nowait(mutex.key, is_async=True)


async def _called(creator: Callable[[], Any]) -> Any:
    import asyncio

    if inspect.iscoroutinefunction(creator):
        return await creator()
    value = await asyncio.to_thread(creator)
    return await value if inspect.isawaitable(value) else value
