"""What stores report when they are asked: what they hold, what was removed, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stagecache.model import Digest, Key


class StageStats(NamedTuple):
    """What is kept of one stage."""

    stage: str
    entries: int
    bytes: int
    """Encoded size of the results; a blob that several share counts for each."""
    uses: int
    seconds_saved: float
    """What the results that were used took to compute."""
    last_used: float
    """Seconds since the epoch; 0.0 if never."""


class StoreStats(NamedTuple):
    """What a store holds."""

    entries: int
    bytes: int
    """On disk, or in memory."""
    blobs: int
    quarantined: int


class GcReport(NamedTuple):
    """What a collection removed, or would."""

    blobs: int
    """Blobs that no entry names."""
    temporary: int
    """Left by processes that were killed."""
    trash: int
    """Replaced blobs whose time is over."""
    bytes: int
    """That these took, and the results and values."""
    dry_run: bool = False
    results: int = 0
    """Forgotten: old, or of a stage that was named."""
    values: int = 0
    """Taken from results to keep within a bound; the results' records stay."""
    is_done: bool = True
    """Whether it was done wherever it was to be; if not, a warning said why."""


class Bound(NamedTuple):
    """How much a store may hold, and holds."""

    max_size: int | None
    """Bytes; None: unbounded."""
    eviction: str
    """What gives way when it is full."""
    used: int
    """Bytes on disk."""


class Problem(NamedTuple):
    """What a check found wrong.

    Examples
    --------
    >>> print(Problem("blob", "its contents are damaged", "etl:clean", repaired=True))
    etl:clean: its contents are damaged (repaired)
    """

    kind: str
    """``index`` (its pages or tables), ``row`` (cannot be read), ``value`` (in its row, damaged),
    ``blob`` (damaged), ``missing`` (a row names a blob that is gone), ``part`` (a part of a result
    is gone), ``collections`` (the file of their items), ``item`` (of a collection, damaged),
    ``stray`` (a damaged blob that no row names), ``account`` (of the bytes that files take, on
    which the bound rests) or ``store`` (it cannot be checked)."""
    detail: str
    stage: str = ""
    key: Key | None = None
    blob: Digest | None = None
    repaired: bool = False
    item: tuple[int, int] | None = None
    """The numbers of the item's collection and row."""

    def __str__(self) -> str:
        key = "" if self.key is None else self.key.hex()
        blob = "" if self.blob is None else f"blob {self.blob.hex()}"
        name = " ".join(part for part in (self.stage, key) if part)
        parts = [part for part in (name, blob, self.detail) if part]
        return ": ".join(parts) + (" (repaired)" if self.repaired else "")


class Checked(NamedTuple):
    """How far a check has come."""

    results: int
    parts: int
    """Of results, kept for their sake."""
    items: int
    """Of collections."""
    blobs: int
    bytes: int
    """Read from blobs and from rows."""
    problems: int
    share: float
    """Of all there is to check, from 0 to 1."""
