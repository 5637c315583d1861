"""Who waits for whom among machines: notes on the server, by which a circle of waits is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stagecache.leases.flight import needing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.leases.computing import Computation
    from stagecache.leases.redis_book import Book
    from stagecache.leases.redis_claims import Claim
    from stagecache.model import Key


class Wait(NamedTuple):
    """That somebody waits for a key, wherever that is held."""

    key: Key
    inside: tuple[Computation, ...]


class Waits:
    """What the holders of a process wait for, as it stands on the server.

    Parameters
    ----------
    book : Book
        Where it is written.
    ttl : float
        Seconds that a note outlives a process that is gone.
    """

    def __init__(self, book: Book, ttl: float) -> None:
        self._book = book
        self._ttl = ttl
        self._noted: dict[Key, set[Key]] = {}

    def write(self, held: set[Key], waits: Iterable[Wait], *, anew: bool) -> None:
        """Write down which of `held` wait for what; what stands is written again only `anew`.

        Raises
        ------
        ShelfError
            If the server did not do what it was asked.
        """
        notes: dict[Key, set[Key]] = {}
        for wanted, inside in waits:
            for key in needing(inside) & held - {wanted}:
                notes.setdefault(key, set()).add(wanted)
        news = {
            key: notes.get(key, set())
            for key in notes.keys() | self._noted.keys()
            if anew or notes.get(key) != self._noted.get(key)
        }
        if news:
            self._book.note(news, self._ttl)
            self._noted = notes

    def end_at(self, claim: Claim) -> bool:
        """Tell whether the holder waits, through however many others, for the caller.

        Raises
        ------
        ShelfError
            If the server did not do what it was asked.
        """
        ours = needing(claim.inside) - {claim.key}
        reached = {claim.key} if ours else set()
        ask = set(reached)
        while ask:
            found = self._book.waits(ask)
            if found & ours:
                return True
            ask = found - reached
            reached |= found
        return False
