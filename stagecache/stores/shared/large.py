"""Large values on a shelf: each under the digest of its bytes, whatever entries name it.

Nobody knows how many entries do, so a value is not removed with one of them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.errors import ShelfError, warn
from stagecache.stores.sections import address
from stagecache.stores.shared import envelope
from stagecache.stores.shared.envelope import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.model import Digest
    from stagecache.stores.shared.envelope import Opened
    from stagecache.stores.shared.keyring import Keyring
    from stagecache.stores.shared.reach import Reach

_MOST_LOST = 10_000


class Refusals:
    """Counts what was there and not to be believed, and tells of the first.

    Parameters
    ----------
    where : str
        The shelf, for people.
    """

    def __init__(self, where: str) -> None:
        self.count = 0
        self._where = where

    def note(self, why: Exception) -> None:
        """Count one more."""
        self.count += 1
        if self.count == 1:
            warn(
                f"A shared result in {self._where} is not to be believed: {why}. Probably somebody "
                "without the team's key wrote it, or with another one, or it was damaged. It "
                "counts as missing, as do all others like it, and is computed again. `stagecache "
                "status` counts them; see `signing_key` and who may write there."
            )


class LargeValues:
    """Keeps the sections of values.

    Parameters
    ----------
    reach : Reach
        The shelf.
    namespace : str
        What all names begin with.
    keyring : Keyring or None
        The keys that have to have signed whatever is read.
    refusals : Refusals
        Told of what is not to be believed.
    writes : bool
        Whether anything is ever written there.
    seconds : float or None
        How long the shelf is to keep what is put; None: as long as it has room.

    Examples
    --------
    >>> from stagecache.stores.shared.reach import Reach
    >>> from stagecache.testing.shelves import MemoryShelf
    >>> reach = Reach(MemoryShelf(), None)
    >>> values = LargeValues(reach, "team", None, Refusals("memory"), writes=True, seconds=None)
    >>> where = address("plain", [memoryview(b"value")])
    >>> values.keep(where, "plain", [memoryview(b"value")])
    True
    >>> [bytes(section) for section in values.load(where, "plain")]
    [b'value']
    """

    def __init__(
        self,
        reach: Reach,
        namespace: str,
        keyring: Keyring | None,
        refusals: Refusals,
        *,
        writes: bool,
        seconds: float | None,
    ) -> None:
        self.reach = reach
        self._prefix = f"{namespace}/b1/{{"
        self._keyring = keyring
        self._refusals = refusals
        self._writes = writes
        self._seconds = seconds
        self._lost: set[Digest] = set()

    def name(self, where: Digest) -> str:
        """Return the name that a value lies under."""
        return f"{self._prefix}{where.hex()}}}"

    def is_lost(self, where: Digest | None) -> bool:
        """Tell whether a value was looked for in vain: an entry that names it may be replaced."""
        return where in self._lost

    def load(self, where: Digest, codec: str) -> list[memoryview] | None:
        """Return the sections of a value, the caller's alone; None if they are not to be had."""
        name = self.name(where)
        found = self.reach.get((name,))
        if found is None:
            return None
        if name not in found:
            self._lose(where)
            return None
        try:
            opened = envelope.opened(name, found[name], self._keyring)
            self._check(where, codec, opened)
        except Refused as refused:
            self._lose(where)
            if self._writes:  # else nobody could put it back: what stands is not replaced
                with suppress(ShelfError):
                    self.reach.remove([name])
            self._refusals.note(refused)
            return None
        if opened.said != codec.encode():
            return None
        # In memory that may be written to, at addresses that arrays want: codecs take it as it is.
        return [memoryview(bytearray(section)) for section in opened.sections]

    def keep(self, where: Digest, codec: str, views: Sequence[memoryview]) -> bool:
        """Keep a value unless it is there; tell whether it is."""
        name = self.name(where)
        pieces = envelope.closed(name, codec.encode(), views, self._keyring)
        is_lost = where in self._lost  # what stands there, if anything, is not to be believed
        is_kept = self.reach.put(name, pieces, seconds=self._seconds, replace=is_lost)
        if is_kept is None:
            return False
        self._lost.discard(where)
        return True

    def _check(self, where: Digest, codec: str, opened: Opened) -> None:
        """See that it is the value that its name says.

        Raises
        ------
        Refused
            If whoever wrote it chose the contents and the name: nobody has to sign.
        """
        if self._keyring is None and address(codec, opened.sections) != where:
            raise Refused("it is not the value that its name says")

    def _lose(self, where: Digest) -> None:
        if len(self._lost) >= _MOST_LOST:
            self._lost.clear()
        self._lost.add(where)
