"""Finds the kept result of a request that is still good, or says what is wrong with what is kept.

Under a request's key lies its newest result. A result whose body read files lies a second time
under a key of its own (``variants``), so that going back to earlier files hits as going back to
earlier code does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stagecache.engine.resting import first_replaced
from stagecache.engine.variants import known_names, names_of, of_the_world, variant_now
from stagecache.fingerprint.code import is_lost
from stagecache.fingerprint.reads.check import first_changed
from stagecache.plan import is_servable, judge

if TYPE_CHECKING:
    from stagecache.engine.request import Request
    from stagecache.marks import Outdated
    from stagecache.model import Entry, Read
    from stagecache.stores.tiered import Tiered


class Found(NamedTuple):
    """What a lookup found."""

    entry: Entry | None
    """The good result, or else what is kept under the very key."""
    is_good: bool
    changed: Read | None = None
    """What the body of `entry` read and is not so any more."""
    is_stale: bool = False
    """Whether `entry`, which has expired, may be served while somebody refreshes it."""
    outdated: Outdated | None = None
    """Which mark says that `entry` is not good any more."""
    is_loadable: bool = True
    """False if loading the value of `entry` was tried in vain."""


def look_up(store: Tiered, request: Request, now: float, *, was_heard: bool = False) -> Found:
    """Return the good result of `request`, or what is there instead; no value is loaded.

    Parameters
    ----------
    store, request, now
        Where to look for what, and when.
    was_heard : bool, optional
        Whether somebody has just said that it is there, to one who asked for it before and learned
        then what marks there were: what was set since concerns who asks from now on.
    """
    key, stage = request.key, request.stage
    entry = store.get_new(key, request) if was_heard else store.get(key, request)
    if not was_heard:
        store.hear()  # also for who now begins to wait
    if entry is None:
        return Found(None, is_good=False)
    namespace = getattr(stage.fn, "__globals__", None)
    if entry.refs and any(is_lost(name, namespace) for name in entry.refs):
        return Found(entry, is_good=False, is_loadable=False)
    outdated = store.outdated(entry, stage.scopes)
    if judge(entry, stage.settings, now, outdated) is not None:
        for other in store.elsewhere(entry):
            marked = store.outdated(other, stage.scopes)
            if judge(other, stage.settings, now, marked) is None:
                entry = other
                store.lift(entry, request)
                break
            if other.generation > entry.generation or _has_its_value(other, entry):
                entry, outdated = other, marked
        else:
            is_stale = is_servable(entry, stage.settings, now, outdated)
            is_stale = is_stale and reads_hold(store, entry)
            return Found(entry, is_good=False, is_stale=is_stale, outdated=outdated)
    changed = first_unlike(store, entry) if entry.reads else None
    if changed is None:
        return Found(entry, is_good=True)
    if changed.kind == "result":  # somebody else may have gone on from there
        for other in store.elsewhere(entry):
            marked = store.outdated(other, stage.scopes)
            if judge(other, stage.settings, now, marked) is None and reads_hold(store, other):
                store.lift(other, request)
                return Found(other, is_good=True)
    names_now = names_of(of_the_world(entry.reads))
    for names in (names_now, *(each for each in known_names(store, key) if each != names_now)):
        if not names:
            continue
        aside = store.get(variant_now(key, names), request)
        if aside is None:
            continue
        if judge(aside, stage.settings, now, store.outdated(aside, stage.scopes)) is not None:
            continue
        if first_replaced(store, aside) is None:
            return Found(aside, is_good=True)
    return Found(entry, is_good=False, changed=changed)


def first_unlike(store: Tiered, entry: Entry) -> Read | None:
    """Return the first of what the body of a result found that it would not find now; None: none.

    What it read comes first, then what it got of other stages.
    """
    world = of_the_world(entry.reads)
    changed = first_changed(world) if world else None
    return first_replaced(store, entry) if changed is None else changed


def reads_hold(store: Tiered, entry: Entry) -> bool:
    """Tell whether everything that the body of a result read or got is as it was."""
    return not entry.reads or first_unlike(store, entry) is None


def _has_its_value(other: Entry, entry: Entry) -> bool:
    is_same = other.generation == entry.generation and other.result == entry.result
    return is_same and other.has_value and not entry.has_value
