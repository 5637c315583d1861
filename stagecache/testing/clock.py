"""Time that passes only when a test says so."""

from __future__ import annotations


class FakeClock:
    """A clock that stands still.

    Parameters
    ----------
    now : float, optional
        Seconds since the epoch at which it starts.

    Examples
    --------
    >>> clock = FakeClock(1000.0)
    >>> clock.advance(5)
    >>> clock.now(), clock.monotonic()
    (1005.0, 5.0)
    >>> clock.set(0.0)  # somebody sets the machine's clock: durations are not touched
    >>> clock.now(), clock.monotonic()
    (0.0, 5.0)
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = float(now)
        self._monotonic = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass.

        Raises
        ------
        ValueError
            If it is negative: time does not go back, only a machine's clock is set back.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back by {-seconds} s; see FakeClock.set")
        self._now += seconds
        self._monotonic += seconds

    def set(self, now: float) -> None:
        """Set the machine's clock."""
        self._now = float(now)
