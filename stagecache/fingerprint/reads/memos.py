"""Finds which functions that keep their results are at work, and which of them a body relied on.

A memoized loader reads its file for whoever calls it first. Who calls it later opens nothing, and
would yet get something else if the file were another.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache import model
from stagecache.fingerprint.origin import is_user_code
from stagecache.fingerprint.reads.attribution import nobody

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from types import CodeType, FrameType

    from stagecache.fingerprint.code.keeping import Memo
    from stagecache.fingerprint.reads.ledger import Ledger
    from stagecache.fingerprint.reads.recorder import Recorder
    from stagecache.model import Read

_MOST_KNOWN = 10_000
_STEPS = range(100)
"""How far from an open a function may be that it is made for: a frame costs 0.1 to 0.3 us."""

_OWN = __name__.partition(".")[0]
_ENGINE = _OWN + ".engine."
_GENERATORS = 0x20 | 0x200
_BODY: Any = object()
"""Stands for code that runs bodies."""
_UNMET: Any = object()
"""Stands for code that nobody has looked at."""
_IMPORTING = frozenset({
    "importlib._bootstrap", "importlib._bootstrap_external",
    "_frozen_importlib", "_frozen_importlib_external",
})  # fmt: skip
_identity = object.__hash__
"""As ``id``, which is an event for every audit hook."""

_others: set[str] = set()
"""Modules that are not the user's."""
_passed: AbstractSet[str] = _others
"""Those of them of which no code has to be looked at: all, or none if one that keeps is watched."""
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
    if frame is None or _name_in(frame.f_globals) in _IMPORTING:
        return found  # most opens of a process
    known, passed, identity = _known, _passed, _identity
    namespace, is_other = None, False
    for _ in _STEPS:
        if namespace is not frame.f_globals:
            namespace = frame.f_globals
            is_other = _name_in(namespace) in passed
        if not is_other:
            code = frame.f_code  # to ask for that is an event, too
            ledger = known.get(identity(code), _UNMET)
            if ledger is not None:
                if ledger is _UNMET:
                    ledger = _met(code, frame.f_globals)
                if ledger is _BODY:
                    break
                if ledger is not None:
                    found.append(ledger)
        frame = frame.f_back
        if frame is None:
            break
    return found


def _name_in(namespace: dict[str, Any]) -> str | None:
    name = namespace.get("__name__")
    return name if type(name) is str else None  # it may be anything


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
        """Yield what was read for what the body got out of memos, by whomever it was."""
        for _, ledger in self._used(recorder):
            if ledger not in recorder.relied:
                recorder.relied.add(ledger)
                yield from ledger.reads_from(recorder.seen.start)

    def stages(self, recorder: Recorder) -> dict[str, bool]:
        """Return the names of the stages whose results these memos may have given the body.

        With whether one surely did: one that counts its hits.
        """
        found: dict[str, bool] = {}
        for memo, _ in self._used(recorder):
            for stage in memo.stages:
                found[stage] = memo.counts or found.get(stage, False)
        return found

    def _used(self, recorder: Recorder) -> Iterator[tuple[Memo, Ledger]]:
        """Yield the memos that the body got something out of, with their ledgers.

        Where a memo does not count its hits, one that read nothing for this body is taken to have
        been one: its function was called before, or it is not called at all.
        """
        for memo, hits in self._memos:
            for code in memo.codes:
                ledger = _known.get(_identity(code))
                if ledger is None:
                    continue
                # A process that was forked got out of it what it may, and cannot say so.
                has_got = recorder.has_forked or memo.hits() != hits
                if not memo.counts:
                    has_got = ledger not in recorder.filled
                if has_got:
                    yield memo, ledger


def _watch(code: CodeType) -> None:
    """Note from now on what a function reads, whatever was thought of it before."""
    global _passed
    from stagecache.fingerprint.reads.ledger import Ledger

    if _known.get(_identity(code)) is None:
        if code.co_flags & _GENERATORS:  # a library made it, perhaps, and a global holds it
            _passed = frozenset()
        _held[_identity(code)] = code
        _known[_identity(code)] = Ledger()


def _met(code: CodeType, namespace: dict[str, Any]) -> Ledger | None:
    ledger: Ledger | None = None
    if _is_of_the_engine(namespace):
        ledger = _BODY
    else:
        token = model.memo.set(None)  # its owner may be in the middle of something
        try:
            with nobody():  # to find out whose code it is may list folders
                if not is_user_code(namespace):
                    _note_other(namespace.get("__name__"))
                elif code.co_name != "<module>":
                    ledger = _ledger_of(code, namespace)
        finally:
            model.memo.reset(token)
    if len(_known) >= _MOST_KNOWN:  # a notebook that defines its functions over and over
        for identity in [identity for identity, one in list(_known.items()) if one is None]:
            _known.pop(identity, None)
            _held.pop(identity, None)
    _held[_identity(code)] = code
    return _known.setdefault(_identity(code), ledger)


def _ledger_of(code: CodeType, namespace: dict[str, Any]) -> Ledger | None:
    # Loaded by the first function that is met: whoever only imports the package needs none of it.
    from stagecache.fingerprint.code.keeping import may_keep

    if not may_keep(code, namespace):
        return None
    from stagecache.fingerprint.reads.ledger import Ledger

    return Ledger()


def _note_other(name: Any) -> None:
    if isinstance(name, str) and name.partition(".")[0] != _OWN:
        _others.add(name)


def _is_of_the_engine(namespace: dict[str, Any]) -> bool:
    return str(namespace.get("__name__")).startswith(_ENGINE)
