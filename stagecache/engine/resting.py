"""Decides whether a result still rests on what its body got of other stages.

What such a call is made of is in the key of the body's own stage, and what it read was handed up.
Left is which result it gave: somebody may have refreshed it, forgotten it, or lost it and got
another one. A call is known by its key and by the one that its result has beside it, if its body
read files (``variants``); a result by its fingerprint, as between the nodes of a pipeline.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from stagecache.engine.variants import of_the_world, results_among, variant
from stagecache.fingerprint.parts import digest_of
from stagecache.fingerprint.reads.check import UNSETTLED, first_changed
from stagecache.marks import results_scope
from stagecache.model import Digest, Key, Read
from stagecache.settings import MEMORY_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stagecache.marks import Outdated
    from stagecache.model import Entry
    from stagecache.stores.disk.store import DiskStore
    from stagecache.stores.tiered import Tiered

MOST = 1_000
"""Results of one stage that an entry names. Of more, a refresh of any of the stage's counts."""
_KEY, _DIGEST = 16, 16
_BETWEEN = "\n"
"""Between the parts of the name of a read: the stage's name is the first, and has none."""


class Call(NamedTuple):
    """One call of another stage, and which result it gave a body."""

    stage: str
    key: Key
    aside: Key
    """Where it lies beside `key`, if its body read files; else the same."""
    result: Digest
    home: str
    """The directory in which it is kept; empty: that of whoever has this."""

    @property
    def read(self) -> Read:
        """As a read of the body."""
        name = _BETWEEN.join((self.stage, self.key.hex() + self.aside.hex(), self.home))
        return Read("result", name, self.result)

    @classmethod
    def of(cls, read: Read) -> Call:
        """Return what :attr:`read` is of."""
        stage, keys, home = read.name.split(_BETWEEN, 2)
        packed = bytes.fromhex(keys)
        return cls(stage, Key(packed[:_KEY]), Key(packed[_KEY:]), read.digest, home)


class Merged(NamedTuple):
    """What a body got of other stages, as its entry says it."""

    reads: tuple[Read, ...]
    """One of each stage."""
    scopes: list[str]
    """Of marks, for stages of which it got more than an entry names."""
    torn: list[str]
    """Stages of which it got two results of one call."""


Got: TypeAlias = "Call | Read"
"""What a body got: one result, or those that such a result rests on itself."""


def got(stage: str, reads: tuple[Read, ...], key: Key, result: Digest, home: str) -> list[Got]:
    """Return what a body rests on, beside files and their like, by one call of another stage.

    Parameters
    ----------
    stage : str
        As the entry of the result names it.
    reads : sequence of Read
        Of that entry.
    key : Key
        Of the call.
    result : Digest
        Fingerprint of what it gave; empty if that is kept nowhere.
    home : str
        The directory in which it is kept.
    """
    found: list[Got] = []
    aside = key
    if reads:
        world = of_the_world(reads)
        if world:
            aside = variant(key, world)
        found += [_at_home(read, home) for read in results_among(reads)]
    if result:
        found.append(Call(stage, key, aside, result, home))
    return found


def called_in(all_got: Iterable[Got]) -> set[str]:
    """Return the stages of the calls for which :func:`got` returned this."""
    return {each.stage for each in all_got if isinstance(each, Call)}


def together(all_got: Iterable[Got], home: str, state: int | None) -> Merged:
    """Merge what :func:`got` returned for all calls of a body.

    Parameters
    ----------
    all_got : iterable
        Of all calls.
    home : str
        The directory in which the result of the body is kept.
    state : int or None
        Of that, before it gave any of this; None if what it gave was not all there then or since.
    """
    groups: dict[tuple[str, str], dict[tuple[Key, Key], Digest]] = {}
    torn = set()
    for each in all_got:
        for stage, key, aside, result, place in _all_in(each):
            group = groups.get((stage, place))
            if group is None:
                group = groups[stage, place] = {}
            known = group.setdefault((key, aside), result)
            if known != result or result == UNSETTLED:
                group[key, aside] = UNSETTLED
                torn.add(stage)
    merged, scopes = [], []
    for (stage, place), group in sorted(groups.items()):
        if place.startswith(MEMORY_ONLY) and place != home:
            continue  # nobody will find it
        if place == home and len(group) > MOST:
            scopes.append(results_scope(stage))
        else:
            near = state if place == home and not torn else None
            merged.append(_packed(stage, "" if place == home else place, group, near))
    return Merged(tuple(merged), scopes, sorted(torn))


