"""Judges, when a body has ended, which reads its result rests on, and whether they held still.

What happened meanwhile is noted by ``sightings``; whether a read is unchanged later is decided by
``check``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecache.fingerprint.reads.attribution import Owner, nobody
from stagecache.fingerprint.reads.check import (
    MISSING,
    THERE,
    UNSETTLED,
    contents_digest,
    digest_now,
    is_same,
    listing,
    listing_digest,
    module_digest,
    state,
)
from stagecache.fingerprint.reads.sightings import FACTS
from stagecache.model import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from stagecache.fingerprint.reads.sightings import Sight, Sightings


class Judging(Owner):
    """Judges what was seen of one body; what that is told by hand is for a recorder.

    Parameters
    ----------
    seen : Sightings
        Of the body.
    counted, names
        As of a recorder.
    """

    def __init__(
        self,
        seen: Sightings,
        counted: AbstractSet[str],
        names: Callable[[str], bool] | None,
    ) -> None:
        super().__init__(seen)
        self._counted = counted
        self._names = names
        self._declared: set[str] = set()
        self._named: dict[str, str] = {}
        """Files that the body made and its result names: as it names them -> path."""
        self._absorbed: list[Read] = []
        self._settled: tuple[tuple[Read, ...], tuple[str, ...]] | None = None

    def _settle(self) -> tuple[tuple[Read, ...], tuple[str, ...]]:
        if self._settled is None:
            found: dict[tuple[str, str], Read] = {}
            with nobody():
                own = [*self._files(), *self._folders(), *self._looks(), *self._outputs()]
                noted = [*own, *self._elsewhere(own), *self._others(), *self._items()]
                noted += [read for read in self._absorbed if not self._is_of_its_own(read)]
                for read in noted:
                    known = found.setdefault(read[:2], read)
                    if known.digest != read.digest:
                        found[read[:2]] = read._replace(digest=UNSETTLED)
            reads = tuple(found[key] for key in sorted(found))
            names = {read.shown for read in reads if read.digest == UNSETTLED}
            self._settled = reads, tuple(sorted(names))
        return self._settled

    def _files(self) -> Iterator[Read]:
        seen = self.seen
        for name, path in list(seen.names.items()):
            read = None if self._is_declared(path) else self._file(name, path, seen.sights[path])
            if read is not None:
                yield read
        for name, (path, before) in list(seen.candidates.items()):
            sight = seen.sights.get(path)
            if name in seen.names or self._is_none(path) or (sight and sight.is_written):
                continue
            digest = contents_digest(path)
            if is_same(before, state(path)):
                yield Read("file", name, digest)

    def _file(self, name: str, path: str, sight: Sight) -> Read | None:
        """Return what a read of `path` amounts to; None: it was the body's own doing."""
        # The digest first: if the stat is as before afterwards, it is of what the body read.
        digest = contents_digest(path)
        now = state(path)
        if sight.is_own and (now is None or not is_same(now, sight.first)):
            # Looked for before it was made: the body would find now what it made.
            return Read("file", name, digest) if now and path in self.seen.missed else None
        if now is None and sight.read_at is None:
            return Read("missing", name, MISSING)
        if now is None and self._was_temporary(path, sight):
            return None
        if sight.is_own or is_same(now, sight.read_at):
            return Read("file", name, digest)
        if sight.read_at is None and sight.is_written:  # likewise, by trying to open it
            return Read("file", name, digest)
        return Read("file", name, UNSETTLED)

    def _was_temporary(self, path: str, sight: Sight) -> bool:
        """Tell whether the body removed what a program of its own made while it ran."""
        at = sight.read_at
        return at is not None and path in self.seen.touched and at.st_ctime_ns > self.seen.began

    def _folders(self) -> Iterator[Read]:
        for name, (path, before) in list(self.seen.listings.items()):
            if self._is_none(path):
                continue
            digest = listing_digest(path)
            now = listing(path) or frozenset()
            strange = {
                each for each in before ^ now if os.path.join(path, each) not in self.seen.touched
            }
            yield Read("directory", name, UNSETTLED if strange else digest)

    def _looks(self) -> Iterator[Read]:
        """Yield what the body asked of files without opening them, where nothing else says so."""
        seen = self.seen
        for name, (path, was_there) in list(seen.looks.items()):
            if name in seen.names or name in seen.listings or self._is_none(path):
                continue
            if path not in seen.touched:  # else it would find now what it made
                yield Read("missing", name, THERE if was_there else MISSING)
        for (kind, name), (path, digest) in list(seen.facts.items()):
            if path not in seen.touched and not self._is_none(path):
                now = FACTS[kind](name, seen.start)
                yield Read(kind, name, digest if now == digest else UNSETTLED)

    def _outputs(self) -> Iterator[Read]:
        for name, path in self._named.items():
            if not self._is_declared(path):
                yield Read("file", name, contents_digest(path))

    def _elsewhere(self, reads: list[Read]) -> Iterator[Read]:
        """Yield once more, by relative names, what may have been found by the working directory.

        Whether it was cannot be told, so both have to be as they were.
        """
        if self.seen.asks_where_it_is:
            for read in reads:
                name = self.seen.beside(read.name)
                if name is None:
                    continue
                if read.kind == "link" and read.digest != UNSETTLED:  # it counts from where it is
                    yield read._replace(name=name, digest=FACTS["link"](name, self.seen.start))
                else:
                    yield read._replace(name=name)

    def _others(self) -> Iterator[Read]:
        for name, digest in list(self.seen.variables.items()):
            if name not in self._counted:
                yield Read("environment", name, digest)
        for name, digest in list(self.seen.passed.items()):
            if name not in self._counted and self._names is not None and self._names(name):
                yield Read("environment", name, digest)
        for name in list(self.seen.modules):
            if name not in self._counted:
                yield Read("module", name, module_digest(name))

    def _items(self) -> Iterator[Read]:
        for name, digest in list(self.seen.items.items()):
            read = Read("item", name, digest)
            if read.place not in self.seen.own_collections:
                yield read if digest_now(read) == digest else read._replace(digest=UNSETTLED)

    def _is_of_its_own(self, read: Read) -> bool:
        return read.kind == "item" and read.place in self.seen.own_collections

    def _is_none(self, path: str) -> bool:
        sight = self.seen.sights.get(path)
        return (
            self._is_declared(path)
            or self.seen.is_own(path)
            or (sight is not None and sight.is_own)
        )

    def _is_declared(self, path: str) -> bool:
        if not self._declared:
            return False
        above = path
        while above not in self._declared:
            above, below = os.path.dirname(above), above
            if above == below:
                return False
        return True
