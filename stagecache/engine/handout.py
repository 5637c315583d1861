"""Hands a kept result to all who waited for it in a process: loaded once, where copies will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.codecs.copies import copier

if TYPE_CHECKING:
    from collections.abc import Callable


class Handout:
    """What the first of several callers loads, and the others get a copy of.

    Nobody waits for the first one: until he has it, others load it, too.

    Examples
    --------
    >>> handout = Handout()
    >>> handout.take(lambda: (True, [1]))
    (True, [1])
    >>> handout.take(lambda: (False, None))
    (True, [1])
    """

    __slots__ = ("_is_seen", "again")

    def __init__(self) -> None:
        self._is_seen = False
        self.again: Callable[[], Any] | None = None
        """Gives each a value of his own; None until somebody has loaded it, or if each has to."""

    def take(self, load: Callable[[], tuple[bool, Any]]) -> tuple[bool, Any]:
        """Return (True, a value of the caller's own), or (False, None) if it is lost.

        Parameters
        ----------
        load : callable
            Returns the same, from a store.
        """
        if self.again is not None:
            return True, self.again()
        is_there, value = load()
        if is_there and not self._is_seen:
            self._is_seen = True
            self.again = copier(value)
        return is_there, value
