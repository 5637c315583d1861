"""One cache for each directory of a process, and one index of each name in it.

Faces of other libraries are made again and again: Django makes one for each thread.
"""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any

from stagecache.cache import Cache
from stagecache.forking import hold_over_forks
from stagecache.integrations.lenient import Lenient
from stagecache.settings import resolve

if TYPE_CHECKING:
    import os

    from stagecache.settings import Settings


class Places:
    """The caches of a process, which stay open until it ends.

    In one cache they share what threads exclude each other by, connections, what was read lately,
    and what is known to be outdated.

    Examples
    --------
    >>> places = Places()
    >>> places.at(":memory:") is places.at(":memory:")
    True
    """

    def __init__(self) -> None:
        self._caches: list[Cache] = []
        self._kept: dict[tuple[Any, ...], Lenient] = {}
        self._lock = threading.Lock()
        hold_over_forks(self)

    def at(self, directory: str | os.PathLike[str] | None, **settings: Any) -> Cache:
        """Return the cache in `directory`, or where settings say, with these settings.

        Raises
        ------
        SettingsError
            If a setting is unknown or unusable.
        """
        # Collections are of one machine: nothing of what a team shares is to be connected to.
        settings = {"redis": "none", "store": "none", **settings}
        wanted = resolve(directory=directory, **settings)
        found = self._find(wanted)
        if found is not None:
            return found
        made = Cache(directory, **settings)  # not under the lock: it is taken before a fork
        with self._lock:
            found = self._find(wanted)
            if found is None:
                self._caches.append(made)
        if found is not None:
            made.close()
            return found
        atexit.register(made.close)
        return made

    def kept(self, cache: Cache, name: str, **how: Any) -> Lenient:
        """Return the index of that name in a cache of ours, whose trouble harms nobody.

        Parameters
        ----------
        cache : Cache
            As :meth:`at` gave it.
        name, **how
            As of :meth:`~stagecache.Cache.index`.

        Raises
        ------
        SettingsError
            If it was made as something else.
        """
        key = (id(cache), name, *sorted(how.items()))
        found = self._kept.get(key)
        if found is None:
            found = self._kept.setdefault(key, Lenient(cache.index(name, **how)))
        return found

    def _find(self, wanted: Settings) -> Cache | None:
        for cache in tuple(self._caches):
            if cache.settings == wanted:
                return cache
        return None

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """Go on."""
        self._lock.release()


places = Places()
"""Those of this process."""
