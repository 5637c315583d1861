"""What a shelf is: named bytes that many machines reach.

A shelf knows nothing of entries, codecs, keys and signatures, and it keeps no promise about who
may have written what it gives. It does not retry, wait or warn: what to do when it is out of
reach is for those who use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stagecache.errors import ShelfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

TIMEOUT = 0.25
"""Seconds: how long a shelf may be silent before it counts as out of reach."""


class Shelf(Protocol):
    """Named bytes that many machines reach. Thread-safe, and usable on both sides of a fork.

    A name is one or more segments with ``/`` between them, of ASCII letters, digits and ``_-{}``,
    200 characters at most, and none continues another (``a`` and ``a/b``): not all shelves could
    keep others. Names with the same text in ``{}`` lie together in a cluster.

    Values are replaced as a whole: a reader sees one or another, never a mix.

    Every method but :meth:`close` raises :class:`~stagecache.errors.ShelfError`: with
    ``is_outage`` if nobody is served at present, without if this one request was refused.
    """

    name: str
    """For messages: its URL without user and password."""

    limit: int | None
    """Bytes that one value may have at most; larger ones are never sent."""

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview]:
        """Return the values under those of `names` that there are, in one round trip if it can.

        Memory views are of memory that belongs to the caller alone.
        """

    def put(
        self, name: str, pieces: Sequence[Buffer], *, seconds: float | None, replace: bool
    ) -> bool:
        """Keep a value, and tell whether it is kept now.

        Parameters
        ----------
        name : str
            What it is to be found by.
        pieces : sequence of buffers
            The value, in one or more C-contiguous pieces; not kept by reference.
        seconds : float or None
            How long it is to be kept at least before it may go by itself; None: no end. More
            than 0. Some shelves leave the end to rules that are set on the server.
        replace : bool
            Whether it takes the place of a value that stands. If not, the first one stays.

        Returns
        -------
        bool
            False: one stands, and `replace` is False.
        """

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return how many there were, or of how many that cannot be told."""

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""


def size_within(shelf: Shelf, pieces: Sequence[Buffer]) -> int:
    """Return the bytes of a value that `shelf` may take.

    Raises
    ------
    ShelfError
        If it is larger than the shelf's limit.
    """
    size = sum(memoryview(piece).nbytes for piece in pieces)
    if shelf.limit is not None and size > shelf.limit:
        raise ShelfError(
            shelf.name,
            f"a value of {size:,} bytes is larger than {shelf.limit:,}, the most it takes",
            is_outage=False,
        )
    return size
