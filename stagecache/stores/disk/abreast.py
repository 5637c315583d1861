"""Does pieces of work in a few threads, a bounded number ahead; what the work is, it does not know.

Not an executor: one of those waits for its threads when the interpreter exits, and whoever presses
Ctrl-C does not want to wait for a file server.
"""

from __future__ import annotations

import os
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

P = TypeVar("P")
R = TypeVar("R")

_MOST = 8
"""Threads: more of them wait for Python's lock rather than for the disk."""
_AHEAD = 4
"""Pieces under way for each thread."""


def abreast(
    work: Callable[[P], R], pieces: Iterable[P], beat: Callable[[], None], seconds: float = 0.1
) -> Iterator[R]:
    """Yield what `work` returns for each of `pieces`, in the order in which it is done.

    Parameters
    ----------
    work : callable
        Called in threads of its own. What it raises is raised here.
    pieces : iterable
        Asked for one piece after the other, in the caller's thread.
    beat : callable
        Called in the caller's thread while it waits.
    seconds : float, optional
        Between two calls of `beat`.

    Examples
    --------
    >>> sorted(abreast(abs, [-1, 2, -3], lambda: None))
    [1, 2, 3]
    """
    todo: SimpleQueue[P | None] = SimpleQueue()
    done: SimpleQueue[tuple[R, None] | tuple[None, BaseException]] = SimpleQueue()

    def worker() -> None:
        while (piece := todo.get()) is not None:
            try:
                done.put((work(piece), None))
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                done.put((None, error))

    def finished() -> R:
        while True:
            try:
                result, error = done.get(timeout=seconds)
            except Empty:
                beat()
            else:
                if error is not None:
                    raise error
                return result  # type: ignore[return-value]

    threads = [
        threading.Thread(target=worker, name="stagecache-check", daemon=True)
        for _ in range(min(_MOST, processors()))
    ]
    under_way = 0
    try:
        for thread in threads:
            thread.start()
        for piece in pieces:
            todo.put(piece)
            under_way += 1
            if under_way >= _AHEAD * len(threads):
                yield finished()
                under_way -= 1
        for _ in range(under_way):
            yield finished()
    finally:
        while not todo.empty():  # what nobody will ask for any more
            try:
                todo.get_nowait()
            except Empty:
                break
        for _ in threads:
            todo.put(None)


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
