"""Which cache stages use where none is named: the block's that they are in, or the process's."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING, Any

from stagecache.cache import Cache, entered
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

_default: Cache | None = None
_arguments: dict[str, Any] = {}
_lock = threading.Lock()


def configure(**settings: Any) -> None:
    """Say how this process's default cache is made; arguments as of :class:`Cache`.

    It is made when the first stage is called, or now if a team shares results: what is wrong with
    a URL or a password is to be said before a job begins.

    Raises
    ------
    SettingsError
        If a setting is unknown or its value unusable.

    Examples
    --------
    >>> configure(directory=":memory:")
    >>> current()
    <cache in :memory:>
    """
    global _default, _arguments
    found = resolve(**settings)
    made = Cache(**settings) if found.redis or found.store else None
    with _lock:
        if _default is not None:
            atexit.unregister(_default.close)
            _default.close()
        _default, _arguments = made, settings
        if made is not None:
            atexit.register(made.close)


def stand_in(cache: Cache) -> Callable[[], None]:
    """Let `cache` be this process's default for a while, for threads too; return what ends that.

    Whoever made it closes it.

    Examples
    --------
    >>> with Cache(":memory:") as cache:
    ...     end = stand_in(cache)
    ...     _process_default() is cache
    ...     end()
    True
    """
    global _default
    with _lock:
        before, _default = _default, cache

    def end() -> None:
        global _default
        with _lock:
            if _default is cache:
                _default = before

    return end


def current() -> Cache:
    """Return the cache that stages called here would use."""
    blocks = entered.get()
    return blocks[-1][0] if blocks else _process_default()


def _process_default() -> Cache:
    global _default
    if _default is None:
        with _lock, nobody():  # a process may call its first stage for a body of another
            if _default is None:
                _default = Cache(**_arguments)
                atexit.register(_default.close)
    return _default
