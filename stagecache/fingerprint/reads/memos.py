"""Finds which functions that keep their results are at work, and which of them a body relied on.

A memoized loader reads its file for whoever calls it first. Who calls it later opens nothing, and
would yet get something else if the file were another.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache import model
from stagecache.fingerprint.code.keeping import keeps
from stagecache.fingerprint.origin import is_user_code
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

    from stagecache.fingerprint.code.keeping import Memo
    from stagecache.fingerprint.reads.recorder import Recorder
    from stagecache.model import Read

_MOST_KNOWN = 10_000
_DEEPEST = 100
"""How far from an open a function may be that it is made for: a frame costs 0.3 us."""

_known: dict[int, Ledger | None] = {}
"""The ledgers of code that keeps its results, by identity; None: it keeps none."""
_held: dict[int, CodeType] = {}
"""The same code, so that no other can take its identity."""


def at_work() -> list[Ledger]:
    """Return the ledgers of those functions on the stack that keep what they make."""
    found: list[Ledger] = []
    frame: Any = sys._getframe(2).f_back
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
            found.append(ledger)
        frame = frame.f_back
    return found


class Relied:
    """Which memos a body may have got something out of, between its start and its end.

    Parameters
    ----------
    memos : sequence of Memo
        Those that its code reaches. Make it just before the body runs.
    """

    def __init__(self, memos: Sequence[Memo]) -> None:
        self._memos = [(memo, memo.hits()) for memo in memos]

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


def _met(code: CodeType, namespace: dict[str, Any]) -> Ledger | None:
    token = model.memo.set(None)  # its owner may be in the middle of something
    try:
        with nobody():  # to find out whose code it is may list folders
            ledger = Ledger() if _keeps(code, namespace) else None
    finally:
        model.memo.reset(token)
    if len(_known) >= _MOST_KNOWN:  # a notebook that defines its functions over and over
        for identity in [identity for identity, one in list(_known.items()) if one is None]:
            _known.pop(identity, None)
            _held.pop(identity, None)
    _held[id(code)] = code
    return _known.setdefault(id(code), ledger)


def _keeps(code: CodeType, namespace: dict[str, Any]) -> bool:
    if code.co_name == "<module>" or not is_user_code(namespace):
        return False
    return keeps(code, namespace) or _is_memoized(code, namespace)


def _is_memoized(code: CodeType, namespace: dict[str, Any]) -> bool:
    """Tell whether what goes by the name of `code` is a memo of ``functools`` around it."""
    parts = code.co_qualname.split(".")
    found = namespace.get(parts[0])
    for part in parts[1:]:
        found = vars(found).get(part) if isinstance(found, type) else None
    found = getattr(found, "__func__", found)
    if isinstance(found, functools.cached_property):
        return isinstance(found.func, FunctionType) and found.func.__code__ is code
    while found is not None:
        if isinstance(found, functools._lru_cache_wrapper):
            inner = found.__wrapped__
            return isinstance(inner, FunctionType) and inner.__code__ is code
        found = getattr(found, "__dict__", {}).get("__wrapped__")
    return False
