"""The log of marks that a team shares, on a shelf that knows neither counters nor transactions.

Each state of the log lies as a whole under a name of its own, with its number in it, and is put
only if none is there: so whoever adds a mark has seen all before it, and two who do so at once
come one after the other. The newest state lies under one more name, *now*, which is replaced.
A reader asks for *now* and for the state after the one that it knows, in one round trip.

*Now* is written after the state. Whoever comes in between finds the state itself. If somebody
slow writes an older state over a newer one, that harms no reader: whoever knows the older one
finds the next, and whoever knows the newer one, the slow one himself at the latest, puts it right.

A shelf may lose anything at any time. If *now* is gone, nobody can tell whether there was a mark
that he has not seen. So a new log begins, with another random name, and no result that knows of
the old one is good any more: reruns, but nothing stale. One gap is left. If *now* is lost while
somebody is in the middle of adding a mark, he brings the old log back, and marks that others
have put into the new one meanwhile are forgotten by those who have not seen it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.errors import ShelfError
from stagecache.marks import TEAM, Log, from_bytes, log_fields, log_of, to_bytes
from stagecache.stores.shared import envelope
from stagecache.stores.shared.envelope import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.stores.shared.keyring import Keyring
    from stagecache.stores.shared.reach import Reach

_KEPT = 16
"""States before the newest that stay, for those who are a little behind."""
_PATIENCE = 1_000
"""How many others may be faster, one after the other."""


class SharedLog:
    """The marks of all who reach a shelf.

    Parameters
    ----------
    reach : Reach
        The shelf, which warns of its trouble itself.
    namespace : str
        What all names begin with.
    keyring : Keyring or None
        The keys that have to have signed whatever is read.
    writes : bool
        Whether anything is ever written there.

    Examples
    --------
    >>> from stagecache.stores.shared.reach import Reach
    >>> from stagecache.testing.shelves import MemoryShelf
    >>> reach = Reach(MemoryShelf(), None)
    >>> one, other = (SharedLog(reach, "team", None, writes=True) for _ in range(2))
    >>> known = one.read(None)
    >>> mark = lambda log: log.marked(["tag fx"], soft=False, by="nodeA", at=0.0)
    >>> other.append(None, mark).number, one.read(known).number
    (1, 1)
    """

    def __init__(
        self, reach: Reach, namespace: str, keyring: Keyring | None, *, writes: bool
    ) -> None:
        self._reach = reach
        self._keyring = keyring
        self._writes = writes
        # What is in braces decides where a cluster keeps a name: all of these together.
        self._prefix = f"{namespace}/m1/{{marks}}"
        self._now = f"{self._prefix}now"
        self._left: set[str] = set()
        """Logs that were given up: marks have been set in others since."""
        self._seen: tuple[bytes, Log] | None = None
        """What lay under *now* the last time, and what it says."""

    def read(self, known: Log | None) -> Log | None:
        """Return the log as it is now, `known` or newer; None if that cannot be told.

        The log is nameless if it was lost and this reader cannot begin another.
        """
        newest = known if known is not None and known.name else None
        for _ in range(_PATIENCE):
            names = [self._now]
            if newest is not None:
                names.append(self._state(newest.name, newest.number + 1))
            found = self._reach.get(names)
            if found is None:
                return None
            now = self._parsed_now(found.get(self._now))
            if now is None or now.name in self._left:
                standing = found.get(self._now)
                if standing is not None and envelope.is_foreign(standing, self._keyring):
                    return None
                if not self._begin(replace=standing is not None):
                    return None if newest is None else Log("")
                self._leave(newest)
                newest = None
            elif newest is None or now.name != newest.name:
                self._leave(newest)
                newest = now
            else:
                following = self._parsed(names[1], found.get(names[1]))
                states = [state for state in (now, following) if state is not None]
                ahead = max(states, key=lambda state: state.number)
                if ahead.number <= newest.number:
                    if now.number < newest.number and self._may_replace(found[self._now]):
                        self._put_now(newest)
                    return newest
                newest = ahead
        return None

    def append(self, known: Log | None, change: Callable[[Log], Log]) -> Log | None:
        """Let `change` add a mark to the newest state; return it, or None if that is not kept."""
        tried = -1
        for _ in range(_PATIENCE if self._writes else 0):
            newest = self.read(known)
            if newest is None or not newest.name or not self._is_ours():
                return None
            log = change(newest)
            # What nobody can read is in the way: the same number was tried and is not there.
            is_kept = self._put(
                self._state(log.name, log.number), log, replace=newest.number == tried
            )
            if is_kept is None:
                return None
            if is_kept:
                if not self._put_now(log):
                    return None
                with suppress(ShelfError):  # it takes some bytes
                    self._reach.remove([self._state(log.name, log.number - _KEPT)])
                return self.read(log) or log
            known, tried = newest, newest.number
        return None

    # --- shared

    def _may_replace(self, standing: bytes | memoryview) -> bool:
        return self._writes and not envelope.is_foreign(standing, self._keyring)

    def _is_ours(self) -> bool:
        """Tell whether what was read last was not signed with a key that is not here."""
        return self._seen is not None and not envelope.is_foreign(self._seen[0], self._keyring)

    def _state(self, log: str, number: int) -> str:
        return f"{self._prefix}{log}-{number}"

    def _begin(self, *, replace: bool) -> bool:
        """Begin a log, unless somebody else just did; tell whether there is one now."""
        if not self._writes:
            return False
        log = Log(f"{TEAM}{os.urandom(8).hex()}")
        return self._put(self._now, log, replace=replace) is not None

    def _leave(self, log: Log | None) -> None:
        if log is not None:
            self._left.add(log.name)

    def _put_now(self, log: Log) -> bool:
        return bool(self._put(self._now, log, replace=True))

    def _put(self, name: str, log: Log, *, replace: bool) -> bool | None:
        body = memoryview(to_bytes(log_fields(log)))
        pieces = envelope.closed(name, b"marks", [body], self._keyring)
        return self._reach.put(name, pieces, seconds=None, replace=replace)

    def _parsed_now(self, data: bytes | memoryview | None) -> Log | None:
        """Return what *now* says: most of the time the same as the last time."""
        seen = self._seen
        if seen is not None and data == seen[0]:
            return seen[1]
        log = self._parsed(self._now, data)
        if log is not None and data is not None:
            self._seen = bytes(data), log
        return log

    def _parsed(self, name: str, data: bytes | memoryview | None) -> Log | None:
        """Return the state under a name; None if there is none that can be believed."""
        if data is None:
            return None
        try:
            opened = envelope.opened(name, data, self._keyring)
            return log_of(from_bytes(bytes(opened.sections[0])))
        except (Refused, ValueError, IndexError):
            return None
