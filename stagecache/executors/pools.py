"""Runs tasks on threads: which thread and when; what a task does is the submitter's.

The standard pool was not enough: its threads see none of the submitter's context variables, a
task that waits for a task of its own can starve it for ever, a fork leaves it dead, and after
Ctrl-C the interpreter cannot leave before the last body has ended.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Executor, Future
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class _Task(NamedTuple):
    future: Future[Any]
    context: Context
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.context.run(self.fn, *self.args, **self.kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever the task raises
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class ThreadsExecutor(Executor):
    """A pool of daemon threads.

    Each task runs in a copy of its submitter's context. A task that is submitted by a task of
    this pool never waits for a thread that may never come free: if none is idle it runs at
    once, in the submitting thread. The threads are daemons, so a process that is interrupted
    ends without waiting for bodies; what these had begun is lost, as after a crash. Whoever
    wants the results waits for the futures or shuts the pool down.

    Parameters
    ----------
    jobs : int, optional
        How many threads at most; as many as there are processors by default.

    Examples
    --------
    >>> with ThreadsExecutor(2) as pool:
    ...     list(pool.map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs or available_processors()
        self._is_shut = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition(threading.Lock())
        self._tasks: deque[_Task] = deque()
        self._threads: dict[int, threading.Thread] = {}
        self._idle = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Schedule ``fn(*args, **kwargs)`` and return its future."""
        self._check_fork()
        task = _Task(Future(), copy_context(), fn, args, kwargs)
        with self._changed:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            has_thread = self._idle > len(self._tasks) or self._start_thread()
            is_own_task = threading.get_ident() in self._threads
            is_queued = has_thread or (bool(self._threads) and not is_own_task)
            if is_queued:
                self._tasks.append(task)
                self._changed.notify()
        if not is_queued:
            task.run()
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; wait for those that there are, or cancel what has not begun."""
        self._check_fork()
        with self._changed:
            self._is_shut = True
            cancelled = list(self._tasks) if cancel_futures else []
            if cancel_futures:
                self._tasks.clear()
            self._changed.notify_all()
            threads = list(self._threads.values())
        for task in cancelled:
            task.future.cancel()
        if wait:
            for thread in threads:
                if thread is not threading.current_thread():
                    thread.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Shut down; do not wait for anything if the block was interrupted."""
        is_interrupted = error is not None and not isinstance(error, Exception)
        self.shutdown(wait=not is_interrupted, cancel_futures=is_interrupted)

    def _check_fork(self) -> None:
        if self._pid != os.getpid():  # threads do not survive a fork
            self._reset()

    def _start_thread(self) -> bool:
        if len(self._threads) >= self._jobs:
            return False
        thread = threading.Thread(target=self._work, name="stagecache-job", daemon=True)
        self._idle += 1
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is going down
            self._idle -= 1
            return False
        assert thread.ident is not None
        self._threads[thread.ident] = thread
        return True

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._tasks and not self._is_shut:
                    self._changed.wait()
                if not self._tasks:
                    del self._threads[threading.get_ident()]
                    return
                task = self._tasks.popleft()
                self._idle -= 1
            task.run()
            del task  # an idle thread keeps nothing alive
            with self._changed:
                self._idle += 1


def available_processors() -> int:
    """Return how many processors this process may use.

    Examples
    --------
    >>> available_processors() >= 1
    True
    """
    count = getattr(os, "process_cpu_count", None)
    if count is not None:
        return count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
