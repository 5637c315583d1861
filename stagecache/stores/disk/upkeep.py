"""What is done to a directory as a whole: it is collected, checked and repaired.

What is rubbish, what is wrong and what gives way, other rooms say; here is in which order and
under which locks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stagecache.stores.disk import collect, sweep
from stagecache.stores.disk.index import Index
from stagecache.stores.disk.items import Items
from stagecache.stores.disk.locked import locked
from stagecache.stores.disk.readonly import ReadOnlyConnections, refusal
from stagecache.stores.disk.repair import Repair
from stagecache.stores.disk.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from stagecache.stores.disk.rooms import Rooms
    from stagecache.stores.reports import Checked, GcReport, Problem


def gc(
    rooms: Rooms,
    flush: Callable[[], None],
    *,
    dry_run: bool,
    max_size: int | None,
    older_than: float | None,
    stages: Collection[str] | None,
    grace: float,
) -> GcReport:
    """Remove rubbish, and results or values as asked; one gc at a time.

    Parameters
    ----------
    rooms : Rooms
        Of the directory.
    flush : callable
        Writes what uses are pending: what was used lately is not old.
    dry_run, max_size, older_than, stages, grace
        As of the store's method.
    """
    now = rooms.clock.now()

    def work() -> GcReport:
        results = sweep.Swept(0, 0)
        if older_than is not None or stages is not None:
            flush()
            before = None if older_than is None else now - older_than
            results = sweep.sweep(
                rooms.index, rooms.files, now, before=before, stages=stages, dry_run=dry_run
            )
        report = collect.gc(
            rooms.index,
            rooms.blobs,
            rooms.files,
            rooms.directory,
            now,
            dry_run=dry_run,
            grace=grace,
        )
        blobs, bytes_of_items = rooms.items.gc(now, grace, dry_run=dry_run)
        most = rooms.limits.max_size if max_size is None else max_size
        taken = [] if most is None else rooms.evictor.reduce(most, dry_run=dry_run)
        if not dry_run:
            rooms.evictor.give_back()
        return report._replace(
            blobs=report.blobs + blobs,
            bytes=report.bytes + results.bytes + bytes_of_items + sum(part.bytes for part in taken),
            results=results.results,
            values=sum(part.values for part in taken),
        )

    with rooms.guard.trouble("collect leftovers"):
        _may_change(rooms)
        if dry_run or not rooms.directory.has_index():
            return rooms.guard.repeat(work)
        rooms.guard.repeat(rooms.connections.ensure)
        rooms.limits.note()
        with locked(rooms.directory.collecting):
            return rooms.guard.repeat(work)


def verify(rooms: Rooms, *, repair: bool, progress: Callable[[Checked], None]) -> list[Problem]:
    """Check everything; parameters as of the store's method."""
    with rooms.guard.trouble("verify results"), _readable(rooms, write=repair) as readable:
        index, items = readable
        if repair:
            _may_change(rooms)
        check = Verifier(
            index,
            rooms.blobs,
            rooms.files,
            rooms.directory,
            items,
            rooms.clock.now() - collect.GRACE,
            progress,
        )
        found = check.problems()
        if repair:
            mend = Repair(
                index, rooms.blobs, rooms.files, rooms.directory, rooms.connections, items
            )
            found = (problem._replace(repaired=mend(problem)) for problem in found)
        return sorted(found, key=_in_order)


@contextmanager
def _readable(rooms: Rooms, *, write: bool) -> Iterator[tuple[Index, Items]]:
    """Yield index and items, or what reads them where the system lets nobody write."""
    if write or rooms.read_only or not rooms.directory.is_closed():
        yield rooms.index, rooms.items
        return
    connections = ReadOnlyConnections(rooms.index_file, rooms.trust)
    items = Items(rooms.directory, rooms.trust, rooms.clock, durable=False, read_only=True)
    try:
        yield Index(connections, rooms.trust, rooms.pending), items
    finally:
        connections.close()
        items.close()


def _may_change(rooms: Rooms) -> None:
    if rooms.read_only:
        raise refusal()
    rooms.trust.judge()


def _in_order(problem: Problem) -> tuple[str, bytes, str, bytes, tuple[int, ...]]:
    """Return what problems are sorted by: those of one stage and of one result are together."""
    stage, key, blob = problem.stage, problem.key or b"", problem.blob or b""
    return stage, key, problem.kind, blob, problem.item or ()
