"""When all values of a region were invalidated: kept where they lie, for all who have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dogpile.cache.region import RegionInvalidationStrategy

from stagecache.integrations.dogpile.backend import StagecacheBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dogpile.cache import CacheRegion

    from stagecache.integrations.dogpile.places import Place


class SharedInvalidation(RegionInvalidationStrategy):
    """Lets ``region.invalidate()`` reach all processes, and all machines that share a shelf.

    A value is invalid if it was begun to be made before. Machines compare it by their clocks.

    Parameters
    ----------
    region : CacheRegion
        On our backend, from the first use on.

    Examples
    --------
    >>> from dogpile.cache import make_region
    >>> region = make_region()
    >>> region = region.configure(
    ...     "stagecache",
    ...     arguments={"directory": ":memory:"},
    ...     region_invalidator=SharedInvalidation(region),
    ... )
    >>> region.set("a", 1)
    >>> region.invalidate()
    >>> region.get("a")
    <dogpile.cache.api.NoValue object>
    """

    def __init__(self, region: CacheRegion) -> None:
        self._region = region

    def invalidate(self, hard: bool = True) -> None:
        """Let no value be served that there is now; softly: only while it is made anew.

        Raises
        ------
        NotToldError
            If others could not be told.
        """
        self._place.mark("hard" if hard else "soft", time.time())

    def is_invalidated(self, timestamp: float) -> bool:
        """Tell whether a value of that time is invalid, hard or softly."""
        return timestamp <= max(self._marks.values(), default=0.0)

    def is_hard_invalidated(self, timestamp: float) -> bool:
        """Tell whether a value of that time must not be served."""
        return timestamp <= self._marks.get("hard", 0.0)

    def is_soft_invalidated(self, timestamp: float) -> bool:
        """Tell whether a value of that time may be served while it is made anew."""
        marks = self._marks
        return marks.get("hard", 0.0) < timestamp <= marks.get("soft", 0.0)

    def was_hard_invalidated(self) -> bool:
        """Tell whether the last time was hard."""
        marks = self._marks
        return 0.0 < marks.get("hard", 0.0) >= marks.get("soft", 0.0)

    def was_soft_invalidated(self) -> bool:
        """Tell whether the last time was soft."""
        marks = self._marks
        return marks.get("soft", 0.0) > marks.get("hard", 0.0)

    @property
    def _place(self) -> Place:
        backend = self._region.actual_backend
        if not isinstance(backend, StagecacheBackend):
            raise TypeError(f"SharedInvalidation is for the backend stagecache, not {backend!r}")
        return backend.place

    @property
    def _marks(self) -> Mapping[str, float]:
        return self._place.marks()
