"""Hands what a call rests on up to whoever made it: a body, and functions that keep what they made.

A call's arguments and its probe are in its own key. For a body that makes the call they are what it
found, like a file that it read.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stagecache.engine.elsewhere import Away
from stagecache.engine.noted import note
from stagecache.engine.resting import got
from stagecache.engine.variants import of_the_world
from stagecache.fingerprint.files import met
from stagecache.fingerprint.reads import memos
from stagecache.fingerprint.reads.attribution import working_for
from stagecache.inheriting import inherit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from stagecache.clock import Clock
    from stagecache.engine.resting import Got
    from stagecache.model import Digest, Entry, Key, Read
    from stagecache.stage import Stage


class Calling(Protocol):
    """A body, for those whom it calls."""

    def absorb(self, reads: Iterable[Read]) -> None:
        """Note that the body rests on `reads`."""

    def take_in(
        self, entry: Entry, stage: Stage[..., Any], now: float, value: Any, rests: list[Got]
    ) -> None:
        """Note that the body got a result of another stage: what it `rests` on, this rests on."""


_callers: ContextVar[tuple[Calling, ...]] = ContextVar("stagecache_callers", default=())
_at_work: list[Calling] = []
"""The bodies that run, in the whole process."""


def _is_called_by_a_body(callers: tuple[Calling, ...]) -> bool:
    return any(body in _at_work for body in callers)


inherit(_callers, _is_called_by_a_body)


def callers() -> Sequence[Calling]:
    """Return the bodies that a call of this context is made for.

    A thread that some body has started, and that has outlived it, may work for any that runs: it is
    one of a pool. To let all others do so would make a body rest on whatever else a server does.
    """
    mine = _callers.get()
    if not mine:
        return tuple(map(Away, working_for.get()))
    return mine if _is_called_by_a_body(mine) else tuple(_at_work)


@contextmanager
def calling(body: Calling) -> Iterator[None]:
    """Let the calls of this context be those of a body."""
    token = _callers.set((body,))
    _at_work.append(body)
    try:
        yield
    finally:
        _at_work.remove(body)
        _callers.reset(token)


def hand_up(reads: Iterable[Read]) -> None:
    """Let `reads` be reads of the body that makes this call, and of memos that are at work."""
    for body in callers():
        body.absorb(reads)
    memos.hand_up(reads)


class Given(NamedTuple):
    """A result as a call gave it."""

    entry: Entry
    stage: Stage[..., Any]
    key: Key
    """Of the call."""
    result: Digest
    """Fingerprint of what was given; empty: it is kept nowhere."""
    value: Any = None
    """What was given, if that is at hand."""


def hand_up_results(results: Iterable[Given], home: str, clock: Clock) -> None:
    """Let what calls gave be what the body rests on that made them, and memos that are at work.

    Parameters
    ----------
    results : iterable of Given
        What they gave.
    home : str
        The directory where that is kept.
    clock : Clock
        Says when that is.
    """
    bodies = callers()
    for entry, stage, key, result, value in results:
        note(entry, stage.qualified_name, key, result, home)
        if bodies:
            rests = got(entry.stage, entry.reads, key, result, home)
            for body in bodies:
                body.take_in(entry, stage, clock.now(), value, rests)
        world = of_the_world(entry.reads)
        if world:
            memos.hand_up(world)


class HandingFilesUp:
    """A block whose files, fingerprinted as arguments, are handed up at its end.

    With the contents that are in the key, whatever becomes of them afterwards. Every call enters
    one: a generator would cost it 2 us.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before, met.files = met.files, []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        found, met.files = met.files, self._before
        if found:
            hand_up(found)
