"""Finds which functions that keep their results are at work, and which of them a body relied on.

A memoized loader reads its file for whoever calls it first. Who calls it later opens nothing, and
would yet get something else if the file were another.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache import model
from stagecache.fingerprint.code.keeping import may_keep
from stagecache.fingerprint.origin import is_user_code
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import CodeType, FrameType

    from stagecache.fingerprint.code.keeping import Memo
    from stagecache.fingerprint.reads.recorder import Recorder
    from stagecache.model import Read

_MOST_KNOWN = 10_000
_DEEPEST = 100
"""How far from an open a function may be that it is made for: a frame costs 0.3 us."""

_ENGINE = __name__.partition(".")[0] + ".engine."
_BODY: Any = object()
"""Stands for code that runs bodies."""

_known: dict[int, Ledger | None] = {}
"""The ledgers of code that may keep its results, by identity; None: it keeps none."""
_held: dict[int, CodeType] = {}
"""The same code, so that no other can take its identity."""


def at_work(frame: FrameType | None) -> list[Ledger]:
    """Return the ledgers of those functions that may keep what they make.

    Parameters
    ----------
    frame : frame or None
        The innermost one. The stack ends where a body begins: who called its stage is handed what
        the entry says it read.
    """
    found: list[Ledger] = []
    if frame is None or frame.f_code.co_filename.startswith("<frozen importlib"):
        return found  # most opens of a process
    known = _known
    for _ in range(_DEEPEST):
        if frame is None:
            break
        try:
            ledger = known[id(frame.f_code)]
        except KeyError:
            ledger = _met(frame.f_code, frame.f_globals)
        if ledger is not None:
            if ledger is _BODY:
                break
            found.append(ledger)
        frame = frame.f_back
    return found


def hand_up(reads: Iterable[Read]) -> None:
    """Note what the result of a stage rests on for those functions that may keep it."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_of_the_engine(frame.f_globals):
        frame = frame.f_back
    for ledger in at_work(frame):
        ledger.absorb(reads)


class Relied:
    """Which memos a body may have got something out of, between its start and its end.

    Parameters
    ----------
    memos : sequence of Memo
        Those that its code reaches. Make it just before the body runs.
    """

    def __init__(self, memos: Sequence[Memo]) -> None:
        self._memos = [(memo, memo.hits()) for memo in memos]
        for memo in memos:
            for code in memo.codes:
                _watch(code)

    def reads(self, recorder: Recorder) -> Iterator[Read]:
        """Yield what was read for what the body got out of memos, by whomever it was.

        Where a memo does not count its hits, one that read nothing for this body is taken to have
        been one: its function was called before, or it is not called at all.
        """
        for memo, hits in self._memos:
            for code in memo.codes:
                ledger = _known.get(id(code))
                if ledger is None:
                    continue
                if memo.hits() != hits if memo.counts else ledger not in recorder.filled:
                    yield from ledger.reads_from(recorder.seen.start)


def _watch(code: CodeType) -> None:
    """Note from now on what a function reads, whatever was thought of it before."""
    if _known.get(id(code)) is None:
        _held[id(code)] = code
        _known[id(code)] = Ledger()


def _met(code: CodeType, namespace: dict[str, Any]) -> Ledger | None:
    if _is_of_the_engine(namespace):
        ledger: Ledger | None = _BODY
    else:
        token = model.memo.set(None)  # its owner may be in the middle of something
        try:
            with nobody():  # to find out whose code it is may list folders
                is_users = code.co_name != "<module>" and is_user_code(namespace)
                ledger = Ledger() if is_users and may_keep(code, namespace) else None
        finally:
            model.memo.reset(token)
    if len(_known) >= _MOST_KNOWN:  # a notebook that defines its functions over and over
        for identity in [identity for identity, one in list(_known.items()) if one is None]:
            _known.pop(identity, None)
            _held.pop(identity, None)
    _held[id(code)] = code
    return _known.setdefault(id(code), ledger)


def _is_of_the_engine(namespace: dict[str, Any]) -> bool:
    return str(namespace.get("__name__")).startswith(_ENGINE)
