"""A queue that lasts, whose items come back when a worker dies: :class:`Queue`."""

from __future__ import annotations

from contextlib import contextmanager
from queue import Empty, Full
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from stagecache.collections.awaiting import AsyncQueue
from stagecache.collections.letters import DeadLetter
from stagecache.collections.standing import MOST
from stagecache.collections.taken import Taken
from stagecache.collections.trying import Trying
from stagecache.collections.values import decode_value, encode_value
from stagecache.collections.waiting import never, wait
from stagecache.errors import DecodeError, EncodeError
from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import timedelta

    from stagecache.collections.means import Means
    from stagecache.collections.queues import Counter
    from stagecache.stores.disk.items.rows import Value

V = TypeVar("V")
_SHOWN = 20


class QueueStats(NamedTuple):
    """What a queue holds."""

    waiting: int
    taken: int
    delayed: int
    dead: int
    """Given up: see :meth:`Queue.dead_letters`."""
    bytes: int
    """Of encoded values."""


class Queue(AsyncQueue[V], Generic[V]):
    """A persistent :class:`queue.Queue`, shared by threads and processes.

    ``cache.queue(name)`` gives it. What is put lasts until it is *finished*: whoever takes an item
    has a lease of it, and says :meth:`task_done` at the end, or takes it in a ``with`` block
    (:meth:`take`). If the worker dies, or its lease ends before, another one gets the item, so that
    each is worked on **at least once**; what fails again and again is given up, with its error
    kept.

    Parameters
    ----------
    counter : Counter
        Its items, and who in this process waits for them.
    means : Means
        What else it works with.
    visibility : float
        Seconds of a lease.
    max_deliveries : int
        After how many deliveries an item that fails is given up.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     jobs = cache.queue("jobs")
    ...     jobs.put("later", priority=1)
    ...     jobs.put("first")
    ...     for _ in range(2):
    ...         print(jobs.get())
    ...         jobs.task_done()
    first
    later
    """

    def __init__(
        self, counter: Counter, means: Means, *, visibility: float, max_deliveries: int
    ) -> None:
        self._counter = counter
        self._line = counter.line
        self._store = means.store
        self._visibility = visibility
        self._most = max_deliveries
        self._trying = Trying(counter, max_deliveries)

    @property
    def name(self) -> str:
        """What it was opened by."""
        return self._line.collection.name

    @property
    def maxsize(self) -> int:
        """How many items wait at most; 0: any number."""
        return self._line.maxsize

    # --- putting

    def put(
        self,
        item: V,
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
    ) -> None:
        """Keep `item` at the end; if there are `maxsize`, wait until there is room.

        Parameters
        ----------
        item : object
            What to keep, as it is now.
        block : bool, optional
            Whether to wait for room.
        timeout : float, optional
            Seconds to wait at most.
        priority : int, optional
            Lower ones are taken first, as of :class:`queue.PriorityQueue`; those of one priority
            in the order of their coming. From -65,535 to 65,535.
        delay : float or str or datetime.timedelta, optional
            Seconds, or as ``"1m"``, for which nobody gets it. It does not count for `maxsize`
            meanwhile.

        Raises
        ------
        queue.Full
            If there is no room, or none in time.
        EncodeError
            If no codec holds the item here.
        StoreError
            If it cannot be kept.
        TypeError, ValueError, SettingsError
            If something is not of the right type.
        QueueClosedError
            If the queue was closed.
        """
        self.put_many((item,), block, timeout, priority=priority, delay=delay)

    def put_nowait(
        self, item: V, *, priority: int = 0, delay: float | str | timedelta | None = None
    ) -> None:
        """Do as :meth:`put` does, without waiting."""
        self.put_many((item,), False, priority=priority, delay=delay)

    def put_many(
        self,
        items: Iterable[V],
        block: bool = True,
        timeout: float | None = None,
        *,
        priority: int = 0,
        delay: float | str | timedelta | None = None,
    ) -> None:
        """Keep all `items`, or none of them if that fails, in one commit.

        Parameters
        ----------
        items : iterable
            What to keep.
        block, timeout, priority, delay
            As of :meth:`put`.
        """
        attempt = self._putting(items, timeout, priority, delay)
        if attempt is None or attempt():
            return
        if not block:
            raise Full
        self._trying.may_wait()
        if wait(self._counter.left, attempt, timeout, never) is None:
            raise Full

    # --- taking

    def get(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        visibility: float | str | timedelta | None = None,
    ) -> V:
        """Take the first item, waiting for one, and return what is in it.

        When it is finished, the same thread or task says :meth:`task_done`; if that does not
        happen within `visibility`, or the process ends before, another one gets the item.

        Parameters
        ----------
        block : bool, optional
            Whether to wait for an item.
        timeout : float, optional
            Seconds to wait at most.
        visibility : float or str or datetime.timedelta, optional
            Seconds of this lease, or as ``"1h"``.

        Raises
        ------
        queue.Empty
            If there is none, or none in time.
        DecodeError, StoreError
            If it cannot be decoded here, or is damaged: then it has failed once more.
        TypeError, ValueError, SettingsError
            If something is not of the right type.
        QueueClosedError
            If the queue was closed.
        """
        taken = self.take(block, timeout, visibility=visibility)
        self._counter.outstanding.hold(taken)
        return taken.value

    def get_nowait(self) -> V:
        """Do as :meth:`get` does, without waiting."""
        return self.get(False)

    def take(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        visibility: float | str | timedelta | None = None,
    ) -> Taken[V]:
        """Take the first item, with its lease in hand: ``with queue.take() as item``.

        Parameters
        ----------
        block, timeout, visibility
            As of :meth:`get`, and it raises the same.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     jobs = cache.queue("jobs", max_deliveries=1)
        ...     jobs.put("x")
        ...     try:
        ...         with jobs.take() as item:
        ...             int(item.value)
        ...     except ValueError:
        ...         [str(letter.error) for letter in jobs.dead_letters()]
        ["ValueError: invalid literal for int() with base 10: 'x'"]
        """
        attempt = self._taking(timeout, visibility)
        taken = attempt()
        if taken is None and block:
            self._trying.may_wait()
            taken = wait(self._counter.came, attempt, timeout, self._line.next_due)
        if taken is None:
            raise Empty
        return taken

    def take_nowait(self) -> Taken[V]:
        """Do as :meth:`take` does, without waiting."""
        return self.take(False)

    # --- finishing

    def task_done(self) -> None:
        """Say that the item is finished that this thread or task got first of those it has.

        Raises
        ------
        ValueError
            If it has none.
        """
        taken = self._counter.outstanding.oldest()
        if not taken.done():
            taken.warn()

    def fail(
        self, error: BaseException | str, *, delay: float | str | timedelta | None = None
    ) -> None:
        """Say that it has failed, instead; see :meth:`Taken.fail`."""
        taken = self._counter.outstanding.oldest()
        if not taken.fail(error, delay=delay):
            taken.warn()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until all that was put is finished, or given up; return whether it is.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        """
        attempt = self._trying.ending(timeout)
        if attempt():
            return True
        self._trying.may_wait()
        return bool(wait(self._counter.ended, attempt, timeout, never))

    # --- what there is

    def qsize(self) -> int:
        """Return how many items wait: they are counted, unless there is a `maxsize`."""
        self._trying.tend()
        return self._line.waiting()

    def empty(self) -> bool:
        """Tell whether none waits."""
        self._trying.tend()
        return not self._line.is_waiting()

    def full(self) -> bool:
        """Tell whether `maxsize` items wait."""
        return bool(self.maxsize) and self._line.waiting() >= self.maxsize

    def peek(self) -> V:
        """Return the first item that waits, as it stays.

        Raises
        ------
        queue.Empty
            If there is none.
        """
        self._trying.tend()
        for value in self:
            return value
        raise Empty

    def __iter__(self) -> Iterator[V]:
        """Yield what waits, in the order in which it would be taken; it stays."""
        return (self._decoded(*found) for found in self._line.scan())

    def __reversed__(self) -> Iterator[V]:
        return (self._decoded(*found) for found in self._line.scan(reverse=True))

    def stats(self) -> QueueStats:
        """Return what it holds."""
        line = self._line
        counts = line.waiting(), line.taken(), line.later(), line.given_up()
        return QueueStats(*counts, line.collection.size())

    # --- what was given up

    def dead_letters(self) -> list[DeadLetter]:
        """Return the items that were given up, the oldest first, each with its error."""
        line = self._line
        return [
            DeadLetter(letter, lambda letter: self._decoded(letter.codec, line.value(letter)))
            for letter in line.letters()
        ]

    def retry(self, *letters: DeadLetter) -> int:
        """Let items that were given up, all of them if none is named, wait again as if new.

        Returns
        -------
        int
            How many.
        """
        chosen = self._chosen(letters)
        with self.transact():
            return sum(self._line.revive(letter._letter) for letter in chosen)

    def discard(self, *letters: DeadLetter) -> int:
        """Forget items that were given up, all of them if none is named; return how many."""
        chosen = self._chosen(letters)
        with self.transact():
            return sum(self._line.discard(letter._letter) for letter in chosen)

    # --- all of it

    def clear(self) -> None:
        """Forget all items: those that wait, are taken, are put off, or were given up."""
        self._line.clear()

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Let what this thread does in the block be one: all of it or, on an exception, nothing.

        As of :meth:`Index.transact`. So a result can be kept and its item be finished at once,
        that is: exactly once. Nobody waits in such a block: where :meth:`get` would, it raises.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     jobs, squares = cache.queue("jobs"), cache.index("squares")
        ...     jobs.put(3)
        ...     item = jobs.take()
        ...     with jobs.transact():
        ...         squares[item.value] = item.value ** 2
        ...         item.done()
        True
        """
        with self._line.collection.transaction():
            yield

    def close(self) -> None:
        """Give back what this process got and has not finished, and let nobody here wait."""
        for taken in self._counter.outstanding.take_all():
            taken.release()
        self._counter.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Queue is a place, which cannot be copied or pickled: open it by its name wherever "
            "it is used"
        )

    def __repr__(self) -> str:
        maxsize = f", maxsize={self.maxsize}" if self.maxsize else ""
        return f"Queue({self.name!r}{maxsize})"

    # --- shared

    def _putting(
        self, items: Iterable[V], timeout: Any, priority: Any, delay: Any
    ) -> Callable[[], bool | None] | None:
        """Return what tries to put `items`; None if there are none."""
        if type(priority) is not int or not -MOST <= priority <= MOST:
            raise (TypeError if type(priority) is not int else ValueError)(
                f"a priority is a whole number from -{MOST:,} to {MOST:,}, not {priority!r}"
            )
        seconds = None if delay is None else parse_duration(delay)
        try:
            encoded = [encode_value(item, self._store) for item in items]
        except EncodeError as error:
            raise EncodeError(f"{self.name!r} cannot keep an item: {error}") from error
        attempt = self._trying.putting(encoded, timeout, priority, seconds)
        return attempt if encoded else None

    def _taking(self, timeout: Any, visibility: Any) -> Callable[[], Taken[V] | None]:
        """Return what tries to take an item."""
        seconds = self._visibility if visibility is None else parse_duration(visibility)
        taking = self._trying.taking(timeout, seconds)

        def attempt() -> Taken[V] | None:
            found = taking()
            if found is None:
                return None
            try:
                value = self._decoded(found.codec, self._line.value(found))
            except Exception as error:
                Taken(self._line, found, None, seconds, self._most).fail(error)
                raise
            except BaseException:
                self._line.give_back(found, None)
                raise
            return Taken(self._line, found, value, seconds, self._most)

        return attempt

    def _chosen(self, letters: tuple[DeadLetter, ...]) -> list[DeadLetter]:
        for letter in letters:
            if not isinstance(letter, DeadLetter):
                raise TypeError(f"a dead letter is what dead_letters() gives, not {letter!r}")
        return list(letters) or self.dead_letters()

    def _decoded(self, codec: str, data: Value) -> V:
        try:
            return decode_value(codec, data, self._store)  # type: ignore[no-any-return]
        except DecodeError as error:
            raise DecodeError(f"an item of {self.name!r} cannot be decoded: {error}") from error
