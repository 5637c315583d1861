"""Time, injectable: one operation reads the clock once and passes the reading on."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Seconds since the epoch; may jump when somebody sets the machine's clock."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations and waits."""


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)
