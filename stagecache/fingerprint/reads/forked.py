"""Lets a body know what processes see that are forked while it runs.

A child has its parent's memory, the notes on what the body saw among it; what it adds to them is
put into a file without a name that both have open. Who is started as a program of its own
(``spawn``, loky) has none of that.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads import attribution
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.sightings import Sightings
from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.fingerprint.reads.attribution import Owner
    from stagecache.fingerprint.reads.sightings import FactKind, Sight

_MOST = 64 << 20
"""Bytes: a child may outlive the body, and open new files for ever."""
_SIZE = 8


class Box:
    """Messages of children, in the order in which they were put.

    Examples
    --------
    >>> box = Box()
    >>> box.put("read", "a.txt")
    >>> list(box.taken()), list(box.taken())
    ([('read', ('a.txt',))], [])
    >>> box.close()
    """

    def __init__(self) -> None:
        import fcntl  # where nothing forks there is none

        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("stagecache")
        else:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        # At the end, whoever writes: of a file without a name the system does not guard the place
        # that children share, and one would write over what another one has just written.
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)
        self._taken = 0

    def put(self, what: str, *arguments: Any) -> None:
        """Put a message; it may be that nobody takes it."""
        text = pickle.dumps((what, arguments))
        if os.fstat(self._file).st_size < _MOST:  # one write, so that it stays together
            os.write(self._file, len(text).to_bytes(_SIZE, "little") + text)

    def taken(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the messages that have come."""
        while True:
            head = os.pread(self._file, _SIZE, self._taken)
            size = int.from_bytes(head, "little")
            text = os.pread(self._file, size, self._taken + _SIZE)
            if not head or len(text) < size:
                return
            self._taken += _SIZE + size
            yield pickle.loads(text)

    def close(self) -> None:
        """Take no more."""
        os.close(self._file)


class _Forked(Sightings):
    """The notes of a body in a child: what is new in them is told."""

    box: Box

    def read(self, name: str, *, by_descriptor: bool = False, by_hand: bool = False) -> None:
        count = len(self.names)
        super().read(name, by_descriptor=by_descriptor, by_hand=by_hand)
        if len(self.names) > count:
            self._tell("read", next(reversed(self.names)))

    def listed(self, name: str) -> None:
        count = len(self.listings)
        super().listed(name)
        if len(self.listings) > count:
            self._tell("listed", self.named(name))

    def looked_for(self, name: str) -> None:
        count = len(self.looks)
        super().looked_for(name)
        if len(self.looks) > count:
            self._tell("looked_for", self.named(name))

    def asked_of(self, kind: FactKind, name: str) -> None:
        count = len(self.facts)
        super().asked_of(kind, name)
        if len(self.facts) > count:
            self._tell("asked_of", kind, self.named(name))

    def named_file(self, name: str) -> None:
        count = len(self.candidates)
        super().named_file(name)
        if len(self.candidates) > count:
            self._tell("named_file", self.named(name))

    def read_variable(self, name: str) -> None:
        count = len(self.variables) + len(self.passed)
        super().read_variable(name)
        if len(self.variables) + len(self.passed) > count:
            self._tell("read_variable", name)

    def imported(self, name: str) -> None:
        is_new = name not in self.modules
        super().imported(name)
        if is_new:
            self._tell("imported", name)

    def looked_at_item(self, name: str) -> None:
        is_new = name not in self.items
        super().looked_at_item(name)
        if is_new:
            self._tell("looked_at_item", name)

    def changed_collection(self, place: tuple[str, str]) -> None:
        is_new = place not in self.own_collections
        super().changed_collection(place)
        if is_new:
            self._tell("changed_collection", place)

    def owns_folder(self, path: str) -> None:
        super().owns_folder(path)
        self._tell("owns_folder", path)

    def removed(self, name: str) -> None:
        is_new = self.path_of(name) not in self.touched
        super().removed(name)
        if is_new:
            self._tell("removed", self.path_of(name))

    def _write(self, path: str, sight: Sight, *, is_own: bool) -> None:
        is_new = not sight.is_written
        super()._write(path, sight, is_own=is_own)
        if is_new:
            self._tell("made_file" if sight.is_own else "changed_file", path)

    def _tell(self, what: str, *arguments: Any) -> None:
        with nobody():
            self.box.put(what, *arguments)


class _Forks:
    """Gives each body that runs a box when the process forks, and its notes in the child to it."""

    def before_fork(self) -> None:
        attribution.lock.acquire()
        for one in attribution.running:
            if one.box is None:
                one.box = Box()

    def after_fork(self, *, in_child: bool) -> None:
        attribution.lock.release()
        for one in attribution.running if in_child else ():
            _tell_from_now_on(one)


def _tell_from_now_on(one: Owner) -> None:
    one.is_copy = True
    one.seen.__class__ = _Forked
    one.seen.box = one.box


_forks = _Forks()


@once
def install() -> None:
    """Begin to tell, once in the life of the process."""
    hold_over_forks(_forks)
