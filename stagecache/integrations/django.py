"""A cache backend for Django, over an index in a cache directory: see ``docs/django.md``.

What is Django's (keys, versions, timeouts, how many entries) is here; the rest is for the index.
"""

from __future__ import annotations

import pickle
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from stagecache.errors import EncodeError, StoreError
from stagecache.integrations.places import places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

T = TypeVar("T")

_DJANGOS = frozenset(("MAX_ENTRIES", "CULL_FREQUENCY"))


class StagecacheCache(BaseCache):  # type: ignore[misc]
    """What Django asks of a cache, answered by an index that all processes of a machine share.

    Trouble with the disk is a miss, told of once. What cannot be pickled raises, as Django wants.

    Parameters
    ----------
    location : str
        ``LOCATION``: the directory; empty: as settings of stagecache say.
    params : mapping
        All that Django knows. ``OPTIONS`` may have, besides ``MAX_ENTRIES`` and
        ``CULL_FREQUENCY``: ``name`` (caches of one name in one directory are one), ``memory``
        (what was read lately may take so many bytes in each process), and any setting of
        :class:`~stagecache.Cache`.

    Raises
    ------
    SettingsError
        If an option is unknown or unusable.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {
            name: value
            for name, value in params.get("OPTIONS", {}).items()
            if name.upper() not in _DJANGOS
        }
        name, memory = options.pop("name", "default"), options.pop("memory", "16 MiB")
        cache = places.at(location or None, **options)
        self._kept = places.kept(cache, f"django:{name}", counted=True, memory=memory)
        self._index = self._kept.index

    # --- one key

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return the value under `key`, or `default`."""
        return self._kept.get(self.make_and_validate_key(key, version), default)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Tell whether there is a value under `key`."""
        return self._kept.has(self.make_and_validate_key(key, version))

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Keep `value` under `key` for `timeout` seconds; None: for ever.

        Raises
        ------
        pickle.PicklingError
            If it cannot be pickled.
        """
        self.set_many({key: value}, timeout, version)

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep `value` unless something is there; tell whether nothing was."""
        name = self.make_and_validate_key(key, version)
        seconds = self._seconds(timeout)
        if seconds is not None and seconds <= 0:
            return not self._kept.has(name)
        self._make_room({name})
        try:
            return self._kept.add(name, value, ttl=seconds)
        except EncodeError as error:
            _raise_as_pickle_does(error)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Let a value live for `timeout` seconds from now on; return whether it is there."""
        name = self.make_and_validate_key(key, version)
        seconds = self._seconds(timeout)
        if seconds is not None and seconds <= 0:
            return self._kept.discard(name)
        return bool(self._kept.asked(lambda: self._index.touch(name, seconds), False, "write"))

    def incr(self, key: Any, delta: Any = 1, version: int | None = None) -> Any:
        """Add `delta` to a number, among all processes; its time to live stays.

        Raises
        ------
        ValueError
            If nothing is there.
        TypeError
            If what is there is no number.
        """
        name = self.make_and_validate_key(key, version)
        try:
            total = self._kept.asked(lambda: self._index.incr(name, delta, None), None, "write")
        except KeyError:
            total = None
        if total is None:
            raise ValueError(f"Key {key!r} not found")
        return total

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget what is under `key`; return whether it was there."""
        return self._kept.discard(self.make_and_validate_key(key, version))

    def incr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Move a value to another version, as a whole; return that."""
        try:
            with self._index.transact():
                return super().incr_version(key, delta, version)  # type: ignore[no-any-return]
        except StoreError as error:
            self._kept.tell("write", error)
            raise ValueError(f"Key {key!r} not found") from error

    # --- many keys

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return the values under those of `keys` that there are."""
        names = {self.make_and_validate_key(key, version): key for key in keys}
        return {names[name]: value for name, value in self._kept.get_many(names).items()}

    def set_many(
        self,
        data: Mapping[Any, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[Any]:
        """Keep all of `data`; return the keys of what is not kept: none, or all of them.

        Raises
        ------
        pickle.PicklingError
            If one cannot be pickled. Nothing is kept then.
        """
        items = {self.make_and_validate_key(key, version): value for key, value in data.items()}
        seconds = self._seconds(timeout)
        if not items:
            return []
        if seconds is not None and seconds <= 0:
            self._kept.delete(items)
            return []
        self._make_room(items.keys())
        try:
            if len(items) == 1:
                ((name, value),) = items.items()
                is_kept = self._kept.set(name, value, ttl=seconds)
            else:
                is_kept = self._kept.set_many(items, ttl=seconds)
        except EncodeError as error:
            _raise_as_pickle_does(error)
        return [] if is_kept else list(data)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Forget what is under `keys`."""
        self._kept.delete([self.make_and_validate_key(key, version) for key in keys])

    def clear(self) -> None:
        """Forget all, whatever version or prefix: all that share directory and name."""
        self._kept.asked(self._kept.clear, None, "write")

    # --- what is made if it is missing

    def get_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return what is under `key`, or keep and return `default`, which may be a function.

        A function is called once, however many threads and processes ask; the others wait.
        """
        seconds = self._seconds(timeout)
        if not callable(default) or (seconds is not None and seconds <= 0):
            return super().get_or_set(key, default, timeout, version)
        name = self.make_and_validate_key(key, version)

        def create() -> Any:
            value = default()
            self._make_room({name})
            return value

        return self._kept.get_or_create(name, create, seconds)

    async def aget_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Do the same; a function may be ``async def``, and waiting takes no thread."""
        seconds = self._seconds(timeout)
        if not callable(default) or (seconds is not None and seconds <= 0):
            return await super().aget_or_set(key, default, timeout, version)
        name = self.make_and_validate_key(key, version)
        if not await _in_thread(self._kept.has, name):
            await _in_thread(self._make_room, {name})
        return await self._kept.aget_or_create(name, default, seconds)

    # --- awaited, where several steps in a row would not be one

    async def aincr(self, key: Any, delta: Any = 1, version: int | None = None) -> Any:
        """Add `delta` to a number, as :meth:`incr`."""
        return await _in_thread(self.incr, key, delta, version)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return the values under those of `keys` that there are."""
        return await _in_thread(self.get_many, list(keys), version)

    async def aset_many(
        self,
        data: Mapping[Any, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[Any]:
        """Keep all of `data`."""
        return await _in_thread(self.set_many, data, timeout, version)

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Forget what is under `keys`."""
        await _in_thread(self.delete_many, list(keys), version)

    async def aincr_version(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Move a value to another version, as a whole; return that."""
        return await _in_thread(self.incr_version, key, delta, version)

    # --- shared

    def _seconds(self, timeout: Any) -> float | None:
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout  # type: ignore[no-any-return]

    def _make_room(self, names: Any) -> None:
        """Let items go as Django does when there are too many: those that came first."""
        most = self._max_entries
        count = self._count()
        if count + len(names) <= most or all(map(self._kept.has, names)):
            return
        if self._kept.asked(self._index.expire, 0, "write"):
            count = self._count()
        excess = count + len(names) - most
        if excess <= 0:
            return
        if self._cull_frequency == 0:
            self.clear()
            return
        going = max(excess, count // self._cull_frequency)
        self._kept.asked(
            lambda: self._index.delete_many(list(islice(self._index, going))), 0, "write"
        )

    def _count(self) -> int:
        return self._kept.asked(lambda: self._index.stats().items, 0)  # type: ignore[no-any-return]


def _raise_as_pickle_does(error: EncodeError) -> NoReturn:
    raise pickle.PicklingError(str(error)) from error


async def _in_thread(work: Callable[..., T], *args: Any) -> T:
    return await sync_to_async(work, thread_sensitive=True)(*args)
