"""Stands for a body in another process that does work for it: what it gets there is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.engine.variants import of_the_world
from stagecache.file import File
from stagecache.plan import expiry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.engine.resting import Got
    from stagecache.fingerprint.reads.recorder import Recorder
    from stagecache.model import Entry, Read
    from stagecache.stage import Stage


class Taken(NamedTuple):
    """What a body rests on by a result of another stage that it got, beside what that one read."""

    entry: Entry
    """As far as marks concern it."""
    scopes: tuple[str, ...]
    """Of the stage."""
    made: tuple[str, ...]
    """Paths of files that it gave."""
    expires: float | None
    """When, in seconds since the epoch."""
    lasts: float
    """How long, from when it was got."""
    rests: list[Got]
    """Which result it was, and which ones it was made of."""

    @classmethod
    def of(
        cls, entry: Entry, stage: Stage[..., Any], now: float, value: Any, rests: list[Got]
    ) -> Taken:
        """Return it as of now."""
        made = tuple(os.path.abspath(file) for file in files_in(value))
        moment = expiry(entry, stage.settings)
        lasts = float("inf") if moment is None else moment - now
        small = entry._replace(inline=None, reads=(), refs=(), items=None, parts=())
        return cls(small, stage.scopes, made, moment, lasts, rests)

    def tell(self, recorder: Recorder, entry: Entry) -> None:
        """Let it be known to a body, which may be one of another process."""
        recorder.absorb(of_the_world(entry.reads), self.made)
        recorder.tell("rests", self)


class Away:
    """A body of another process, for stages that are called here.

    Parameters
    ----------
    recorder : Recorder
        What tells it.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def absorb(self, reads: Iterable[Read]) -> None:
        """Note that the body rests on `reads`."""
        self._recorder.absorb(reads)

    def take_in(
        self, entry: Entry, stage: Stage[..., Any], now: float, value: Any, rests: list[Got]
    ) -> None:
        """Note that the body got a result of another stage."""
        Taken.of(entry, stage, now, value, rests).tell(self._recorder, entry)


def files_in(value: Any, depth: int = 3) -> list[File]:
    """Return the files in a value, a few containers deep."""
    kind = type(value)
    if any(base is File for base in kind.__mro__):
        return [value]
    # A subclass may do anything when it is iterated over.
    if depth and issubclass(kind, list | tuple):
        walk = list.__iter__ if issubclass(kind, list) else tuple.__iter__
        return [file for element in walk(value) for file in files_in(element, depth - 1)]
    if depth and issubclass(kind, dict):
        return files_in(list(dict.values(value)), depth - 1)
    return []
