"""The operations of an index for coroutines: in threads, so that the event loop goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from stagecache.collections.creating import Creation, Found

T = TypeVar("T")


class _Mapping(Protocol):
    """What the faces stand on."""

    _means: Any
    get: Callable[..., Any]
    set: Callable[..., None]
    add: Callable[..., bool]
    pop: Callable[..., Any]
    delete: Callable[..., bool]
    incr: Callable[..., Any]
    transact: Callable[[], Any]
    _creation: Callable[..., Creation]


class AsyncFaces:
    """Methods that are awaited; each is the one without the ``a``.

    To cancel one ends the waiting: what it has begun to write is written, or not, as a whole.
    """

    async def aget(self: _Mapping, key: Any, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        return await _in_thread(self.get, key, default)

    async def aset(self: _Mapping, key: Any, value: Any, **how: Any) -> None:
        """Keep `value` under `key`."""
        await _in_thread(self.set, key, value, **how)

    async def aadd(self: _Mapping, key: Any, value: Any, **how: Any) -> bool:
        """Keep `value` unless something is there; tell whether it is kept."""
        return await _in_thread(self.add, key, value, **how)

    async def apop(self: _Mapping, key: Any, *default: Any) -> Any:
        """Forget what is under `key`, and return it."""
        return await _in_thread(self.pop, key, *default)

    async def adelete(self: _Mapping, key: Any) -> bool:
        """Forget what is under `key`; return whether it was there."""
        return await _in_thread(self.delete, key)

    async def aincr(self: _Mapping, key: Any, delta: Any = 1, default: Any = 0) -> Any:
        """Add `delta` to the number under `key`, and return the sum."""
        return await _in_thread(self.incr, key, delta, default)

    async def atransact(self: _Mapping, work: Callable[[], T]) -> T:
        """Return what `work`, a plain function, returns; it is called in one transaction."""

        def run() -> T:
            with self.transact():
                return work()

        return await _in_thread(run)

    async def aget_or_create(
        self: _Mapping,
        key: Any,
        creator: Callable[[], Awaitable[Any]] | Callable[[], Any],
        *,
        ttl: float | str | timedelta | None = None,
        serve_stale: float | str | timedelta | None = None,
        early_refresh: bool | float = False,
        should_cache: Callable[[Any], bool] | None = None,
        tag: str | None = None,
    ) -> Any:
        """Return the value under `key`, which `creator` makes if there is none.

        Parameters
        ----------
        key, ttl, serve_stale, early_refresh, should_cache, tag
            As of :meth:`Index.get_or_create`.
        creator : callable
            An ``async def``, awaited on this event loop, or a plain function, called in a thread.
            To cancel one caller does not end it for the others.
        """
        creation = self._creation(key, ttl, serve_stale, early_refresh, should_cache, tag)
        found: Found | None = await _in_thread(creation.find)
        flight = self._means.flight
        if found is None:
            made = await flight.run_async(
                creation.digest, lambda: creation.make_async(creator), name=creation.name
            )
            return creation.own(made)
        if creation.is_due(found):
            try:
                made = await flight.run_async_nowait(
                    creation.digest, lambda: creation.make_async_nowait(creator), name=creation.name
                )
            except Exception as error:  # noqa: BLE001 - whatever a creator raises
                return creation.served(found, error)
            if made is not None:
                return creation.own(made)
        return creation.served(found)


async def _in_thread(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    import asyncio

    return await asyncio.to_thread(work, *args, **kwargs)
