"""Counts what a check has looked at, and tells whoever waits for it; what is checked is not known.

Several threads count, one tells.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stagecache.stores.reports import Checked

if TYPE_CHECKING:
    from collections.abc import Callable


class Tally:
    """The counts of one check.

    Parameters
    ----------
    progress : callable
        Called by :meth:`tell`, in its thread. What it raises ends the check.

    Examples
    --------
    >>> tally = Tally(print)
    >>> tally.total = 4
    >>> tally.add(results=1, bytes=20)
    >>> tally.tell()
    Checked(results=1, parts=0, items=0, blobs=0, bytes=20, problems=0, share=0.25)
    """

    def __init__(self, progress: Callable[[Checked], None]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._now = Checked(0, 0, 0, 0, 0, 0, 0.0)
        self.total = 1
        """Of results, parts, items and blobs; as many as there were when the check began."""

    def add(
        self,
        *,
        results: int = 0,
        parts: int = 0,
        items: int = 0,
        blobs: int = 0,
        bytes: int = 0,  # noqa: A002 - as the field
        problems: int = 0,
    ) -> None:
        """Note what was looked at since."""
        with self._lock:
            now = self._now
            self._now = Checked(
                now.results + results,
                now.parts + parts,
                now.items + items,
                now.blobs + blobs,
                now.bytes + bytes,
                now.problems + problems,
                0.0,
            )

    def tell(self, share: float | None = None) -> None:
        """Say how far the check has come; by default as far as what was counted."""
        now = self._now
        if share is None:
            done = now.results + now.parts + now.items + now.blobs
            share = min(1.0, done / max(1, self.total))
        self._progress(now._replace(share=share))
