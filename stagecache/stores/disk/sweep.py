"""Forgets results that a person says are old, or of stages that are of no use any longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.stores.disk import holds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from stagecache.model import Key
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index

_PAGE = 5_000
"""Rows in one statement: an open cursor would keep the log from being emptied."""


class Swept(NamedTuple):
    """What was forgotten, or would be."""

    results: int
    bytes: int
    """Of values; one that several results share counts once."""


def sweep(
    index: Index,
    files: Files,
    now: float,
    *,
    before: float | None,
    stages: Collection[str] | None,
    dry_run: bool,
) -> Swept:
    """Forget results.

    Parameters
    ----------
    index, files
        Where they are kept.
    now : float
        Seconds since the epoch.
    before : float or None
        Only those neither made nor used since, in seconds since the epoch.
    stages : collection of str or None
        Only those of these stages (``module:qualname``).
    dry_run : bool
        Only count.
    """
    keys: list[Key] = []
    sizes: dict[bytes, int] = {}
    for _, key, blob, size in _rows(index, before, stages):
        keys.append(key)
        sizes[blob or key] = size
    if keys and not dry_run:
        index.remove(keys, now, files.delete)
    return Swept(len(keys), sum(sizes.values()))


def _rows(
    index: Index, before: float | None, stages: Collection[str] | None
) -> Iterator[tuple[Any, ...]]:
    wanted = [f"NOT {holds.IS_PART}", "entries.id > ?"]
    bindings: list[Any] = []
    if stages is not None:
        wanted.append(f"stage IN ({', '.join('?' * len(stages))})")
        bindings += stages
    if before is not None:
        wanted.append("max(created, coalesce(last, 0.0)) < ?")
        bindings.append(before)
    value = "iif(inline IS NULL AND blob IS NULL, 0, size)"
    statement = f"""SELECT entries.id, key, blob, {value} FROM entries LEFT JOIN uses USING (key)
        WHERE {" AND ".join(wanted)} ORDER BY entries.id LIMIT {_PAGE}"""  # noqa: S608 - constants
    last = 0
    while rows := index.select(statement, (last, *bindings)):
        yield from rows
        last = rows[-1][0]
