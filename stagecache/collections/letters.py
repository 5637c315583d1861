"""Items that were given up, as users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.collections.failures import Failure
    from stagecache.collections.line import Letter


class DeadLetter:
    """An item of a queue that was given up; :meth:`Queue.dead_letters` gives it.

    Parameters
    ----------
    letter : Letter
        The item.
    decoded : callable
        Returns what is in it.
    """

    def __init__(self, letter: Letter, decoded: Callable[[Letter], Any]) -> None:
        self._letter = letter
        self._decoded = decoded

    @property
    def value(self) -> Any:
        """What is in it.

        Raises
        ------
        DecodeError
            If it cannot be decoded here, which may be why it was given up.
        """
        return self._decoded(self._letter)

    @property
    def error(self) -> Failure:
        """The last error: ``kind``, ``message``, ``traceback``, and ``where`` it was raised."""
        return self._letter.failure

    @property
    def deliveries(self) -> int:
        """How often it was taken."""
        return self._letter.failure.times

    @property
    def when(self) -> float:
        """When it was given up, in seconds since the epoch."""
        return self._letter.failure.when

    def __repr__(self) -> str:
        return f"<dead letter after {self.deliveries} deliveries: {self.error}>"
