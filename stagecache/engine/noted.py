"""Remembers which results calls gave in this process: a memo may hold some, and nobody tells which.

To look at each hit which functions are at work takes half as long as the hit. So a body that used a
memo rests on whatever calls gave of those stages that the memo may call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stagecache.engine.resting import Call, Got, got
from stagecache.engine.variants import results_among

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from stagecache.model import Digest, Entry, Key, Read


class _Noted(NamedTuple):
    """What is remembered of a result."""

    result: Digest
    made_of: int
    """Tells results apart that were made of different ones, or are kept elsewhere."""
    caller: str
    """The stage that was called; another one may have computed it."""
    home: str
    rests: tuple[Got, ...]
    """What those rest on who got it."""
    reads: tuple[Read, ...]
    """Of its entry, as they were met last."""


_ONE, _MOST = 500, 16 << 20
"""Bytes, about: 30,000 results that rest on no others."""
_known: dict[Key, tuple[_Noted, ...]] = {}
"""The last results of each call, the newest last; what was called last, last."""
_taken = [0]
"""Bytes, about, since there was room made last."""


def is_noted(key: Key, result: Digest, home: str, reads: tuple[Read, ...]) -> bool:
    """Tell whether this very result, of an entry with these reads, is what a call gave last."""
    known = _known.get(key)
    if known is None:
        return False
    last = known[-1]
    return last.result == result and last.reads is reads and last.home == home


def note(entry: Entry, caller: str, key: Key, result: Digest, home: str) -> None:
    """Note what a call gave, unless it gave that last.

    Parameters
    ----------
    entry : Entry
        What is kept of it.
    caller : str
        The name of the stage that was called.
    key, result, home
        As of :func:`~stagecache.engine.resting.got`.
    """
    known = _known.get(key, ())
    made_of = hash((home, results_among(entry.reads)))
    if known and known[-1][:2] == (result, made_of):
        _known[key] = (*known[:-1], known[-1]._replace(reads=entry.reads))
        return
    rests = tuple(got(entry.stage, entry.reads, key, result, home))
    _known[key] = (*known[-3:], _Noted(result, made_of, caller, home, rests, entry.reads))
    _make_room(2 * sum(len(each.name) for each in rests if not isinstance(each, Call)))


def _make_room(size: int) -> None:
    _taken[0] += _ONE + size
    if _taken[0] > _MOST:
        for old in list(_known)[: len(_known) // 2]:
            _known.pop(old, None)
        _taken[0] = _MOST // 2


def given_by(stages: Mapping[str, bool], own: Collection[str], home: str) -> Iterator[Got]:
    """Yield what those rest on who may have got results that calls of these stages once gave.

    Parameters
    ----------
    stages : mapping
        Name of a stage -> whether it surely gave one.
    own : collection of str
        The stages that were called by himself: others that may have given one did not.
    home : str
        The directory in which these are kept.
    """
    for known in list(_known.values()) if stages else ():
        for one in known:
            is_sure = stages.get(one.caller) if one.home == home else None
            if is_sure or (is_sure is not None and one.caller not in own):
                yield from one.rests
