"""dogpile.cache over the tiers of stagecache: see ``docs/from-dogpile.md``.

``make_region().configure("stagecache", arguments={"directory": ...})`` of dogpile.cache itself
gets the backend. ``make_region`` of this module makes a region that also has sound keys, takes
``async def``, and is invalidated for all processes.
"""

from __future__ import annotations

from dogpile.cache import register_backend

from stagecache.integrations.dogpile.backend import StagecacheBackend

register_backend(  # type: ignore[no-untyped-call]
    "stagecache", "stagecache.integrations.dogpile.backend", "StagecacheBackend"
)

__all__ = ["StagecacheBackend"]
