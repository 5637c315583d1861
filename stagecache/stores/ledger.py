"""What a process notes beside results where no tier below does it: runs, uses, facts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecache.model import Key, RunRecord

_RUNS = 1_000


class Ledger:
    """Notes of one process, gone with it.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.count_use(bytes(16), 2.5)
    >>> ledger.total_saved()
    2.5
    """

    def __init__(self) -> None:
        self._runs: deque[RunRecord] = deque(maxlen=_RUNS)
        self._uses: dict[Key, tuple[int, float]] = {}
        self._facts: dict[tuple[str, bytes], bytes] = {}

    def record_run(self, run: RunRecord) -> None:
        """Keep the record of a run."""
        self._runs.append(run)

    def runs(self) -> list[RunRecord]:
        """Return the records of runs, newest first."""
        return list(reversed(self._runs))

    def count_use(self, key: Key, saved_seconds: float) -> None:
        """Note that a result was used."""
        count, saved = self._uses.get(key, (0, 0.0))
        self._uses[key] = (count + 1, saved + saved_seconds)

    def uses(self, key: Key) -> tuple[int, float]:
        """Return how often a result was used, and the seconds that saved."""
        return self._uses.get(key, (0, 0.0))

    def total_saved(self) -> float:
        """Return the seconds that all uses saved."""
        return sum((saved for _, saved in list(self._uses.values())), 0.0)

    def recall(self, kind: str, key: bytes) -> bytes | None:
        """Return what was remembered, or None."""
        return self._facts.get((kind, key))

    def remember(self, kind: str, key: bytes, value: bytes) -> None:
        """Keep a fact."""
        self._facts[kind, key] = value
