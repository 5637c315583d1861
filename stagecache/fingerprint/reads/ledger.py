"""Notes what a function that keeps its results read, as long as the process lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.recorder import Recorder
from stagecache.fingerprint.reads.sightings import Sightings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.reads.sightings import FactKind, Sight
    from stagecache.model import Read


_MOST = 20_000
"""How many names of a kind are noted: a server may open new files for ever."""


_BY_NAME = frozenset({"names", "listings", "looks", "facts", "candidates"})
_KEPT = frozenset({*_BY_NAME, "variables"})


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

    def read(self, name: str, *, by_hand: bool = False) -> None:
        known = self.named(name)
        path = self.names.pop(known, "")
        sight = self.sights.get(path)
        if sight is not None and not sight.is_written:
            self.sights.pop(path, None)
        super().read(name, by_hand=by_hand)
        if sight is not None and known not in self.names:  # linecache, which was asked by hand
            self.names[known] = path
            self.sights.setdefault(path, sight)

    def _sight(self, path: str) -> Sight | None:
        if len(self.sights) > _MOST:
            self._forget_the_oldest()
        return super()._sight(path)

    def _forget_the_oldest(self) -> None:
        for path in list(self.sights)[: _MOST // 2]:
            self.sights.pop(path, None)
            self.touched.pop(path, None)
        for name, path in list(self.names.items()):
            if path not in self.sights:
                self.names.pop(name, None)
                self.relative.discard(name)

    def made_folder(self, name: str) -> None:
        super().made_folder(name)
        self._forget_what_it_made()

    def removed(self, name: str) -> None:
        super().removed(name)
        self._forget_what_it_made()

    def _forget_what_it_made(self) -> None:
        """Let what it made long ago count as made by others."""
        if len(self.touched) > _MOST:
            self.touched.clear()
        if len(self._own_folders) > _MOST:
            self._own_folders = self._own_folders[-(_MOST // 2) :]

    def listed(self, name: str) -> None:
        _make_room(self.listings, self.named(name))
        super().listed(name)

    def looked_for(self, name: str) -> None:
        _make_room(self.looks, self.named(name))
        _make_room(self.missed, self.path_of(name))
        super().looked_for(name)

    def asked_of(self, kind: FactKind, name: str) -> None:
        _make_room(self.facts, (kind, self.named(name)))
        super().asked_of(kind, name)

    def named_file(self, name: str) -> None:
        _make_room(self.candidates, self.named(name))
        super().named_file(name)

    def read_variable(self, name: str) -> None:
        self.variables.pop(name, None)
        super().read_variable(name)

    def take_latest(self, what: str, key: Any, value: Any) -> None:
        """Take over a note of another process; the last one counts."""
        if what in _BY_NAME:
            path = value[0]
            if not os.path.isabs(key[1] if what == "facts" else key):
                self.relative.add(path)
            key = (key[0], path) if what == "facts" else path
            if what == "names" and self.names.pop(path, None) is not None:
                self.sights.pop(path, None)
        if what in _KEPT:
            _make_room(getattr(self, what), key)
        if len(self.sights) > _MOST:
            self._forget_the_oldest()
        self._forget_what_it_made()
        self.take(what, key, value)


def _make_room(notes: dict[Any, Any], name: Any) -> None:
    """Let the next note on `name` be the newest, and the oldest go if there are too many."""
    notes.pop(name, None)
    if len(notes) > _MOST:
        for old in list(notes)[: _MOST // 2]:
            notes.pop(old, None)


class Ledger(Recorder):
    """What one function read whenever it made what it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: _Latest = _Latest()

    def absorb(self, reads: Iterable[Read], written: Iterable[str] = ()) -> None:
        """Take over what a stage read whose result the function got; the last one counts."""
        super().absorb(reads, written)
        if len(self._absorbed) > 2 * _MOST:
            self._keep_the_latest()

    def take(self, what: str, key: Any, value: Any, *, start: str) -> None:
        """Take over what another process noted where the function is at work for a body."""
        self._settled = None
        if what == "absorbed":
            self._absorb_from(start, value)
        elif what != "rests":
            self.seen.take_latest(what, key, value)

    def _absorb_from(self, start: str, read: Read) -> None:
        if read.is_of_a_path and not os.path.isabs(read.name):
            path = os.path.normpath(os.path.join(start, read.name))
            self.seen.relative.add(path)
            read = read._replace(name=path)
        self._absorbed.append(read)

    def _keep_the_latest(self) -> None:
        self._absorbed = list({read[:2]: read for read in self._absorbed}.values())[-_MOST:]

    def reads_from(self, start: str) -> Iterator[Read]:
        """Yield what was read, named as from the working directory `start`.

        What is another file by now has a digest that nothing has: what is kept is not of it.
        """
        self._settled = None
        self._keep_the_latest()
        for read in self.reads():
            if read.name in self.seen.relative:
                yield read._replace(name=os.path.relpath(read.name, start))
            else:
                yield read
