"""Opens the collections of a cache directory, by name: the face that a cache has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.settings import parse_size

if TYPE_CHECKING:
    from stagecache.collections.deque import Deque
    from stagecache.collections.index import Index
    from stagecache.collections.means import Means


class Opening:
    """What a cache has besides, to open collections."""

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
