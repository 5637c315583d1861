"""Whether anybody but the caller wants a processor of this machine at this moment."""

from __future__ import annotations

import os

_LOAD = "/proc/loadavg"
"""Three averages, then how many threads run or could, of how many, then the newest pid: proc(5)."""


def is_idle(path: str = _LOAD) -> bool:
    """Tell whether nobody does; False where the system does not say (5 us).

    Parameters
    ----------
    path : str, optional
        Where the system says it.

    Examples
    --------
    >>> is_idle("/nowhere")
    False
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            words = os.read(descriptor, 100).split()
        finally:
            os.close(descriptor)
        return int(words[3].partition(b"/")[0]) <= 1
    except (OSError, ValueError, IndexError):
        return False
