"""Functions whose results are kept: made once, whoever calls; `memoize` and `memoize_stampede`."""

from __future__ import annotations

import functools
import random
import threading
import time
from math import log
from typing import TYPE_CHECKING, Any, TypeVar

from xxhash import xxh3_128_digest

from stagecache.errors import EncodeError, FingerprintError, StoreError, warn
from stagecache.integrations.diskcache.call_keys import call_keys, full_name
from stagecache.integrations.diskcache.coding import tag_text
from stagecache.integrations.diskcache.mapping import lasts
from stagecache.integrations.diskcache.upkeep import Upkeep
from stagecache.integrations.diskcache.words import ENOVAL
from stagecache.model import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

F = TypeVar("F", bound="Callable[..., Any]")


class Memoizing(Upkeep):
    """What a cache does with functions."""

    def memoize(
        self,
        name: str | None = None,
        typed: bool = False,
        expire: float | None = None,
        tag: Any = None,
        ignore: Collection[int | str] = (),
    ) -> Callable[[F], F]:
        """Decorate a function whose results are kept here.

        However many threads and processes call it with the same arguments, one computes; the
        others wait for it. An exception is not kept. The key of a call is ``f.__cache_key__(...)``,
        the function itself ``f.__wrapped__``.

        Parameters
        ----------
        name : str, optional
            What stands for the function in keys; by default its name and its code, with all of
            yours that it reaches.
        typed : bool, optional
            Whether 3 and 3.0 differ, as arguments.
        expire : float, optional
            Seconds for which a result is good; 0: it is looked for and never kept.
        tag : str or int or float or bytes, optional
            What :meth:`evict` knows results by.
        ignore : collection, optional
            Places and names of arguments that do not count.

        Raises
        ------
        TypeError
            If the function itself is given.

        Examples
        --------
        >>> from stagecache.integrations.diskcache import Cache
        >>> with Cache() as cache:
        ...     @cache.memoize(expire=60, tag="squares")
        ...     def square(x):
        ...         print("computing")
        ...         return x * x
        ...     square(3), square(x=3), cache[square.__cache_key__(3)]
        computing
        (9, 9, 9)
        """
        if callable(name):
            raise TypeError("name cannot be callable")
        _check(expire, tag)

        def decorate(fn: F) -> F:
            keys = call_keys(fn, name, typed=typed, ignore=ignore)

            @functools.wraps(fn)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                try:
                    key = keys(*args, **kwargs)
                    value = self.get(key, ENOVAL, retry=True)
                except FingerprintError as error:
                    tell_of(fn, error)
                    return fn(*args, **kwargs)
                if value is not ENOVAL:
                    return value
                if expire is not None and expire <= 0:
                    return fn(*args, **kwargs)
                return made_once(self, key, lambda: fn(*args, **kwargs), expire, tag)

            wrapper.__cache_key__ = keys  # type: ignore[attr-defined]
            return wrapper  # type: ignore[return-value]

        return decorate

    def _peeked(self, key: bytes) -> Any:
        """Return a value, counted nowhere, or ENOVAL."""
        found = self._items.get(key)
        if found is None or not lasts(found[2], self._now()):
            return ENOVAL
        return self._coding.fetched(found[0], found[1], False)


