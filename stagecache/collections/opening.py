"""Opens the collections of a cache directory, by name: the face that a cache has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import SettingsError
from stagecache.settings import parse_duration, parse_size

if TYPE_CHECKING:
    from datetime import timedelta

    from stagecache.collections.deque import Deque
    from stagecache.collections.index import Index
    from stagecache.collections.means import Means
    from stagecache.collections.queue import Queue
    from stagecache.collections.queues import Queues


class Opening:
    """What a cache has besides, to open collections."""

    _queues: Queues | None = None

    def _means(self) -> Means:
        """Return what they work with.

        Raises
        ------
        SettingsError
            If there is no directory.
        """
        raise NotImplementedError

    def index(
        self,
        name: str,
        *,
        max_items: int | None = None,
        max_size: int | str | None = None,
        when_full: str | None = None,
        counted: bool = False,
        memory: int | str = "16 MiB",
    ) -> Index[Any, Any]:
        """Return the persistent mapping of that name, which is made when the first item comes.

        Parameters
        ----------
        name : str
            One name, one collection of this directory.
        max_items : int, optional
            How many items it holds at most. What is said of bounds when it is made is kept with
            it; afterwards it may be left out.
        max_size : int or str, optional
            Bytes of encoded values that it holds at most, or as ``"1 GB"``.
        when_full : str, optional
            ``"error"`` (the default), ``"evict-oldest"`` or ``"evict-lru"``: the items that came
            first, or were used least recently, give way.
        counted : bool, optional
            Whether the number of its items is kept with each write, which takes 3 us more, rather
            than counted for ``len()``; what has a bound is always counted. Said when it is made.
        memory : int or str, optional
            Bytes that values read lately may take in this process.

        Raises
        ------
        SettingsError
            If it was made as something else, or with other bounds; or without a directory.
        """
        from stagecache.collections.bounds import DEFAULTS, declared
        from stagecache.collections.index import Index

        means = self._means()
        said = declared(max_items, max_size, when_full)
        is_bounded = bool(said.keys() & {"max_items", "max_size"})
        collection = means.store.items.open(
            name, "index", said, DEFAULTS, counted=counted or is_bounded
        )
        return Index(collection, means, memory=parse_size(memory))

    def deque(self, name: str, maxlen: int | None = None) -> Deque[Any]:
        """Return the persistent deque of that name, which is made when the first item comes.

        Parameters
        ----------
        name : str
            One name, one collection of this directory.
        maxlen : int, optional
            How many items it holds at most: when one more comes, one goes at the other end. What
            is said when it is made is kept with it; afterwards it may be left out.

        Raises
        ------
        SettingsError
            If it was made as something else, or with another `maxlen`; or without a directory.
        """
        from stagecache.collections.deque import DEFAULTS, Deque, declared

        means = self._means()
        return Deque(means.store.items.open(name, "deque", declared(maxlen), DEFAULTS), means)

    def queue(
        self,
        name: str,
        maxsize: int = 0,
        *,
        visibility: float | str | timedelta = "15m",
        max_deliveries: int = 5,
    ) -> Queue[Any]:
        """Return the persistent queue of that name, which is made when the first item comes.

        Parameters
        ----------
        name : str
            One name, one collection of this directory.
        maxsize : int, optional
            How many items wait at most, before :meth:`Queue.put` waits; 0: any number. What is
            said when it is made is kept with it; afterwards it may be left out.
        visibility : float or str or datetime.timedelta, optional
            Seconds, or as ``"1h"``, after which what was taken here and not finished is taken by
            another worker. That of a process which has died is taken at once.
        max_deliveries : int, optional
            After how many deliveries an item that fails again is given up.

        Raises
        ------
        SettingsError
            If it was made as something else, or with another `maxsize`; or without a directory.
        """
        from stagecache.collections.queue import Queue
        from stagecache.collections.queues import Queues, declared

        if type(max_deliveries) is not int or max_deliveries < 1:
            raise SettingsError(f"max_deliveries is a number of at least 1, not {max_deliveries!r}")
        means = self._means()
        if self._queues is None:
            self._queues = Queues(means)
        counter = self._queues.open(name, declared(maxsize))
        return Queue(
            counter, means, visibility=parse_duration(visibility), max_deliveries=max_deliveries
        )

    def _close_queues(self) -> None:
        """End waiting, and give back what was taken."""
        if self._queues is not None:
            self._queues.close()
