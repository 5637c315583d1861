"""Tells in a tenth of a microsecond whether anybody has changed an item: a map that all share.

SQLite tells it too, by ``PRAGMA data_version``, in 2.4 us. Here a few thousand words of memory
are shared by all processes that use the directory. Whoever has committed a change writes a new
number, never used before, into the word of the key; who remembers a value remembers the number
that the word had *before* the value was read. To map SQLite's own shared memory was rejected: to
close a file of it in this process would give up all locks that SQLite has on it.

A writer that is killed between commit and note leaves the others with what they remember. So
nothing is remembered for longer than LIFE.
"""

from __future__ import annotations

import mmap
import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from stagecache.forking import hold_over_forks
from stagecache.stores.disk.directory import no_follow

if TYPE_CHECKING:
    from stagecache.stores.disk.items.place import ItemsDirectory
    from stagecache.stores.disk.trust import Trust

LIFE = 0.5
"""Seconds after which a value is read again, whatever the words say."""
_WORDS = 4096
_LOOK = 0.1
"""Seconds between two looks at whether the file is still the same."""


class Versions:
    """The words of one directory.

    Parameters
    ----------
    directory : ItemsDirectory
        Where they lie.
    trust : Trust
        Where others may write there are none: they could truncate a file that is mapped.
    """

    def __init__(self, directory: ItemsDirectory, trust: Trust, *, writes: bool) -> None:
        self._directory = directory
        self.root = directory.root
        self._trust = trust
        self._writes = writes
        self._map: mmap.mmap | None = None
        self._identity = (0, 0)
        self._next_look = 0.0
        self._tokens = _tokens()
        self.words: Any = None
        """A number a word, of which the first changes with every change of many items at once;
        None if nothing can be remembered here."""
        hold_over_forks(self)

    def position(self, number: int, key: bytes) -> int:
        """Return where the word of a key of a collection is."""
        return 1 + xxh3_64_intdigest(key, number) % (_WORDS - 1)

    def note(self, position: int = 0) -> None:
        """Tell all that a key of that word was changed, by a commit; 0: any key."""
        if self._next_look == 0.0:
            self.look()
        words = self.words
        if words is not None:
            words[position] = next(self._tokens)

    def changed(self, number: int, key: bytes) -> None:
        """Tell all that a key of a collection was changed: both of the above in one call."""
        words = self.words
        if words is not None:
            words[1 + xxh3_64_intdigest(key, number) % (_WORDS - 1)] = next(self._tokens)
        elif self._next_look == 0.0:
            self.note(self.position(number, key))

    def is_current(self) -> bool:
        """Look now and then at whether the file is still the same; return False if it is not."""
        if time.monotonic() < self._next_look:
            return True
        return self.look()

    def look(self) -> bool:
        """Look whether the file is still the same, and map the one that is there if not.

        Another one is another directory: the one that was there has been removed.
        """
        self._next_look = time.monotonic() + _LOOK
        try:
            status = os.stat(self._directory.versions)
            identity = (status.st_dev, status.st_ino)
        except OSError:
            identity = (0, 0)
        before = self._identity
        if identity == before and self.words is not None:
            return True
        self._open()
        return before == (0, 0)

    def _open(self) -> None:
        self.words = self._map = None
        self._identity = (0, 0)
        if not self._writes or not self._trust.is_private or not self._directory.is_local():
            return
        try:
            descriptor = no_follow(self._directory.versions, os.O_RDWR | os.O_CREAT)
        except OSError:
            return
        try:
            status = os.fstat(descriptor)
            if status.st_size < 8 * _WORDS:
                os.ftruncate(descriptor, 8 * _WORDS)
            self._map = mmap.mmap(descriptor, 8 * _WORDS)
        except (OSError, ValueError):
            return
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")
        self._identity = (status.st_dev, status.st_ino)

    def before_fork(self) -> None:
        """Do nothing: the map is shared with the child, as with all others."""

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child have numbers of its own."""
        if in_child:
            self._tokens = _tokens()


def _tokens() -> count[int]:
    return count(int.from_bytes(os.urandom(7)) << 7)