def memoize_stampede(
    cache: Memoizing,
    expire: float,
    name: str | None = None,
    typed: bool = False,
    tag: Any = None,
    beta: float = 1,
    ignore: Collection[int | str] = (),
) -> Callable[[F], F]:
    """Decorate a function whose results are made anew, in a thread, shortly before they expire.

    Nobody waits then; where there is no result, one computes, as with :meth:`Cache.memoize`.
    When that is: by chance, the sooner the longer it takes. XFetch (Vattani, Chierichetti,
    Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015).

    Parameters
    ----------
    cache : Cache or FanoutCache
        Keeps results, each with the seconds that it took.
    expire : float
        Seconds for which a result is good.
    name, typed, tag, ignore
        As of :meth:`Cache.memoize`.
    beta : float, optional
        Above 1: sooner.

    Examples
    --------
    >>> from stagecache.integrations.diskcache import Cache
    >>> with Cache() as cache:
    ...     @memoize_stampede(cache, expire=60)
    ...     def square(x):
    ...         return x * x
    ...     square(3), square(3)
    (9, 9)
    """
    _check(expire, tag)

    def decorate(fn: F) -> F:
        calls = call_keys(fn, name, typed=typed, ignore=ignore)

        def keys(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
            return *calls(*args, **kwargs), "timed"  # another value than `memoize` keeps

        def timed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, float]:
            started = time.time()
            return fn(*args, **kwargs), time.time() - started

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                key = keys(*args, **kwargs)
                pair, expires = cache.get(key, ENOVAL, expire_time=True, retry=True)
            except FingerprintError as error:
                tell_of(fn, error)
                return fn(*args, **kwargs)
            if pair is ENOVAL:
                return made_once(cache, key, lambda: timed(args, kwargs), expire, tag)[0]
            value, seconds = pair
            ahead = -seconds * beta * log(1.0 - random.random())  # noqa: S311 - not to be guessed
            if expires is not None and time.time() + ahead >= expires:
                _made_anew(cache, key, lambda: timed(args, kwargs), expire, tag)
            return value

        wrapper.__cache_key__ = keys  # type: ignore[attr-defined]
        return wrapper  # type: ignore[return-value]

    return decorate


def tell_of(fn: Callable[..., Any], error: FingerprintError) -> None:
    """Warn that a call cannot be known again, because of its arguments or of its code."""
    warn(
        f"A call of {full_name(fn)} is not kept: {error} If that is about its code, say by `name=` "
        "what stands for the function; arguments that do not matter can be left out by `ignore=`."
    )


def made_once(
    cache: Memoizing, key: Any, creator: Callable[[], Any], expire: float | None, tag: Any
) -> Any:
    """Return the value under `key`, which `creator` makes unless somebody has just done so.

    A value that cannot be kept is returned, with a warning.
    """
    place = cache._place
    encoded = cache._coding.key(key)
    if cache._items.access.is_busy:  # a transaction keeps all others out anyway
        return _made(cache, key, creator, expire, tag)
    digest = _digest(encoded)
    mine: list[Any] = []

    def make() -> Any:
        with place.leases.acquire(digest):
            found = cache._peeked(encoded)
            if found is not ENOVAL:
                return found
            mine.append(_made(cache, key, creator, expire, tag))
            return mine[0]

    value = place.flight.run(digest, make, name=f"{cache._items.name}[{key!r}]")
    if mine:
        return value
    found = cache._peeked(encoded)  # a value of one's own: somebody else has that one
    return value if found is ENOVAL else found


def _made_anew(
    cache: Memoizing, key: Any, creator: Callable[[], Any], expire: float, tag: Any
) -> None:
    """Let a thread make a value, unless somebody is at it."""
    place = cache._place
    digest = _digest(cache._coding.key(key))
    lease = place.leases.acquire_nowait(digest)
    if lease is None:
        return

    def work() -> None:
        # What it raises is told by the thread; the value that is there stays until it expires.
        with lease:
            _made(cache, key, creator, expire, tag)

    threading.Thread(target=work, daemon=True).start()


def _made(
    cache: Memoizing, key: Any, creator: Callable[[], Any], expire: float | None, tag: Any
) -> Any:
    value = creator()
    try:
        cache.set(key, value, expire, tag=tag, retry=True)
    except (EncodeError, StoreError) as error:
        warn(f"A result is returned and not kept: {error}")
    return value


def _check(expire: float | None, tag: Any) -> None:
    tag_text(tag)
    if expire is not None and not isinstance(expire, (int, float)):
        raise TypeError(f"expire is a number of seconds, not {expire!r}")


def _digest(key: bytes) -> Key:
    return Key(xxh3_128_digest(b"diskcache\0" + key))
