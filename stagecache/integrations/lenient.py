"""An index as other libraries use a cache: trouble is a miss, told of once, and never stale.

To an index itself a write that is not kept is an error. Here it is none, because what is in a
cache can be made again. But what stood there before is not to be found any more.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from stagecache.errors import DecodeError, EncodeError, StoreError, warn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from stagecache.collections import Index

_MISSING: Any = object()
_TROUBLE = (StoreError, DecodeError)


class _Made:
    """What came of a creator."""

    value: Any = _MISSING
    is_failed = False


class Lenient:
    """An index whose trouble harms nobody.

    Parameters
    ----------
    index : Index
        Where items are kept.

    Examples
    --------
    >>> import tempfile
    >>> from stagecache import Cache
    >>> with tempfile.TemporaryDirectory() as folder, Cache(folder) as cache:
    ...     kept = Lenient(cache.index("pages"))
    ...     kept.set("a", 1), kept.get("a"), kept.get("b", 2)
    (True, 1, 2)
    """

    def __init__(self, index: Index[Any, Any]) -> None:
        self.index = index
        self._told: set[tuple[str, str]] = set()
        self._outdated: set[Any] = set()
        """Keys whose old values could not even be removed."""

    # --- reading

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        if key in self._outdated:
            return default
        try:
            return self.index.get(key, default)
        except _TROUBLE as error:
            self.tell("read", error)
            return default

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return the values under those of `keys` that there are."""
        wanted = [key for key in keys if key not in self._outdated]
        try:
            return self.index.get_many(wanted)
        except _TROUBLE:
            # One that is damaged is not to take the others with it.
            found = {key: self.get(key, _MISSING) for key in wanted}
            return {key: value for key, value in found.items() if value is not _MISSING}

    def has(self, key: Any) -> bool:
        """Tell whether there is a value under `key`."""
        return key not in self._outdated and bool(self.asked(lambda: key in self.index, False))

    def asked(self, question: Callable[[], Any], otherwise: Any, verb: str = "read") -> Any:
        """Return the answer to a question to the index, or `otherwise` if it is in trouble."""
        try:
            return question()
        except _TROUBLE as error:
            self.tell(verb, error)
            return otherwise

    # --- writing

    def set(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
        """Keep `value` under `key`; tell whether it is kept.

        Raises
        ------
        EncodeError
            If no codec holds it here. What was there before stays.
        """
        try:
            self.index.set(key, value, ttl=ttl)
        except StoreError as error:
            self._not_kept([key], error)
            return False
        self._outdated.discard(key)
        return True

    def set_many(self, items: Mapping[Any, Any], *, ttl: float | None = None) -> bool:
        """Keep all `items`, or none; tell whether they are kept.

        Raises
        ------
        EncodeError
            If no codec holds one here.
        """
        try:
            self.index.set_many(items, ttl=ttl)
        except StoreError as error:
            self._not_kept(items, error)
            return False
        self._outdated.difference_update(items)
        return True

    def add(self, key: Any, value: Any, *, ttl: float | None = None) -> bool:
        """Keep `value` unless something is there; tell whether it is kept.

        Raises
        ------
        EncodeError
            If no codec holds it here.
        """
        if key in self._outdated:
            return self.set(key, value, ttl=ttl)
        return bool(self.asked(lambda: self.index.add(key, value, ttl=ttl), False, "write"))

    def delete(self, keys: Iterable[Any]) -> int:
        """Forget what is under `keys`; return how many items there were."""
        wanted = list(keys)
        try:
            count = self.index.delete_many(wanted)
        except StoreError as error:
            self.tell("write", error)
            self._outdated.update(wanted)
            return 0
        self._outdated.difference_update(wanted)
        return count

    def discard(self, key: Any) -> bool:
        """Forget what is under `key`; return whether it was there."""
        try:
            was_there = self.index.delete(key) and key not in self._outdated
        except StoreError as error:
            self.tell("write", error)
            self._outdated.add(key)
            return False
        self._outdated.discard(key)
        return was_there

    def clear(self) -> None:
        """Forget all items.

        Raises
        ------
        StoreError
            If they may still be there.
        """
        self.index.clear()
        self._outdated.clear()

    # --- what is made if it is missing

    def get_or_create(self, key: Any, creator: Callable[[], Any], ttl: float | None) -> Any:
        """Return the value under `key`, which `creator` makes if there is none.

        It is made once, whoever asks; in trouble, by everybody who asks.
        """
        value = self.get(key, _MISSING)
        if value is not _MISSING:
            return value
        made = _Made()

        def create() -> Any:
            made.is_failed = True
            made.value = creator()
            made.is_failed = False
            return made.value

        if key not in self._outdated:
            try:
                return self.index.get_or_create(key, create, ttl=ttl)
            except _TROUBLE as error:
                if made.is_failed:
                    raise
                self.tell("read", error)
        return self._replaced(key, create() if made.value is _MISSING else made.value, ttl)

    async def aget_or_create(
        self,
        key: Any,
        creator: Callable[[], Awaitable[Any]] | Callable[[], Any],
        ttl: float | None,
    ) -> Any:
        """Do the same; `creator` may be an ``async def``, and waiting takes no thread."""
        import asyncio

        made = _Made()

        async def create() -> Any:
            made.is_failed = True
            if inspect.iscoroutinefunction(creator):
                value = await creator()
            else:
                value = await asyncio.to_thread(creator)
                if inspect.isawaitable(value):
                    value = await value
            made.value, made.is_failed = value, False
            return value

        if key not in self._outdated:
            try:
                return await self.index.aget_or_create(key, create, ttl=ttl)
            except _TROUBLE as error:
                if made.is_failed:
                    raise
                self.tell("read", error)
        value = await create() if made.value is _MISSING else made.value
        return await asyncio.to_thread(self._replaced, key, value, ttl)

    # --- trouble

    def tell(self, verb: str, error: Exception) -> None:
        """Warn of trouble, once for each kind."""
        kind = (verb, type(error.__cause__ or error).__name__)
        if kind in self._told:
            return
        self._told.add(kind)
        consequence = (
            "What cannot be read is made again."
            if verb == "read"
            else "What cannot be kept is made again by whoever asks for it next."
        )
        warn(f"{error} {consequence} `stagecache doctor` tells what is wrong.")

    def _replaced(self, key: Any, value: Any, ttl: float | None) -> Any:
        """Keep `value` where something cannot be read, and return it."""
        try:
            self.set(key, value, ttl=ttl)
        except EncodeError as error:
            self.tell("write", error)
        return value

    def _not_kept(self, keys: Iterable[Any], error: StoreError) -> None:
        self.tell("write", error)
        wanted = list(keys)
        try:
            self.index.delete_many(wanted)
        except StoreError:
            self._outdated.update(wanted)
