"""dogpile.cache over the tiers of stagecache: see ``docs/from-dogpile.md``.

``make_region().configure("stagecache", arguments={"directory": ...})`` of dogpile.cache itself
gets the backend. ``make_region`` of this module makes a region that also has sound keys, takes
``async def``, makes many keys once, and is invalidated for all processes.
"""

from __future__ import annotations

from dogpile.cache import register_backend

from stagecache.integrations.dogpile.backend import StagecacheBackend
from stagecache.integrations.dogpile.invalidation import SharedInvalidation
from stagecache.integrations.dogpile.keys import (
    class_key_generator,
    key_generator,
    multi_key_generator,
)
from stagecache.integrations.dogpile.region import Region, make_region

register_backend(  # type: ignore[no-untyped-call]
    "stagecache", "stagecache.integrations.dogpile.backend", "StagecacheBackend"
)

__all__ = [
    "Region",
    "SharedInvalidation",
    "StagecacheBackend",
    "class_key_generator",
    "key_generator",
    "make_region",
    "multi_key_generator",
]
