"""The operations of collections for coroutines: in threads, so that the event loop goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class _Mapping(Protocol):
    """What the faces stand on."""

    get: Callable[..., Any]
    set: Callable[..., None]
    add: Callable[..., bool]
    pop: Callable[..., Any]
    delete: Callable[..., bool]
    incr: Callable[..., Any]
    get_many: Callable[..., Any]
    set_many: Callable[..., None]
    popitem: Callable[..., Any]
    touch: Callable[..., bool]


class _Deque(Protocol):
    append: Callable[..., None]
    appendleft: Callable[..., None]
    extend: Callable[..., None]
    pop: Callable[..., Any]
    popleft: Callable[..., Any]


class _Together(Protocol):
    transact: Callable[[], Any]


class AsyncTransactions:
    """Methods that are awaited; each is the one without the ``a``.

    To cancel one ends the waiting: what it has begun to write is written, or not, as a whole.
    """

    async def atransact(self: _Together, work: Callable[[], T]) -> T:
        """Return what `work`, a plain function, returns; it is called in one transaction."""

        def run() -> T:
            with self.transact():
                return work()

        return await in_thread(run)


class AsyncIndex(AsyncTransactions):
    """Those of an index."""

    async def aget(self: _Mapping, key: Any, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        return await in_thread(self.get, key, default)

    async def aset(self: _Mapping, key: Any, value: Any, **how: Any) -> None:
        """Keep `value` under `key`."""
        await in_thread(self.set, key, value, **how)

    async def aget_many(self: _Mapping, keys: Iterable[Any]) -> Any:
        """Return the values under those of `keys` that there are."""
        return await in_thread(self.get_many, keys)

    async def aset_many(self: _Mapping, items: Any, **how: Any) -> None:
        """Keep all `items`, or none of them."""
        await in_thread(self.set_many, items, **how)

    async def aadd(self: _Mapping, key: Any, value: Any, **how: Any) -> bool:
        """Keep `value` unless something is there; tell whether it is kept."""
        return await in_thread(self.add, key, value, **how)

    async def apop(self: _Mapping, key: Any, *default: Any) -> Any:
        """Forget what is under `key`, and return it."""
        return await in_thread(self.pop, key, *default)

    async def adelete(self: _Mapping, key: Any) -> bool:
        """Forget what is under `key`; return whether it was there."""
        return await in_thread(self.delete, key)

    async def apopitem(self: _Mapping, last: bool = True) -> Any:
        """Forget the last item, or the first, and return it."""
        return await in_thread(self.popitem, last)

    async def atouch(self: _Mapping, key: Any, ttl: Any = None) -> bool:
        """Let an item live for `ttl` from now on, or for ever; return whether it was there."""
        return await in_thread(self.touch, key, ttl)

    async def aincr(self: _Mapping, key: Any, delta: Any = 1, default: Any = 0) -> Any:
        """Add `delta` to the number under `key`, and return the sum."""
        return await in_thread(self.incr, key, delta, default)


class AsyncDeque(AsyncTransactions):
    """Those of a deque."""

    async def aappend(self: _Deque, value: Any) -> None:
        """Keep `value` at the end."""
        await in_thread(self.append, value)

    async def aappendleft(self: _Deque, value: Any) -> None:
        """Keep `value` before the first."""
        await in_thread(self.appendleft, value)

    async def aextend(self: _Deque, values: Iterable[Any]) -> None:
        """Keep all `values` at the end."""
        await in_thread(self.extend, values)

    async def apop(self: _Deque) -> Any:
        """Forget the last item, and return it."""
        return await in_thread(self.pop)

    async def apopleft(self: _Deque) -> Any:
        """Forget the first item, and return it."""
        return await in_thread(self.popleft)


async def in_thread(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Return what `work` returns in a thread."""
    import asyncio

    return await asyncio.to_thread(work, *args, **kwargs)
