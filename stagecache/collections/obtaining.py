"""Gets what is there or makes it: the two faces of `creating`, for threads and for coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from stagecache.collections.creating import Creation, Found

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()


class Obtaining(Generic[K, V]):
    """What an index has besides, to make what is missing."""

    _means: Any
    _access: Any
    get: Any
    _creation: Callable[..., Creation]

    def prepare(self) -> None:
        """Make the directory if there is none: locks need one before the first item comes."""
        self._means.prepare()

    def get_or_create(
        self,
        key: K,
        creator: Callable[[], V],
        *,
        ttl: float | str | timedelta | None = None,
        serve_stale: float | str | timedelta | None = None,
        early_refresh: bool | float = False,
        should_cache: Callable[[V], bool] | None = None,
        tag: str | None = None,
    ) -> V:
        """Return the value under `key`, which `creator` makes if there is none.

        However many threads, event loops and processes ask, one of them makes it; the others wait
        and get it, or its exception, which is not kept. If it cannot be kept, it is returned with
        a warning.

        Parameters
        ----------
        key : object
            Whose value.
        creator : callable
            Makes it, without arguments.
        ttl : float or str or datetime.timedelta, optional
            How long it is good.
        serve_stale : float or str or datetime.timedelta, optional
            How long after that it may be served, while one caller makes it anew and nobody waits.
        early_refresh : bool or float, optional
            Whether one caller makes it anew shortly before it expires, the sooner the longer that
            takes; a number above 1 does so earlier.
        should_cache : callable, optional
            Called with a value that was made; only if it says so, it is kept.
        tag : str, optional
            What :meth:`evict` knows it by.

        Raises
        ------
        TypeError, SettingsError
            If something is not of the right type.
        Exception
            What `creator` raised.

        Examples
        --------
        >>> import tempfile
        >>> from stagecache import Cache
        >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
        ...     pages = cache.index("pages")
        ...     for _ in range(2):
        ...         pages.get_or_create("/", lambda: print("fetching") or "welcome", ttl="1h")
        fetching
        'welcome'
        'welcome'
        """
        creation = self._creation(key, ttl, serve_stale, early_refresh, should_cache, tag)
        if serve_stale is None and not early_refresh:
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                return value  # type: ignore[no-any-return]
            found = None
        else:
            found = creation.find()
        if self._access.is_busy:
            return creation.served(found) if found else creation.without_lease(creator)  # type: ignore[no-any-return]
        flight = self._means.flight
        if found is None:
            made = flight.run(creation.digest, lambda: creation.make(creator), name=creation.name)
            return creation.own(made)  # type: ignore[no-any-return]
        if creation.is_due(found):
            try:
                fresh = flight.run_nowait(
                    creation.digest, lambda: creation.make_nowait(creator), name=creation.name
                )
            except Exception as error:  # noqa: BLE001 - whatever a creator raises
                return creation.served(found, error)  # type: ignore[no-any-return]
            if fresh is not None:
                return creation.own(fresh)  # type: ignore[no-any-return]
        return creation.served(found)  # type: ignore[no-any-return]

    async def aget_or_create(
        self,
        key: Any,
        creator: Callable[[], Awaitable[Any]] | Callable[[], Any],
        *,
        ttl: float | str | timedelta | None = None,
        serve_stale: float | str | timedelta | None = None,
        early_refresh: bool | float = False,
        should_cache: Callable[[Any], bool] | None = None,
        tag: str | None = None,
    ) -> Any:
        """Return the value under `key`, which `creator` makes if there is none.

        Parameters
        ----------
        key, ttl, serve_stale, early_refresh, should_cache, tag
            As of :meth:`Index.get_or_create`.
        creator : callable
            An ``async def``, awaited on this event loop, or a plain function, called in a thread.
            To cancel one caller does not end it for the others.
        """
        import asyncio

        creation = self._creation(key, ttl, serve_stale, early_refresh, should_cache, tag)
        found: Found | None = await asyncio.to_thread(creation.find)
        flight = self._means.flight
        if found is None:
            made = await flight.run_async(
                creation.digest, lambda: creation.make_async(creator), name=creation.name
            )
            return creation.own(made)
        if creation.is_due(found):
            try:
                made = await flight.run_async_nowait(
                    creation.digest, lambda: creation.make_async_nowait(creator), name=creation.name
                )
            except Exception as error:  # noqa: BLE001 - whatever a creator raises
                return creation.served(found, error)
            if made is not None:
                return creation.own(made)
        return creation.served(found)