def first_replaced(store: Tiered, entry: Entry) -> Read | None:
    """Return the first result that the body of `entry` got and would not get now; None: none.

    What is kept no more, and was not forgotten, counts as unchanged: what it rested on is known.
    """
    if not entry.reads or entry.reads[-1].kind != "results":
        return None
    stamp = store.stamp
    if store.settled.holds(entry, stamp):
        return None
    now = _digest(store.state)
    by_home: dict[str, list[Call]] = {}
    for read in entry.reads:
        if read.kind == "results" and read.digest != now:
            for one in _unpacked(read):
                by_home.setdefault(one.home, []).append(one)
    is_settled = True
    for home, group in by_home.items():
        place: Tiered | DiskStore = _of(home) if home else store
        found = place.results([key for one in group for key in {one.key, one.aside}])
        for one in group:
            if one.result == UNSETTLED:
                return one.read
            mark = None if home else store.marked(one.key, entry)
            is_there = one.key in found
            is_same = is_there and _is_same(one, found)
            # What is not there may come, and files change, without anybody being told.
            is_settled &= is_same and not home
            if mark is None and (is_same or not is_there):
                continue
            if home:
                given = _of_the_files(place.get(one.key), one, found)
                stands = given in (None, one.result)
            else:
                stands = _stands(store, one, found, mark)
            if not stands:
                return one.read
    if is_settled:
        store.settled.note(entry, stamp)
    return None


def moved(reads: Iterable[Read], new: Mapping[Key, tuple[Key, Key]]) -> tuple[Read, ...]:
    """Return the reads of an entry with the keys of calls replaced by others.

    Parameters
    ----------
    reads : iterable of Read
        Of an entry.
    new : mapping
        Key of a call -> its key now, and where its result lies beside that.
    """
    found = []
    for read in reads:
        if read.kind == "results":
            calls = list(_unpacked(read))
            group = {new.get(one.key, (one.key, one.aside)): one.result for one in calls}
            read = _packed(calls[0].stage, calls[0].home, group, None)
        found.append(read)
    return tuple(found)


def calls_in(reads: Iterable[Read]) -> Iterator[Call]:
    """Yield all results that an entry rests on."""
    for read in reads:
        if read.kind == "results":
            yield from _unpacked(read)


def _is_same(one: Call, found: Mapping[Key, Digest]) -> bool:
    return found.get(one.key) == one.result == found.get(one.aside, one.result)


def _stands(store: Tiered, one: Call, found: Mapping[Key, Digest], mark: Outdated | None) -> bool:
    """Tell whether a call would still give this, by what is kept here or by others.

    What is kept here may have expired: of a stage that nobody names here, its entry does not say.
    So what others have is good enough, if no mark says otherwise.
    """
    main = store.get(one.key)
    if main is None:
        return mark is None or mark.is_soft
    outdated = store.outdated(main, ())
    is_given = _of_the_files(main, one, found) in (None, one.result)
    if outdated is None and is_given:
        return True
    others = [other for other in store.elsewhere(main) if store.outdated(other, ()) is None]
    if outdated is not None and not others:  # after a soft mark all go on until there is a new one
        return outdated.is_soft and is_given
    return any(other.result == one.result for other in others)


def _of_the_files(main: Entry | None, one: Call, found: Mapping[Key, Digest]) -> Digest | None:
    if main is None:
        return None
    if one.aside != one.key and first_changed(of_the_world(main.reads)) is not None:
        return found.get(one.aside)  # the newest is that of other files
    return main.result


def _of(home: str) -> DiskStore:
    from stagecache.stores.disk.store import store_of

    return store_of(home)


def _all_in(one: Got) -> Iterable[Call]:
    return (one,) if isinstance(one, Call) else _unpacked(one)


def _at_home(read: Read, home: str) -> Read:
    return read._replace(name=read.name + home) if read.name.endswith(_BETWEEN) else read


def _packed(
    stage: str, home: str, group: Mapping[tuple[Key, Key], Digest], state: int | None
) -> Read:
    """Return results of one stage, in one place, as one read; its digest is of the place's state.

    As long as that is so, nothing there was removed, replaced or marked.
    """
    plain: list[bytes] = []
    varied: list[bytes] = []
    for (key, aside), result in sorted(group.items()):
        if aside == key:
            plain += key, result
        else:
            varied += key, aside, result
    texts = [b2a_base64(b"".join(rows), newline=False).decode() for rows in (plain, varied)]
    name = _BETWEEN.join((stage, *texts, home))
    return Read("results", name, _digest(state) or UNSETTLED)


def _digest(state: int | None) -> Digest | None:
    return None if state is None else Digest(digest_of(b"state:%d" % state))


def _unpacked(read: Read) -> Iterable[Call]:
    try:
        return list(_calls(read))
    except ValueError:  # damaged: nobody knows what it was
        stage = read.name.partition(_BETWEEN)[0]
        return [Call(stage, Key(bytes(_KEY)), Key(bytes(_KEY)), UNSETTLED, "")]


def _calls(read: Read) -> Iterator[Call]:
    stage, plain, varied, home = read.name.split(_BETWEEN, 3)
    rows = a2b_base64(plain)
    for at in range(0, len(rows), _KEY + _DIGEST):
        key = Key(rows[at : at + _KEY])
        yield Call(stage, key, key, Digest(rows[at + _KEY : at + _KEY + _DIGEST]), home)
    rows = a2b_base64(varied)
    for at in range(0, len(rows), 2 * _KEY + _DIGEST):
        middle, end = at + _KEY, at + 2 * _KEY
        key, aside = Key(rows[at:middle]), Key(rows[middle:end])
        yield Call(stage, key, aside, Digest(rows[end : end + _DIGEST]), home)
