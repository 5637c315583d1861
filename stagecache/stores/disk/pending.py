"""What gathers in memory until the next commit takes it along: uses of results, small facts.

Losing it costs a statistic, or working a fact out again. A lookup never writes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    import apsw

    from stagecache.clock import Clock
    from stagecache.model import Key

_FACTS = 200_000
"""Facts kept in memory; then all are dropped and read again when they are asked for."""


class Batch(NamedTuple):
    """What one commit takes along."""

    uses: dict[Key, tuple[int, float]]
    facts: dict[tuple[str, bytes], bytes]
    now: float

    def write(self, connection: apsw.Connection) -> None:
        """Add to what the index knows."""
        if self.uses:
            connection.executemany(
                "INSERT INTO uses VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "count = count + excluded.count, saved = saved + excluded.saved, "
                "last = excluded.last",  # not the greater: the clock may have stood wrong
                [(key, count, saved, self.now) for key, (count, saved) in self.uses.items()],
            )
            connection.execute(
                "INSERT INTO meta VALUES ('saved', ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (sum(saved for _, saved in self.uses.values()),),
            )
        if self.facts:
            connection.executemany(
                "INSERT INTO memo (kind, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                [(kind, key, value) for (kind, key), value in self.facts.items()],
            )


class Pending:
    """Gathers; knows nothing of when it is taken.

    Parameters
    ----------
    clock : Clock
        Where times of use come from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._uses: dict[Key, tuple[int, float]] = {}
        self._fresh: dict[tuple[str, bytes], bytes] = {}
        self.known: dict[tuple[str, bytes], bytes] = {}
        """Facts that were read or added."""
        hold_over_forks(self)

    def __bool__(self) -> bool:
        return bool(self._uses or self._fresh)

    def count(self, key: Key, saved: float) -> int:
        """Note a use; return of how many results uses are waiting to be written."""
        with self._lock:
            count, sum_saved = self._uses.get(key, (0, 0.0))
            self._uses[key] = (count + 1, sum_saved + saved)
            return len(self._uses)

    def saved(self) -> float:
        """Return the seconds saved by uses that are not written yet."""
        with self._lock:
            return sum((saved for _, saved in self._uses.values()), 0.0)

    def learn(self, kind: str, key: bytes, value: bytes, *, is_new: bool) -> None:
        """Keep a fact in memory and, if it is new, for the next commit."""
        with self._lock:
            if len(self.known) >= _FACTS:
                self.known.clear()
            self.known[kind, key] = value
            if is_new:
                self._fresh[kind, key] = value

    def take(self) -> Batch:
        """Return what has gathered and start anew."""
        with self._lock:
            batch = Batch(self._uses, self._fresh, self._clock.now())
            self._uses, self._fresh = {}, {}
            return batch

    def put_back(self, batch: Batch) -> None:
        """Gather again what could not be written."""
        with self._lock:
            for key, (count, saved) in batch.uses.items():
                more, more_saved = self._uses.get(key, (0, 0.0))
                self._uses[key] = (count + more, saved + more_saved)
            self._fresh = {**batch.facts, **self._fresh}

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; what the parent will write is not the child's to write again."""
        if in_child:
            self._uses, self._fresh = {}, {}
        self._lock.release()
