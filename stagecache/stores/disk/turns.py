"""How a writer waits until another process has committed.

SQLite's own way is to try again after 1, 2, 5, ... 100 ms. Whoever has waited long then asks so
seldom that those who come and go take turns among themselves, for a second and more. Here all ask
equally often. A lock to queue at was tried: it made four writers slower, and the waits are short
without it (``docs/decisions/008-a-small-commit-writes-two-pages.md``).
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

_LEAST, _MOST = 0.0003, 0.001
"""Seconds between two attempts: by chance, so that nobody is always a little late."""


def wait_in_turn(connection: apsw.Connection, patience: float) -> None:
    """Let statements of `connection` wait up to `patience` seconds for those of others.

    An exception that a signal raises meanwhile, as Ctrl-C does, ends the waiting.
    """
    since = 0.0

    def wait(attempts: int) -> bool:
        nonlocal since
        now = time.monotonic()
        if not attempts:
            since = now
        elif now - since > patience:
            return False
        time.sleep(random.uniform(_LEAST, _MOST))  # noqa: S311 - nobody has to guess it
        return True

    connection.set_busy_handler(wait)
