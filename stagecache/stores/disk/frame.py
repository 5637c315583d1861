"""The marks that follow from a bound: where room is made, how much, and what shares it."""

from __future__ import annotations

from typing import NamedTuple

_LOG = 24 << 20
"""Bytes that the index's log may take; of a small bound a sixteenth."""
WRITERS = 32
"""Processes that may write at once without passing the bound between two looks at the account."""
COMMIT = 5 * 4096
"""Bytes that a commit writes beside the value, at most."""
_SMALL_FILES = 48 << 10
"""Bytes of what is not counted: the log's index, settings, folders."""
EMPTY = 96 << 10
"""Bytes of an index with little in it."""
_LOW = 0.9
"""Share of the bound that is left after room was made, so that not every put makes room."""
_BATCH = 256
"""Values taken by one commit, fewer where little may be logged; others write in between."""
_BARE_ROW = 1_024
"""Bytes of a row without a value, about."""
_FACT = 200
"""Bytes of a remembered fact, about; a fifth of the bound is for them."""
_MOST_BARE = 200_000
"""Rows without a value that are kept; fewer if they would take 5 % of the bound."""


class Frame(NamedTuple):
    """The marks of a bound, in bytes without the index's log."""

    high: int
    """Above it room is made."""
    low: int
    """Down to here."""
    log: int
    """What the log may take besides."""
    batch: int
    """Values taken by one commit."""
    bare: int
    """Rows without a value."""
    facts: int
    """Remembered beside results."""

    @classmethod
    def of(cls, max_size: int) -> Frame:
        """Return the marks of a bound."""
        log = min(_LOG, max_size // 16)
        rest = max(max_size - log - _SMALL_FILES, 0)
        return cls(
            rest - max_size // 50,
            int(rest * _LOW),
            log,
            max(4, min(_BATCH, log // COMMIT)),
            min(_MOST_BARE, max_size // 20 // _BARE_ROW),
            max_size // 5 // _FACT,
        )
