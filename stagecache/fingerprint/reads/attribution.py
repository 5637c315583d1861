"""Decides whose an event is: by a context variable, and by which bodies run just now.

What an event means is decided by ``hook`` and ``sightings``.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Owner:
    """Whose events are; a recorder, seen from below.

    Parameters
    ----------
    seen : Sightings
        Who is told.
    """

    def __init__(self, seen: Any) -> None:
        self.seen = seen
        self.entered = 0
        """How many recordings of it are open."""


UNOWNED = Owner(None)
"""Stands in a context that says nothing: of a thread that a body or a library started."""

owner: ContextVar[Owner | None] = ContextVar("stagecache_recorder", default=UNOWNED)
running: list[Owner] = []
"""The owners whose bodies run, in the whole process; empty means that nobody listens."""
_lock = Lock()


def owners() -> Sequence[Owner]:
    """Return those that an event of this context belongs to."""
    mine = owner.get()
    if mine is None:
        return ()
    # A task may outlive the body that started it: what it does then is like a stray thread's.
    if not mine.entered:
        return tuple(running)
    return (mine,)


def begin(one: Owner) -> None:
    """Count `one` among the running ones."""
    with _lock:
        one.entered += 1
        if one.entered == 1:
            running.append(one)


def end(one: Owner) -> None:
    """Undo one :func:`begin`."""
    with _lock:
        one.entered -= 1
        if one.entered == 0:
            running.remove(one)


@contextmanager
def nobody() -> Iterator[None]:
    """Let the events of this context be nobody's reads inside the block."""
    token = owner.set(None)
    try:
        yield
    finally:
        owner.reset(token)
