"""Gathers what no entry names and what killed processes left; no result is touched here."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from stagecache.model import Digest
from stagecache.stores.disk import holds
from stagecache.stores.disk.blobs import is_name, scan
from stagecache.stores.disk.forgotten import compact
from stagecache.stores.reports import GcReport

if TYPE_CHECKING:
    import apsw

    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index

GRACE = 3600.0
"""Seconds that an unnamed blob or a temporary file is left alone: somebody may be at work on it."""
TRASH = 600.0
"""Seconds that a replaced blob can still be read by who holds its old entry."""
_MANY = 200
_FACTS = 500_000
"""Remembered facts kept."""


def gc(
    index: Index,
    blobs: Blobs,
    files: Files,
    directory: Directory,
    now: float,
    *,
    dry_run: bool,
    grace: float,
) -> GcReport:
    """Remove parts that nobody holds, orphan blobs, stale temporary files, old trash."""
    freed = 0
    unheld: set[Digest] = set()
    if os.path.exists(directory.index):
        unheld.update(index.write(lambda connection: _parts(connection, now - grace, dry_run)))
        if not dry_run:
            index.write(lambda connection: _take_back(connection, blobs, files, directory))
    # A writer cannot do without its temporary file, whatever grace is asked for.
    temporary = _sweep(directory.temporary, now, GRACE, dry_run=dry_run)
    trash = _sweep(directory.trash, now, min(TRASH, grace), dry_run=dry_run)
    old = [
        (Digest(bytes.fromhex(file.name)), stat.st_size)
        for file in blobs.paths()
        if (stat := _stat(file)) is not None
        and not _is_fresh(file, stat, now, grace, dry_run=dry_run)
    ]
    orphans = 0
    for start in range(0, len(old), _MANY):
        part = dict(old[start : start + _MANY])

        def unnamed(connection: apsw.Connection, part: dict[Digest, int] = part) -> list[Digest]:
            """Judge and unlink under the write lock, where publishers look whether it is there."""
            marks = ", ".join("?" * len(part))
            statement = f"SELECT DISTINCT blob FROM entries WHERE blob IN ({marks})"  # noqa: S608
            named = {blob for (blob,) in connection.execute(statement, tuple(part)).fetchall()}
            lonely = [blob for blob in part if blob not in named or blob in unheld]
            if not dry_run:
                for blob in lonely:
                    files.delete(connection, blob)
            return lonely

        lonely = index.write(unnamed)
        orphans += len(lonely)
        freed += sum(part[blob] for blob in lonely)
    if not dry_run and os.path.exists(directory.index):
        index.write(lambda connection: _shorten(connection, directory))
        files.mend(index)
    return GcReport(
        orphans, temporary[0], trash[0], freed + temporary[1] + trash[1], dry_run=dry_run
    )


def _parts(connection: apsw.Connection, before: float, dry_run: bool) -> list[Digest]:
    """Drop parts that nobody holds, or act as if; return the blobs that nothing names then."""
    connection.execute("SAVEPOINT parts")
    blobs = holds.collect(connection, before)
    if dry_run:
        connection.execute("ROLLBACK TO parts")
    connection.execute("RELEASE parts")
    return blobs


def _take_back(
    connection: apsw.Connection, blobs: Blobs, files: Files, directory: Directory
) -> None:
    """Bring back from the trash what rows name: who replaced it was killed before the commit."""
    statement = "SELECT 1 FROM entries WHERE blob = ? LIMIT 1"
    for file in scan(directory.trash):
        if is_name(file.name):
            where = Digest(bytes.fromhex(file.name))
            if blobs.is_set_aside(where) and connection.execute(statement, (where,)).fetchall():
                blobs.take_back(where)
                files.publish(connection, where)


def _shorten(connection: apsw.Connection, directory: Directory) -> None:
    compact(directory.forgotten)
    connection.execute("DELETE FROM memo WHERE id <= (SELECT max(id) FROM memo) - ?", (_FACTS,))


def _sweep(folder: str, now: float, grace: float, *, dry_run: bool) -> tuple[int, int]:
    """Unlink the files of a folder that are not fresh; return their number and bytes."""
    number = size = 0
    for file in scan(folder):
        stat = _stat(file)
        if stat is None or _is_fresh(file, stat, now, grace, dry_run=dry_run):
            continue
        number += 1
        size += stat.st_size
        if not dry_run:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.path)
    return number, size


def _is_fresh(
    file: os.DirEntry[str], stat: os.stat_result, now: float, grace: float, *, dry_run: bool
) -> bool:
    """Tell whether a file was written within the grace.

    A file from the future, written before the clock was set back, begins its grace now.
    """
    if stat.st_mtime > now + GRACE and not dry_run:
        with contextlib.suppress(FileNotFoundError):
            os.utime(file.path, (now, now), follow_symlinks=False)
    return stat.st_mtime > now - grace


def _stat(file: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return file.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
