"""Lets what changes the whole process happen once in its life, whichever threads ask for it."""

from __future__ import annotations

import functools
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def once(action: Callable[[], None]) -> Callable[[], None]:
    """Return what does `action` at the first call; who calls meanwhile waits until it is done.

    Examples
    --------
    >>> install = once(lambda: print("installed"))
    >>> install()
    installed
    >>> install()
    """
    lock = Lock()
    is_done = False

    @functools.wraps(action)
    def do() -> None:
        nonlocal is_done
        if is_done:
            return
        with lock:
            if not is_done:
                action()
                is_done = True

    return do
