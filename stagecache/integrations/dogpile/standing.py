"""What stands under a key of a region, what it is good for, and how it is kept."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any

from dogpile.cache import CacheRegion
from dogpile.cache.api import NO_VALUE, CachedValue
from dogpile.cache.exception import DogpileCacheException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dogpile.cache.api import CacheMutex


_NO_LIMIT = "Non-None expiration time required for soft invalidation"
"""The words of dogpile.cache."""


class State(Enum):
    """What a value that was found is good for."""

    GOOD = "good"
    STALE = "to be served while it is made anew"
    MISSING = "not to be served"


class Standing(CacheRegion):
    """A region of dogpile.cache, asked in steps: those that it does in one to get or create."""

    def mangled(self, key: str) -> str:
        """Return what the backend knows `key` by."""
        return key if not self.key_mangler else self.key_mangler(key)

    def limit(self, expiration_time: float | None) -> float | None:
        """Return the seconds after which a value is to be made anew; None: never."""
        limit = self.expiration_time if expiration_time is None else expiration_time
        return None if limit == -1 else limit

    def look(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return what the backend has for each key, by its names of them."""
        return dict(zip(names, self._get_multi_from_backend(list(names.values())), strict=True))

    def state(self, value: Any, key: str, limit: float | None) -> State:
        """Return what a value is good for.

        Raises
        ------
        DogpileCacheException
            If it is softly invalidated, and nothing says when it expires.
        """
        if self._is_cache_miss(value, key):  # type: ignore[no-untyped-call]
            return State.MISSING
        created = value.metadata["ct"]
        if self.region_invalidator.is_soft_invalidated(created):
            if limit is None:
                raise DogpileCacheException(
                    "Non-None expiration time required for soft invalidation"
                )
            return State.STALE
        is_over = limit is not None and time.time() - created > limit
        return State.STALE if is_over else State.GOOD

    def keep(
        self,
        names: Mapping[str, str],
        made: Mapping[str, Any],
        began: float,
        limit: float | None,
        should_cache_fn: Callable[[Any], bool] | None,
    ) -> dict[str, CachedValue]:
        """Keep values that were made from `began` on; return them as the backend has them."""
        metadata = {**self._gen_metadata(), "ct": began}
        values = {key: CachedValue(value, metadata) for key, value in made.items()}
        if limit is None and self.region_invalidator.was_soft_invalidated():
            raise DogpileCacheException(_NO_LIMIT)
        self._set_multi_cached_value_to_backend(
            {
                names[key]: value
                for key, value in values.items()
                if value.payload is not NO_VALUE
                and (should_cache_fn is None or should_cache_fn(value.payload))
            }
        )
        return values

    def mutex_of(self, name: str) -> CacheMutex:
        """Return what callers of a key exclude each other by, by the backend's name of it."""
        return self._mutex(name)  # type: ignore[no-any-return, no-untyped-call]
