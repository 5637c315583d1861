"""What this context computes, and who waits for whom: so that nobody waits for itself."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from stagecache.errors import LeaseError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from stagecache.model import Key


class Computation:
    """One key being computed; its nested computations see it in `computing`.

    Parameters
    ----------
    key : Key
        What is computed.
    name : str
        What people know it by.
    loop : asyncio.AbstractEventLoop, optional
        Where it is computed, if not by blocking this thread.
    """

    __slots__ = ("is_done", "key", "loop", "name", "needs", "thread")

    def __init__(
        self, key: Key, name: str = "", loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.key = key
        self.name = name or key.hex()[:8]
        self.loop = loop
        self.thread = threading.get_ident()
        self.is_done = False
        self.needs: list[Computation] = []
        """Those that this one is inside of or waits for: the edges of the wait-for graph."""


computing: ContextVar[tuple[Computation, ...]] = ContextVar("stagecache_computing", default=())
"""What this context is inside of, outermost first."""


def innermost() -> Computation | None:
    """Return the computation that this context is directly inside of."""
    outer = computing.get()
    return outer[-1] if outer else None


def refuse_recursion(new: Computation) -> None:
    """Raise LeaseError if this context is inside of a computation of the same key."""
    outer = _unfinished()
    for index, each in enumerate(outer):
        if each.key == new.key:
            raise _cycle([*outer[index:], new])


def refuse_cycle(running: Computation, new: Computation) -> None:
    """Raise LeaseError if `running` cannot end before `new`, whose place it would take."""
    outer = _unfinished()
    for path in _needed_by(running):
        end = path[-1]
        if end in outer:
            raise _cycle([*outer[outer.index(end) :], *path])
        if end.loop is None and end.thread == new.thread:
            # The context was lost on the way, but one thread can be at one place only.
            raise _cycle([end, *path])


def needs_this_loop(running: Computation) -> bool:
    """Tell whether `running` cannot end while this thread blocks its event loop."""
    thread = threading.get_ident()
    return any(
        path[-1].loop is not None and path[-1].thread == thread for path in _needed_by(running)
    )


def _unfinished() -> list[Computation]:
    # A thread or task that a body left behind still sees it.
    return [each for each in computing.get() if not each.is_done]


def _needed_by(computation: Computation) -> Iterator[list[Computation]]:
    """Walk the wait-for graph: yield a path to everything that must end before `computation`."""
    paths = [[computation]]
    seen = {computation}
    while paths:
        path = paths.pop()
        yield path
        for each in path[-1].needs:
            # Who waited for one that is done may not have woken up yet.
            if not each.is_done and each not in seen:
                seen.add(each)
                paths.append([*path, each])


def _cycle(computations: Sequence[Computation]) -> LeaseError:
    names = " -> ".join(each.name for each in computations)
    return LeaseError(
        f"A stage waits for its own result: {names}. It may call itself with other arguments "
        "only; where the same ones are meant, let it call the plain function (`stage.fn`)."
    )
