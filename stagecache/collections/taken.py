"""What was taken of a queue: an item with its lease, and who in this process has which."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from weakref import WeakKeyDictionary

from stagecache.collections.asynchronous import in_thread
from stagecache.collections.failures import failure_of
from stagecache.errors import warn
from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType

    from stagecache.collections.line import Line, Taking

V = TypeVar("V")


class Taken(Generic[V]):
    """An item that was taken, and is to be finished within its lease.

    :meth:`Queue.take` gives it. In a ``with`` block it is done at the end. If the block raises, it
    has failed, with the error kept; what ends the whole program (Ctrl-C, cancellation) gives it
    back as it was.

    Parameters
    ----------
    line : Line
        Where it comes from.
    taking : Taking
        What stands for this taking there.
    value : object
        What is in it.
    visibility : float
        Seconds of its lease.
    max_deliveries : int
        After how many takings a failure gives it up.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     jobs = cache.queue("jobs")
    ...     jobs.put("a")
    ...     with jobs.take() as item:
    ...         item.value, item.deliveries
    ...     jobs.empty()
    ('a', 1)
    True
    """

    def __init__(
        self, line: Line, taking: Taking, value: V, visibility: float, max_deliveries: int
    ) -> None:
        self._line = line
        self._taking = taking
        self._visibility = visibility
        self._most = max_deliveries
        self._is_over = False
        self.value = value

    @property
    def deliveries(self) -> int:
        """How often it was taken, this time included."""
        return self._taking.times

    def done(self) -> bool:
        """Forget it: it is finished; return False if it was lost, for others to do again."""
        return self._end(self._line.done(self._taking))

    def fail(
        self, error: BaseException | str, *, delay: float | str | timedelta | None = None
    ) -> bool:
        """Give it back, or give it up if that was the last of its deliveries; the error is kept.

        Parameters
        ----------
        error : BaseException or str
            What went wrong.
        delay : float or str or datetime.timedelta, optional
            Seconds, or as ``"1m"``, for which nobody gets it.

        Raises
        ------
        TypeError, SettingsError
            If something is not of the right type.
        """
        seconds = None if delay is None else parse_duration(delay)
        return self._end(self._line.fail(self._taking, failure_of(error), self._most, seconds))

    def release(self, *, delay: float | str | timedelta | None = None) -> bool:
        """Give it back as if it had not been taken, for nobody to get during `delay`."""
        seconds = None if delay is None else parse_duration(delay)
        return self._end(self._line.give_back(self._taking, seconds))

    def extend(self, visibility: float | str | timedelta | None = None) -> bool:
        """Let its lease end `visibility` from now, or as long as at first; False if it was lost."""
        seconds = self._visibility if visibility is None else parse_duration(visibility)
        return self._line.renew(self._taking, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_over:
            return
        if error is None:
            is_ours = self.done()
        elif isinstance(error, Exception):
            is_ours = self.fail(error)
        else:
            is_ours = self.release()
        if not is_ours:
            self.warn()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await in_thread(self.__exit__, kind, error, trace)

    def warn(self) -> None:
        """Tell that it was lost."""
        warn(
            f"An item of {self._line.collection.name!r} took longer than its lease of "
            f"{self._visibility:g} s and was, or will be, taken by another worker as well. Let "
            "`visibility` be longer, or call `extend()` on the way."
        )

    def __repr__(self) -> str:
        return f"Taken({self.value!r}, deliveries={self.deliveries})"

    def _end(self, is_ours: bool) -> bool:
        self._is_over = True
        return is_ours


class Outstanding:
    """What each thread and each task of this process has got and not finished, oldest first."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._of: WeakKeyDictionary[Any, deque[Taken[Any]]] = WeakKeyDictionary()

    def hold(self, taken: Taken[Any]) -> None:
        """Note what this thread or task has."""
        caller = _caller()
        with self._lock:
            held = self._of.get(caller)
            if held is None:
                held = self._of[caller] = deque()
            held.append(taken)

    def oldest(self) -> Taken[Any]:
        """Return what this thread or task has had for longest, and note that it ends.

        Raises
        ------
        ValueError
            If it has nothing.
        """
        with self._lock:
            held = self._of.get(_caller())
            if not held:
                raise ValueError(
                    "task_done() called too many times, or by another thread or task than get(): "
                    "use take() for items that are handed on"
                )
            return held.popleft()

    def take_all(self) -> list[Taken[Any]]:
        """Return all that anybody has, and note that it ends."""
        with self._lock:
            found = [taken for held in self._of.values() for taken in held]
            self._of.clear()
        return found

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child have nothing: it was the parent that took it."""
        self._lock.release()
        if in_child:
            self._reset()


def _caller() -> Any:
    """Return the task that runs here, else the thread."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        if task is not None:
            return task
    return threading.current_thread()
