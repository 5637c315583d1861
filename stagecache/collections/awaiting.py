"""The operations of a queue for coroutines: who waits there keeps no thread and no loop waiting."""

from __future__ import annotations

from queue import Empty, Full
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stagecache.collections.asynchronous import AsyncTransactions, in_thread
from stagecache.collections.waiting import never, wait_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from stagecache.collections.queues import Counter
    from stagecache.collections.taken import Taken
    from stagecache.collections.trying import Trying

V = TypeVar("V")


class AsyncQueue(AsyncTransactions, Generic[V]):
    """Those of a queue. What is cancelled while it waits has taken nothing."""

    _counter: Counter
    _trying: Trying
    _putting: Callable[..., Callable[[], bool | None] | None]
    _taking: Callable[..., Callable[[], Taken[Any] | None]]

    async def aput(
        self,
        item: V,
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
    ) -> None:
        """Keep `item` at the end, waiting for room."""
        await self.aput_many((item,), block, timeout, priority=priority, delay=delay)

    async def aput_many(
        self,
        items: Iterable[V],
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
    ) -> None:
        """Keep all `items`, or none of them, waiting for room."""
        attempt = self._putting(items, timeout, priority, delay)
        if attempt is not None and not await self._waited(
            "left", attempt, block, timeout, never, lambda _: None
        ):
            raise Full

    async def aget(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        visibility: float | str | timedelta | None = None,
    ) -> V:
        """Take the first item, waiting for one; the same task says :meth:`atask_done`."""
        taken = await self.atake(block, timeout, visibility=visibility)
        self._counter.outstanding.hold(taken)
        return taken.value

    async def atake(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        visibility: float | str | timedelta | None = None,
    ) -> Taken[V]:
        """Take the first item, waiting for one: ``async with await queue.atake() as item``."""
        attempt = self._taking(timeout, visibility)
        taken = await self._waited(
            "came", attempt, block, timeout, self._counter.line.next_due, _release
        )
        if taken is None:
            raise Empty
        return taken  # type: ignore[no-any-return]

    async def atask_done(self) -> None:
        """Say that the item is finished that this task got first of those it has."""
        taken = self._counter.outstanding.oldest()
        if not await in_thread(taken.done):
            taken.warn()

    async def afail(
        self, error: BaseException | str, *, delay: float | str | timedelta | None = None
    ) -> None:
        """Say that it has failed, instead."""
        taken = self._counter.outstanding.oldest()
        if not await in_thread(taken.fail, error, delay=delay):
            taken.warn()

    async def ajoin(self, timeout: float | None = None) -> bool:
        """Wait until all that was put is finished, or given up; return whether it is."""
        attempt = self._trying.ending(timeout)
        return bool(await self._waited("ended", attempt, True, timeout, never, lambda _: None))

    async def _waited(
        self,
        end: str,
        attempt: Callable[[], Any],
        block: bool,
        timeout: float | None,
        due: Callable[[], float],
        undo: Callable[[Any], object],
    ) -> Any:
        ears = getattr(self._counter, end)
        return await wait_async(
            ears, attempt, timeout if block else 0, due, undo, self._trying.may_wait
        )


def _release(taken: Taken[Any]) -> None:
    taken.release()
