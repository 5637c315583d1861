"""Reads all that a directory keeps and finds what is wrong; to set it right is `repair`'s.

Its rooms go through the index page by page (`verify_rows`) and through the files folder by folder
(`verify_blobs`, `files`), so that the memory it takes does not grow with what is kept. Others go on
reading, writing and removing meanwhile: what looks wrong is looked at again before it is called a
problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.stores.disk import holds
from stagecache.stores.disk.databases import CORRUPT
from stagecache.stores.disk.sound import damages
from stagecache.stores.disk.tally import Tally
from stagecache.stores.disk.verify_blobs import BlobCheck
from stagecache.stores.disk.verify_rows import RowCheck
from stagecache.stores.reports import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.stores.disk.blobs import Blobs
    from stagecache.stores.disk.directory import Directory
    from stagecache.stores.disk.files import Files
    from stagecache.stores.disk.index import Index
    from stagecache.stores.disk.items import Items
    from stagecache.stores.reports import Checked


class Verifier:
    """One check of one directory.

    Parameters
    ----------
    index, blobs, files, directory, items
        What is checked.
    before : float
        Seconds since the epoch: what became of files since then, somebody may be about to note.
    progress : callable
        Called now and then, in the caller's thread. What it raises ends the check.
    """

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        files: Files,
        directory: Directory,
        items: Items,
        before: float,
        progress: Callable[[Checked], None],
    ) -> None:
        self._index = index
        self._files = files
        self._directory = directory
        self._before = before
        self._tally = Tally(progress)
        self._rows = RowCheck(index, self._tally)
        self._items = items
        self._blobs = BlobCheck(index, blobs, directory, self._tally)

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong, as it is found."""
        rooms = (
            self._of_index, self._rows.results, self._of_items, self._blobs.problems,
            self._of_parts, self._of_files,
        )  # fmt: skip
        try:
            for room in rooms:
                try:
                    for problem in room():
                        self._tally.add(problems=1)
                        yield problem
                except CORRUPT as error:
                    self._tally.add(problems=1)
                    yield Problem("index", str(error))
            self._tally.tell(share=1.0)
        finally:
            self._blobs.end()

    def _of_index(self) -> Iterator[Problem]:
        # Each answered by an SQL index alone.
        counted = self._index.select("SELECT count(*) FROM entries")
        counted += self._index.select("SELECT count(*) FROM entries WHERE blob IS NOT NULL")
        self._tally.total = sum(number for (number,) in counted) + self._items.total()
        if counted:
            for detail in damages(self._directory.index, self._tally.tell):
                yield Problem("index", detail)

    def _of_items(self) -> Iterator[Problem]:
        return self._items.check(self._tally)

    def _of_parts(self) -> Iterator[Problem]:
        """Look for results without one of their parts, of which some may be gone by repair."""
        for (key,) in self._index.select(holds.BEREFT):
            entry = self._index.get(key)
            if entry is None or not entry.has_value or not self._index.lacks_parts(entry):
                continue
            if self._index.get(key) == entry:  # not forgotten in between, with its parts
                yield Problem("part", "a part of it is gone", entry.stage, key)

    def _of_files(self) -> Iterator[Problem]:
        wrong = self._files.astray(self._index, self._before, self._tally.tell)
        if wrong:
            said, found = sum(each.said for each in wrong), sum(each.found for each in wrong)
            files = "1 file" if len(wrong) == 1 else f"{len(wrong):,} files"
            yield Problem(
                "account",
                f"the account of files is wrong about {files}: it says {said:,} bytes, "
                f"there are {found:,}",
            )
