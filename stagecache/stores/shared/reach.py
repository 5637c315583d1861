"""One shelf as the store asks it: never in anybody's way, and told of once when it is in trouble.

Two kinds of trouble. In an *outage* nobody is served: the shelf is left alone for a while, and
everything is a miss at once. Otherwise one request was *refused* (memory is full, a replica only
reads, a value is too large): others go through, so nothing is left alone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stagecache.breaker import Breaker
from stagecache.errors import ShelfError, warn
from stagecache.remote.refusals import takes_nothing, untaken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from stagecache.clock import Clock
    from stagecache.stores.shared.shelf import Shelf

_log = logging.getLogger("stagecache")


class Reach:
    """A shelf behind a breaker.

    Parameters
    ----------
    shelf : Shelf
        What is asked.
    clock : Clock or None
        Where the time comes from.
    breaker : Breaker or None, optional
        Shared with whatever else asks this server.

    Examples
    --------
    >>> from stagecache.testing.shelves import MemoryShelf
    >>> reach = Reach(MemoryShelf(), None)
    >>> reach.put("name", [b"value"], seconds=None, replace=False), reach.get(["name"])
    (True, {'name': b'value'})
    """

    def __init__(self, shelf: Shelf, clock: Clock | None, breaker: Breaker | None = None) -> None:
        self.name = shelf.name
        self._shelf = shelf
        self._breaker = breaker or Breaker(clock)
        self._told: set[tuple[str, str]] = set()
        """Verbs and causes of refusals that this process has been told of."""

    @property
    def is_out(self) -> bool:
        """Whether nobody is served at present, as far as is known."""
        return self._breaker.is_open

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview] | None:
        """Return the values under those of `names` that there are; None if it does not tell."""
        breaker = self._breaker
        if not breaker.allows():
            return None
        try:
            found = self._shelf.get(names)
        except ShelfError as error:
            self._note(error, "read")
            return None
        if breaker.is_open:
            self._answered()
        return found

    def put(
        self, name: str, pieces: Sequence[Buffer], *, seconds: float | None, replace: bool
    ) -> bool | None:
        """Keep a value; tell whether it is kept, and not another one; None if neither is."""
        if not self._breaker.allows():
            return None
        try:
            is_kept = self._shelf.put(name, pieces, seconds=seconds, replace=replace)
        except ShelfError as error:
            self._note(error, "write")
            return None
        self._answered()
        return is_kept

    def takes(self, size: int) -> bool:
        """Tell whether a value of so many bytes may be sent; nobody is asked."""
        limit = self._shelf.limit
        if limit is None or size <= limit:
            return True
        problem = f"a value of {size:,} bytes is larger than {limit:,}, the most it takes"
        self._note(ShelfError(self.name, problem, is_outage=False), "write")
        return False

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return how many there were.

        Raises
        ------
        ShelfError
            If they may still be there: whoever wants them to be forgotten has to know.
        """
        if not self._breaker.allows():
            raise ShelfError(self.name, "it did not answer a moment ago", is_outage=True)
        try:
            count = self._shelf.remove(names)
        except ShelfError as error:
            self._note(error, "remove")
            raise
        self._answered()
        return count

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        self._shelf.close()

    def _answered(self) -> None:
        if self._breaker.worked():
            _log.info("%s answers again: results are shared again", self.name)

    def _note(self, error: ShelfError, verb: str) -> None:
        """Warn of trouble, once for each outage and each kind of refusal."""
        if error.is_outage:
            if self._breaker.failed():
                warn(
                    f"{error}. Probably its server is down or restarting, or the network is. Until "
                    "it answers, results are neither found there nor shared, and what is not kept "
                    "on this machine is computed here. It is asked again now and then; `stagecache "
                    "doctor` tells how it is."
                )
            return
        if error.__cause__ is not None:  # else nobody was asked
            self._answered()
        if takes_nothing(error.__cause__):
            if self._breaker.refused(type(error.__cause__).__name__):
                warn(untaken(self.name, error.problem.rstrip(".")))
            return
        kind = (verb, type(error.__cause__).__name__)
        if kind not in self._told:
            self._told.add(kind)
            warn(_refusal(error, verb))


def _refusal(error: ShelfError, verb: str) -> str:
    if verb == "read":
        return (
            f"{error}. Probably this user may not read there. Results that it has are computed "
            "again; see the permissions of the user or the account."
        )
    if verb == "remove":
        return f"{error}. What was to be forgotten is still there for others."
    if error.__cause__ is None:  # nobody was asked: it is too large
        return (
            f"{error}. Such results are kept on this machine only, so others compute them again. "
            "A `store` for large values (s3://..., file:///...) takes them."
        )
    return (
        f"{error}. Probably its memory is full, or this user may not write. Results are kept on "
        "this machine and still read from there, but new ones are not shared until it takes them."
    )
