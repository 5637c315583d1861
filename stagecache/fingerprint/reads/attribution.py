"""Says which bodies run just now, and which of them a context belongs to.

Whose an event is follows from that in ``owners``.
"""

from __future__ import annotations

from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

from stagecache.inheriting import inherit

if TYPE_CHECKING:
    from contextvars import Token


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
        self.filled: set[Owner] = set()
        """The ledgers of memos that read something for it."""
        self.relied: set[Owner] = set()
        """The ledgers of memos that gave it something which was read for others."""
        self.box: Any = None
        """Where other processes put what they see for it; see ``boxes``."""
        self.is_copy = False
        """Whether this is such a process."""
        self.has_forked = False
        """Whether such processes were forked, with all that memos hold."""


UNOWNED = Owner(None)
"""Stands in a context that says nothing, as of a thread that was there before the body."""

owner: ContextVar[Owner | None] = ContextVar("stagecache_recorder", default=UNOWNED)
inherit(owner, lambda one: one is not None and one.entered > 0)
working_for: ContextVar[tuple[Any, ...]] = ContextVar("stagecache_working_for", default=())
"""The bodies of other processes for which this context does work; see ``handed``."""
inherit(working_for, bool)
running: list[Owner] = []
"""The owners whose bodies run, in the whole process."""
lock = Lock()
variables_set: set[str] = set()
"""What this process has set or removed: processes that it started before have it as it was."""


def begin(one: Owner) -> None:
    """Count `one` among the running ones."""
    with lock:
        one.entered += 1
        if one.entered == 1:
            running.append(one)


def end(one: Owner) -> None:
    """Undo one :func:`begin`."""
    with lock:
        one.entered -= 1
        if one.entered == 0:
            running.remove(one)


class nobody:  # noqa: N801 - a class, for as a generator it takes three times as long
    """Let the events of this context be nobody's reads inside the block."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token: Token[Owner | None] = owner.set(None)

    def __exit__(self, *_: object) -> None:
        owner.reset(self._token)
