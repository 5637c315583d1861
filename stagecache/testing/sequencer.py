"""In which order threads do their steps: the order that the test says, every time.

What the steps do is the test's; a step that never comes fails the test instead of hanging it.

Source: the idea of ``trio.testing.Sequencer``, here for threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Step:
    """One step of a sequence, as a context manager; made by calling a :class:`Sequencer`."""

    def __init__(self, sequencer: Sequencer, number: int) -> None:
        self._sequencer = sequencer
        self.number = number

    def done(self) -> None:
        """Let the next step begin now, because the rest of this block is going to wait for it."""
        self._sequencer._end(self.number)

    def __enter__(self) -> Self:
        self._sequencer._begin(self.number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._sequencer._break(self.number)
        self._sequencer._end(self.number)


class Sequencer:
    """Makes steps in any number of threads happen one after the other.

    ``with sequencer(n):`` waits until the blocks numbered 0 to n-1 have ended. A block that
    raises breaks the sequence: the threads that wait for their step get an error, too.

    Parameters
    ----------
    timeout : float, optional
        Seconds after which a step that cannot begin fails.

    Examples
    --------
    >>> sequencer, seen = Sequencer(), []
    >>> def other() -> None:
    ...     with sequencer(1):
    ...         seen.append("one")
    >>> thread = threading.Thread(target=other)
    >>> thread.start()
    >>> with sequencer(0):
    ...     seen.append("zero")
    >>> with sequencer(2):
    ...     seen.append("two")
    >>> thread.join()
    >>> seen
    ['zero', 'one', 'two']
    """

    def __init__(self, timeout: float = 20.0) -> None:
        self._timeout = timeout
        self._changed = threading.Condition()
        self._next = 0
        self._taken: set[int] = set()
        self._ended: set[int] = set()
        self._broken_at: int | None = None

    def __call__(self, number: int) -> Step:
        """Return step `number`, to be used once."""
        with self._changed:
            if number in self._taken:
                raise ValueError(f"step {number} is used twice")
            self._taken.add(number)
        return Step(self, number)

    def _begin(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._next == number or self._broken_at is not None, self._timeout
            )
            if self._broken_at is not None:
                raise RuntimeError(f"step {number} cannot begin: step {self._broken_at} failed")
            if self._next != number:
                self._broken_at = number
                self._changed.notify_all()
                raise TimeoutError(
                    f"step {number} cannot begin: step {self._next} has not ended after "
                    f"{self._timeout} s"
                )

    def _end(self, number: int) -> None:
        with self._changed:
            self._ended.add(number)
            while self._next in self._ended:
                self._next += 1
            self._changed.notify_all()

    def _break(self, number: int) -> None:
        with self._changed:
            if number not in self._ended and self._broken_at is None:
                self._broken_at = number
