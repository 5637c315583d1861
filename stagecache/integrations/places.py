"""One cache for each directory of a process: faces of other libraries are made again and again."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any

from stagecache.cache import Cache
from stagecache.forking import hold_over_forks
from stagecache.settings import resolve

if TYPE_CHECKING:
    import os


class Places:
    """The caches of a process, which stay open until it ends.

    Django makes a backend for every thread, and regions are made at import. In one cache they
    share what threads exclude each other by, connections, and what was read lately.

    Examples
    --------
    >>> places = Places()
    >>> places.at(":memory:") is places.at(":memory:")
    True
    """

    def __init__(self) -> None:
        self._caches: list[Cache] = []
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
        with self._lock:
            for cache in self._caches:
                if cache.settings == wanted:
                    return cache
            cache = Cache(directory, **settings)
            self._caches.append(cache)
            atexit.register(cache.close)
            return cache

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:  # noqa: ARG002
        """Go on."""
        self._lock.release()


places = Places()
"""Those of this process."""
