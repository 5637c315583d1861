"""`Cache` of diskcache, in a directory of ours."""

from __future__ import annotations

from stagecache.integrations.diskcache.memoizing import Memoizing


class Cache(Memoizing):
    """A mapping on disk whose items may expire, and give way when it is full.

    See ``docs/from-diskcache.md`` for what differs from the class of that name in diskcache.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Where it lies; by default in a new temporary directory.
    timeout : float, optional
        Seconds to wait for other writers before :class:`Timeout` is raised.
    disk : type, optional
        `Disk`, or a subclass that encodes keys and values in its own way.
    **settings
        Any of ``DEFAULT_SETTINGS``, or of the arguments of `disk` with ``disk_`` before it.

    Examples
    --------
    >>> with Cache() as cache:
    ...     cache["a"] = {"b": [1, 2]}
    ...     cache.set("c", 3, expire=60, tag="numbers")
    ...     cache["a"], cache.get("c", tag=True), list(cache)
    True
    ({'b': [1, 2]}, (3, 'numbers'), ['a', 'c'])
    """
