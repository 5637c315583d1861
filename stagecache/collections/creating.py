"""Values that are made when they are missing: once at a time, whoever asks for them.

What has expired may be served for a while, and what is about to expire be made anew before. Then
nobody waits: of those who find it so, the caller who gets the lease at once makes the value; all
others take what is there, and so does that caller if it cannot be made.
"""

from __future__ import annotations

import inspect
import time
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.collections.values import IMMUTABLE, decode_value, encode_value
from stagecache.errors import EncodeError, SettingsError, StoreError, warn
from stagecache.model import Key
from stagecache.settings import parse_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from stagecache.collections.means import Means
    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value


class How(NamedTuple):
    """What was asked for beside the value."""

    expires_after: float | None
    serve_stale: float
    """Seconds."""
    early_refresh: float
    """0.0: never."""
    should_cache: Callable[[Any], bool] | None
    tag: str | None

    @classmethod
    def of(
        cls,
        ttl: float | str | timedelta | None,
        serve_stale: float | str | timedelta | None,
        early_refresh: bool | float,
        should_cache: Callable[[Any], bool] | None,
        tag: str | None,
    ) -> How:
        """Return it, checked.

        Raises
        ------
        TypeError, SettingsError
            If something is of the wrong type, or needs a ttl that is not said.
        """
        if tag is not None and type(tag) is not str:
            raise TypeError(f"a tag is text, not {tag!r}")
        if should_cache is not None and not callable(should_cache):
            raise TypeError(f"should_cache is called with a value, and cannot be {should_cache!r}")
        if not isinstance(early_refresh, (bool, int, float)) or early_refresh < 0:
            raise SettingsError(f"early_refresh is True or a number above 0, not {early_refresh!r}")
        if ttl is None and (serve_stale is not None or early_refresh):
            raise SettingsError("serve_stale and early_refresh need a ttl")
        return cls(
            None if ttl is None else parse_duration(ttl),
            0.0 if serve_stale is None else parse_duration(serve_stale),
            float(early_refresh),
            should_cache,
            tag,
        )


class Found(NamedTuple):
    """A value that is there."""

    codec: str
    data: Value
    expires: float | None
    seconds: float
    """What it took to make."""


class Made(NamedTuple):
    """A value that was just made, or found at the second look."""

    value: Any
    encoded: tuple[str, Value] | None
    by: object
    """Who made it; all others get a value of their own."""


class Creation:
    """One caller's wish for the value under one key.

    Parameters
    ----------
    collection, means
        Of the index.
    key : object
        As the user says it, for messages.
    encoded : bytes
        The key.
    how : How
        What was asked for.
    keep : callable
        Keeps an encoded value with expiry, tag and note.
    """

    def __init__(
        self,
        collection: Collection,
        means: Means,
        key: Any,
        encoded: bytes,
        how: How,
        keep: Callable[..., None],
    ) -> None:
        self._collection = collection
        self._means = means
        self._encoded = encoded
        self._how = how
        self._keep = keep
        self.name = f"{collection.name}[{key!r}]"
        self.digest = Key(xxh3_128_digest(collection.name.encode() + b"\0" + encoded))
        """What stands for it among flights and leases."""

    def find(self) -> Found | None:
        """Return what is there, if it may be served at all."""
        stored = self._collection.get_many([self._encoded]).get(self._encoded)
        if stored is None:
            return None
        seconds = stored.note if type(stored.note) is float else 0.0
        found = Found(stored.codec, stored.value, stored.expires, seconds)
        return None if self._is_over(found, self._how.serve_stale) else found

    def is_due(self, found: Found) -> bool:
        """Tell whether to make anew, if nobody is at it, what can be served.

        Early, by chance: XFetch (Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache
        Stampede Prevention", VLDB 2015).
        """
        if self._is_over(found):
            return True
        if not self._how.early_refresh or found.expires is None:
            return False
        ahead = -found.seconds * self._how.early_refresh * log(1.0 - self._means.draw())
        return self._means.clock.now() + ahead >= found.expires

    def make(self, creator: Callable[[], Any]) -> Made:
        """Make the value under a lease, unless somebody has just done so."""
        self._means.prepare()
        with self._means.leases.acquire(self.digest):
            again = self._second_look()
            return again or self._made(*_timed(creator))

    def make_nowait(self, creator: Callable[[], Any]) -> Made | None:
        """Make the value if the lease is free, else return None at once."""
        self._means.prepare()
        lease = self._means.leases.acquire_nowait(self.digest)
        if lease is None:
            return None
        with lease:
            return self._second_look(early=True) or self._made(*_timed(creator))

    async def make_async(self, creator: Callable[[], Any]) -> Made:
        """Do as :meth:`make` does, without blocking the event loop."""
        import asyncio

        await asyncio.to_thread(self._means.prepare)
        with await self._means.leases.acquire_async(self.digest):
            again = await asyncio.to_thread(self._second_look)
            return again or await self._made_async(creator)

    async def make_async_nowait(self, creator: Callable[[], Any]) -> Made | None:
        """Do as :meth:`make_nowait` does, without blocking the event loop."""
        import asyncio

        await asyncio.to_thread(self._means.prepare)
        lease = self._means.leases.acquire_nowait(self.digest, is_async=True)
        if lease is None:
            return None
        with lease:
            again = await asyncio.to_thread(self._second_look, early=True)
            return again or await self._made_async(creator)

    def own(self, made: Made) -> Any:
        """Return a made value as this caller's own."""
        if made.by is self or made.encoded is None or type(made.value) in IMMUTABLE:
            return made.value
        return decode_value(*made.encoded, self._means.store)

    def served(self, found: Found, error: Exception | None = None) -> Any:
        """Return what is there, though `error` came of the attempt to make it anew."""
        if error is not None:
            warn(
                f"{self.name} could not be made anew ({type(error).__name__}: {error}). What was "
                "kept is served until it may not be any longer."
            )
        return decode_value(found.codec, found.data, self._means.store)

    def without_lease(self, creator: Callable[[], Any]) -> Any:
        """Make the value inside of a transaction, which excludes all others anyway."""
        return self._made(*_timed(creator)).value

    def _second_look(self, *, early: bool = False) -> Made | None:
        found = self.find()
        if found is None or (self.is_due(found) if early else self._is_over(found)):
            return None
        return Made(self.served(found), (found.codec, found.data), self)

    async def _made_async(self, creator: Callable[[], Any]) -> Made:
        import asyncio

        started = time.perf_counter()
        if inspect.iscoroutinefunction(creator):
            value = await creator()
        else:
            value = await asyncio.to_thread(creator)
            if inspect.isawaitable(value):
                value = await _awaited(value)
        return await asyncio.to_thread(self._made, value, time.perf_counter() - started)

    def _made(self, value: Any, seconds: float) -> Made:
        how = self._how
        try:
            encoded = encode_value(value, self._means.store)
            if how.should_cache is None or how.should_cache(value):
                expires = None
                if how.expires_after is not None:
                    expires = self._means.clock.now() + how.expires_after
                self._keep(self._encoded, encoded, expires, how.tag, seconds)
        except (StoreError, EncodeError) as error:
            warn(
                f"{self.name} was made and is returned, but not kept: {error}. Whoever asks next "
                "makes it again."
            )
            return Made(value, None, self)
        return Made(value, encoded, self)

    def _is_over(self, found: Found, grace: float = 0.0) -> bool:
        return found.expires is not None and found.expires + grace <= self._means.clock.now()


def _timed(creator: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    value = creator()
    return value, time.perf_counter() - started


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
