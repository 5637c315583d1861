"""Notes what a function that keeps its results read, as long as the process lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecache.fingerprint.reads.recorder import Recorder
from stagecache.fingerprint.reads.sightings import Sightings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.reads.sightings import FactKind
    from stagecache.model import Read


class _Latest(Sightings):
    """What was seen last counts: what is kept is from then, and the process may have moved."""

    def __init__(self) -> None:
        super().__init__()
        self.relative: set[str] = set()
        """Paths that were named as seen from a working directory."""

    def named(self, name: str) -> str:
        path = os.path.abspath(name)
        if not os.path.isabs(name):
            self.relative.add(path)
        return path

    def read(self, name: str, *, by_descriptor: bool = False, by_hand: bool = False) -> None:
        path = self.names.pop(self.named(name), None)
        if path is not None and not self.sights[path].is_written:
            del self.sights[path]
        super().read(name, by_descriptor=by_descriptor, by_hand=by_hand)

    def listed(self, name: str) -> None:
        self.listings.pop(self.named(name), None)
        super().listed(name)

    def looked_for(self, name: str) -> None:
        self.looks.pop(self.named(name), None)
        super().looked_for(name)

    def asked_of(self, kind: FactKind, name: str) -> None:
        self.facts.pop((kind, self.named(name)), None)
        super().asked_of(kind, name)

    def named_file(self, name: str) -> None:
        self.candidates.pop(self.named(name), None)
        super().named_file(name)

    def read_variable(self, name: str) -> None:
        self.variables.pop(name, None)
        super().read_variable(name)


class Ledger(Recorder):
    """What one function read whenever it made what it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: _Latest = _Latest()

    def absorb(self, reads: Iterable[Read], written: Iterable[str] = ()) -> None:
        """Take over what a stage read whose result the function got; the last one counts."""
        super().absorb(reads, written)
        self._absorbed = list({read[:2]: read for read in self._absorbed}.values())

    def reads_from(self, start: str) -> Iterator[Read]:
        """Yield what was read, named as from the working directory `start`.

        What is another file by now has a digest that nothing has: what is kept is not of it.
        """
        self._settled = None
        for read in self.reads():
            if read.name in self.seen.relative:
                yield read._replace(name=os.path.relpath(read.name, start))
            else:
                yield read
