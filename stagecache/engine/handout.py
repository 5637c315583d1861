"""Hands a kept result to all who waited for it in a process: loaded once, where copies will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.codecs.copies import copier

if TYPE_CHECKING:
    from collections.abc import Callable


class Handout:
    """What the first of several callers loads, and the others get a copy of.

    Nobody waits for the first one: until he has it, others load it, too.

    Parameters
    ----------
    again : callable, optional
        Gives each a value of his own, where somebody has had it already.

    Examples
    --------
    >>> handout = Handout()
    >>> handout.take(lambda: (True, [1]))
    (True, [1])
    >>> handout.take(lambda: (False, None))
    (True, [1])
    """

    __slots__ = ("_first", "_is_seen", "again")

    def __init__(self, again: Callable[[], Any] | None = None) -> None:
        self._is_seen = False
        self._first: list[tuple[bool, Any]] = []
        self.again = again
        """Gives each a value of his own; None until somebody has loaded it, or if each has to."""

    def load(self, load: Callable[[], tuple[bool, Any]]) -> None:
        """Load it before anybody is to take it; where that fails, they try again."""
        is_there, value = load()
        self._see(is_there, value)
        if is_there and self.again is None:
            self._first.append((is_there, value))

    def take(self, load: Callable[[], tuple[bool, Any]]) -> tuple[bool, Any]:
        """Return (True, a value of the caller's own), or (False, None) if it is lost.

        Parameters
        ----------
        load : callable
            Returns the same, from a store.
        """
        if self.again is not None:
            return True, self.again()
        try:
            return self._first.pop()
        except IndexError:
            pass
        is_there, value = load()
        self._see(is_there, value)
        return is_there, value

    def _see(self, is_there: bool, value: Any) -> None:
        if is_there and not self._is_seen:
            self._is_seen = True
            self.again = copier(value)
