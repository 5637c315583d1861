"""Finds the kept result of a request that is still good, or says what is wrong with what is kept.

Under a request's key lies its newest result. A result whose body read files lies a second time
under a key of its own, made of the first one and of what those files held, so that going back to
earlier files hits as going back to earlier code does. Which names to look at is remembered, as
in ccache's manifests (https://ccache.dev/manual/latest.html, "The direct mode").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128_digest

from stagecache.fingerprint.reads.check import brought, digest_now, first_changed
from stagecache.model import Digest, Key, Read
from stagecache.plan import is_servable, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stagecache.engine.request import Request
    from stagecache.marks import Outdated
    from stagecache.model import Entry
    from stagecache.stores.tiered import Tiered

_MOST_VARIANTS = 16
_KIND = "reads"


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
            is_stale = is_servable(entry, stage.settings, now, outdated) and reads_hold(entry)
            return Found(entry, is_good=False, is_stale=is_stale, outdated=outdated)
    if not entry.reads:
        return Found(entry, is_good=True)
    changed = first_changed(entry.reads)
    if changed is None:
        return Found(entry, is_good=True)
    names_now = _names(entry.reads)
    for names in (names_now, *(names for names in _known(store, key) if names != names_now)):
        aside = store.get(variant(key, [_now(kind, name) for kind, name in names]), request)
        if aside is None:
            continue
        if judge(aside, stage.settings, now, store.outdated(aside, stage.scopes)) is None:
            return Found(aside, is_good=True)
    return Found(entry, is_good=False, changed=changed)


def reads_hold(entry: Entry) -> bool:
    """Tell whether everything that the body of a result read is as it was."""
    return not entry.reads or first_changed(entry.reads) is None


def variant(key: Key, reads: Iterable[Read]) -> Key:
    """Return the key of the result under `key` whose body found `reads`."""
    parts: list[bytes] = [key]
    for kind, name, digest in reads:
        # A file that is not there is a file with another digest.
        text = f"{'file' if kind == 'missing' else kind}\0{name}"
        encoded = text.encode(errors="surrogateescape")
        parts += [len(encoded).to_bytes(4, "little"), encoded, digest]
    return Key(xxh3_128_digest(b"stagecache variant 1" + b"".join(parts)))


def note_names(store: Tiered, key: Key, reads: tuple[Read, ...]) -> None:
    """Remember which names the body of a result under `key` read."""
    import json

    names = _names(reads)
    known = [names, *(other for other in _known(store, key) if other != names)]
    store.remember(_KIND, key, json.dumps(known[:_MOST_VARIANTS]).encode())


def modules_brought(store: Tiered, key: Key) -> set[str]:
    """Return the modules that bodies under `key` asked for and that only looks have imported.

    A body that finds them among those that are imported does not ask any more, and has them.
    """
    if not brought:
        return set()
    named = (each for names in _known(store, key) for each in names)
    return {name for kind, name in named if kind == "module" and name.partition(":")[0] in brought}


def _has_its_value(other: Entry, entry: Entry) -> bool:
    is_same = other.generation == entry.generation and other.result == entry.result
    return is_same and other.has_value and not entry.has_value


def _names(reads: tuple[Read, ...]) -> list[list[str]]:
    return [[read.kind, read.name] for read in reads]


def _known(store: Tiered, key: Key) -> list[list[list[str]]]:
    import json

    found = store.recall(_KIND, key)
    return [] if found is None else json.loads(found)


def _now(kind: Any, name: str) -> Read:
    read = Read(kind, name, Digest(b""))
    return read._replace(digest=digest_now(read))
