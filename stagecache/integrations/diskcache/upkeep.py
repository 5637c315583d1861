"""What keeps a cache in order: what has expired, has a tag, is beyond the limit, or is damaged."""

from __future__ import annotations

import warnings
from typing import Any

from stagecache.integrations.diskcache.coding import tag_text
from stagecache.integrations.diskcache.giving_way import volume
from stagecache.integrations.diskcache.ordered import Ordered
from stagecache.integrations.diskcache.words import Timeout

_STEP = 10


class Upkeep(Ordered):
    """What a cache does with many items at once."""

    def expire(self, now: float | None = None, retry: bool = False) -> int:
        """Forget what has expired, at `now` or by now; return how many items that were."""
        moment = now or self._now()
        return self._removed(retry, "expires < ?", moment)

    def evict(self, tag: Any, retry: bool = False) -> int:
        """Forget the items of a tag; return how many there were."""
        return self._removed(retry, "tag = ?", tag_text(tag))

    def clear(self, retry: bool = False) -> int:
        """Forget all items; return how many there were."""
        return self._removed(retry, "1")

    def cull(self, retry: bool = False) -> int:
        """Forget what has expired, then items by the policy until the volume is in the limit.

        Returns how many items that were. What was set last can be among them.
        """
        gone = self.expire(retry=retry)
        while self._policy.is_bounded and self.volume() > self._limit():
            try:
                more = self._waiting(retry, lambda: self._discard(self._policy.victims(_STEP)))
            except Timeout:
                raise Timeout(gone) from None
            if not more:
                break
            gone += more
        return gone

    def volume(self) -> int:
        """Return the bytes that count for `size_limit`: of values, 200 an item, and 32 KB."""
        return volume(self._items.extent())

    def stats(self, enable: bool = True, reset: bool = False) -> tuple[int, int]:
        """Return hits and misses.

        Parameters
        ----------
        enable : bool, optional
            Whether to count from now on.
        reset : bool, optional
            Whether to begin anew.
        """
        found = self.reset("hits"), self.reset("misses")
        if reset:
            self.reset("hits", 0)
            self.reset("misses", 0)
        self.reset("statistics", enable)
        return found

    def check(self, fix: bool = False, retry: bool = False) -> list[warnings.WarningMessage]:
        """Read all that is in the directory, and return what is wrong, as warnings.

        Parameters
        ----------
        fix : bool, optional
            Whether to set aside what is damaged, and forget the items that rest on it.
        retry : bool, optional
            Has no effect: nobody is kept from writing.
        """
        del retry
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            for problem in self._store.verify(repair=fix):
                warnings.warn(str(problem), UserWarning, stacklevel=2)
        return found

    def create_tag_index(self) -> None:
        """Say so; tags are listed in any case."""
        self.reset("tag_index", 1)

    def drop_tag_index(self) -> None:
        """Say so; tags are listed in any case."""
        self.reset("tag_index", 0)

    def _removed(self, retry: bool, condition: str, *bindings: Any) -> int:
        try:
            return self._waiting(retry, lambda: self._items.discard(condition, *bindings))
        except Timeout:
            raise Timeout(0) from None
