"""Keeps a directory within its bound: chooses values that give way and takes them; rows stay.

What counts are the bytes on disk: blobs, trash, quarantine by the account of `files`, the index by
its pages, its log by a share of its own. The account is read after a commit, where something grew:
after every commit of a blob, and after so many small ones that the writers of a machine together
cannot pass the bound in between. Whoever finds it passed makes room before its `put` returns.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import apsw

from stagecache.errors import DoesNotFitError
from stagecache.stores.disk.files import TRASH
from stagecache.stores.disk.frame import COMMIT, EMPTY, Frame
from stagecache.stores.disk.locked import locked
from stagecache.stores.disk.victims import (
    Taken,
    Victims,
    count_bare,
    drop_bare,
    drop_facts,
    drop_notes,
)
from stagecache.stores.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from stagecache.clock import Clock
    from stagecache.model import Entry, Key
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index
    from stagecache.stores.disk.kept import Limits
    from stagecache.stores.policies import Worth

_FREED_PAGES = 2_000
"""Pages given back by one commit."""

_SPACE = """SELECT (SELECT value FROM meta WHERE name = 'files'), (SELECT * FROM pragma_page_count),
    (SELECT * FROM pragma_freelist_count), (SELECT * FROM pragma_page_size)"""


class Space(NamedTuple):
    """What a directory takes."""

    files: int
    """Bytes of blobs, trash and quarantine."""
    pages: int
    free: int
    """Pages of the index that hold nothing."""
    page: int
    """Bytes of a page."""
    besides: int
    """Bytes of what never gives way: items of collections, locks, the list of the forgotten."""

    @property
    def used(self) -> int:
        """Bytes on disk, without the log."""
        return self.files + self.pages * self.page + self.besides


class Evictor:
    """Makes room in one directory.

    Parameters
    ----------
    index : Index
        Its rows.
    files : Files
        Its files and their account.
    directory : Directory
        Where they lie.
    limits : Limits
        The bound and the policy.
    clock : Clock
        What worth is judged by.
    besides : callable
        Returns the bytes of what counts and never gives way.
    """

    def __init__(
        self,
        index: Index,
        files: Files,
        directory: Directory,
        limits: Limits,
        clock: Clock,
        besides: Callable[[], int],
    ) -> None:
        self._index = index
        self._files = files
        self._directory = directory
        self._limits = limits
        self._clock = clock
        self._besides = besides
        self._unseen = 1 << 62
        """Bytes put since the account was read; nobody knows of those before the first."""
        self.listeners: list[Callable[[Taken], None]] = []

    def admit(self, stage: str, size: int) -> None:
        """Let `size` bytes of a result in: not more than fit, with no policy only if there is room.

        Raises
        ------
        DoesNotFitError
            If it cannot be kept.
        """
        max_size, eviction = self._limits
        if max_size is None:
            return
        frame = Frame.of(max_size)
        if size > frame.high - EMPTY:
            raise DoesNotFitError(self._directory.root, stage, size, max_size)
        if eviction in POLICIES:
            return
        grown = size + COMMIT
        if self.space().used + grown > frame.high:
            with self._alone():
                self._fit(frame.high - grown)
            if self.space().used + grown > frame.high:
                raise DoesNotFitError(self._directory.root, stage, size, max_size)

    def is_due(self, entry: Entry) -> bool:
        """Tell whether to look at the account now that `entry` was put."""
        self._unseen += entry.size + COMMIT
        return entry.blob is not None or self._unseen >= self._limits.stride

    def settle(self, entry: Entry) -> None:
        """Make room, if need be, after `entry` was put; it is not what gives way for itself.

        Raises
        ------
        DoesNotFitError
            If there is no room even so: it is kept no more.
        """
        self._unseen = 0
        self._limits.refresh()
        max_size, eviction = self._limits
        if max_size is None:
            return
        frame = Frame.of(max_size)
        self._shorten_log(frame.log)
        if self.space().used <= frame.high:
            return
        with self._alone():
            if eviction not in POLICIES:
                self._fit(frame.high)
                return
            # More than once: others put meanwhile.
            for spared in (entry.key, entry.key, None):
                if self._fit(frame.high):
                    return
                self._make_room(frame, POLICIES[eviction], spared)
        standing = self._index.get(entry.key)
        if standing is not None and standing.has_value:
            return
        raise DoesNotFitError(self._directory.root, entry.stage, entry.size, max_size)

    def reduce(self, max_size: int, *, dry_run: bool = False) -> list[Taken]:
        """Let a directory take no more than `max_size` bytes, if that can be; return what went.

        Where nothing is to give way by itself, it gives way by cost. Of a dry run the figures are
        about right.
        """
        frame = Frame.of(max_size)
        worth = POLICIES.get(self._limits.eviction, POLICIES["cost"])
        if not self.space().pages:
            return []
        if dry_run:
            need = self._live() - frame.low
            if need <= 0 or self.space().used <= frame.high:
                return []
            return Victims(self._index, self._files, worth, self._clock.now(), None).rehearse(need)
        with self._alone():
            return [] if self._fit(frame.high) else self._make_room(frame, worth)

    def give_back(self) -> None:
        """Give all free pages of the index back to the file system."""
        space = self.space()
        if space.free:
            self._shrink(space.used - space.free * space.page)

    def space(self) -> Space:
        """Return what the directory takes by its account."""
        found = self._index.select(_SPACE)
        files, pages, free, page = found[0] if found else (0, 0, 0, 0)
        if files is None:
            raise apsw.CorruptError("it has lost the sum of its files")
        return Space(files, pages, free, page, self._besides())

    # --- making room

    def _alone(self) -> AbstractContextManager[int]:
        """Let one process at a time make room; the others find that there is some."""
        return locked(self._directory.evicting)

    def _fit(self, high: int) -> bool:
        """Give up trash and free pages as far as must be; return whether that is enough."""
        over = self.space().used - high
        if over > 0:
            self._index.write(lambda connection: self._files.empty_trash(connection, over))
        return self._shrink(high)

    def _shrink(self, high: int) -> bool:
        """Give up free pages as far as must be; return whether that is enough."""
        space = self.space()
        while space.used > high and space.free:
            pages = min(-((high - space.used) // space.page), space.free, _FREED_PAGES)
            self._index.write(partial(_give_back, pages=pages))
            self._shorten_log(0)
            before, space = space, self.space()
            if space.pages >= before.pages:
                break
        return space.used <= high

    def _make_room(self, frame: Frame, worth: Worth, spared: Key | None = None) -> list[Taken]:
        """Take values until the rest is below the low mark, or none is left; return which went."""
        gone: dict[str, Taken] = {}
        self._index.flush()  # what was used lately counts
        victims = Victims(self._index, self._files, worth, self._clock.now(), spared)
        self._index.write(partial(drop_facts, most=frame.facts))
        bare = self._index.write(count_bare)
        while (need := self._live() - frame.low) > 0:

            def work(connection: apsw.Connection, need: int = need) -> list[Taken] | None:
                nonlocal bare
                taken = victims.take(connection, need, frame.batch)
                bare += sum(part.values for part in taken or ())
                if bare > frame.bare:
                    drop_bare(connection, bare - frame.bare)
                    bare = frame.bare
                return taken

            taken = self._index.write(work)
            self._shorten_log(frame.log)
            if taken is None and not (victims.choose(need) or self._index.write(drop_notes)):
                break
            for part in taken or ():
                known = gone.get(part.stage, Taken(part.stage, 0, 0))
                gone[part.stage] = Taken(
                    part.stage, known.values + part.values, known.bytes + part.bytes
                )
        self._fit(frame.high)
        for part in gone.values():
            for listener in self.listeners:
                listener(part)
        return list(gone.values())

    def _live(self) -> int:
        """Return the bytes that would be left without trash and free pages."""
        space = self.space()
        ((trash,),) = self._index.select(
            "SELECT coalesce(sum(bytes), 0) FROM files WHERE place = ?", (TRASH,)
        )
        return int(space.used - trash - space.free * space.page)

    def _shorten_log(self, most: int) -> None:
        """Empty the log into the index if it is longer; not while somebody reads what is old."""
        with suppress(OSError):
            if os.stat(f"{self._directory.index}-wal").st_size > most:
                self._index.empty_log()


def _give_back(connection: apsw.Connection, pages: int) -> None:
    """Give free pages back to the file system, with the next checkpoint."""
    connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
