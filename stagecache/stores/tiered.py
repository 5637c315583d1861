"""Several stores as one: the order of lookups, promotion, write-through, and trouble as a warning.

What a tier below cannot keep is kept in memory. The job never fails because of a store.

Tiers differ in what they take: pickles where only this user, or a team with a key, can have
written; elsewhere what cannot run code. So a result may be put twice, in two forms: *near*, as
the first tier likes it, and *far*.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from stagecache.errors import StoreError
from stagecache.stores.asking import ask, warn_once, works
from stagecache.stores.base import (
    Digesting,
    Preparable,
    Snapshots,
    Telling,
    Versioned,
    Vouching,
)
from stagecache.stores.book import Book, Said
from stagecache.stores.lifting import Lifting
from stagecache.stores.overview import Overview
from stagecache.stores.settled import Settled
from stagecache.stores.vouching import vouched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stagecache.marks import Outdated, Standing
    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.base import Sections, Store
    from stagecache.stores.lifting import Asker
    from stagecache.stores.memory import MemoryStore


class Tiered(Overview):
    """A memory tier over others, each slower and wider than the one before.

    Parameters
    ----------
    memory : MemoryStore
        The first tier.
    lower : sequence of stores
        In the order of lookups.
    book : Book, optional
        What is known of marks; by default one of its own over the lower tiers.

    Examples
    --------
    >>> from stagecache.stores.memory import MemoryStore
    >>> tiers = Tiered(MemoryStore(), [])
    >>> print(tiers.get(bytes(16)))
    None
    """

    def __init__(
        self,
        memory: MemoryStore,
        lower: Sequence[Store] = (),
        book: Book | None = None,
    ) -> None:
        super().__init__(memory, lower)
        self._lower = tuple(lower)
        self._versioned = tuple(store for store in lower if isinstance(store, Versioned))
        self._tellers = tuple(store for store in lower if isinstance(store, Telling))
        self._is_coherent = len(self._versioned) + len(self._tellers) == len(lower)
        self.book = Book.over(lower) if book is None else book
        self._snapshots = tuple(store for store in lower if isinstance(store, Snapshots))
        self._preparables = tuple(store for store in lower if isinstance(store, Preparable))
        self._vouching = tuple(store for store in lower if isinstance(store, Vouching))
        self._lifting = Lifting(lower)
        self._near = tuple(store for store in lower if store not in self._tellers)
        self._digesting = {id(store) for store in lower if isinstance(store, Digesting)}
        self._block = _Block()
        self.settled = Settled()
        """Entries of which all is known to hold that they rest on, under :attr:`stamp`."""

    @property
    def private(self) -> bool:
        """Whether nobody but this user writes in the first tier that takes results: pickles may."""
        return next((store.private for store in self._vouching if store.writable), True)

    @property
    def far_private(self) -> bool | None:
        """The same of the tiers that take results in another form; None if there are none now."""
        return None if not self._far() else not self.private

    @property
    def writable(self) -> bool:
        """Whether results are taken at all: what no tier below takes is kept in memory."""
        return True

    def vouches_for(self, entry: Entry) -> bool:
        """Tell whether only this user can have written the value of an entry that was got here."""
        return not entry.is_foreign

    def prepare(self) -> None:
        """Make what has to exist before a lease is taken: two cold processes must meet there."""
        for store in self._preparables:
            ask(store, None, store.prepare)

    # --- entries and values

    def get(self, key: Key, asker: Asker | None = None) -> Entry | None:
        """Return the entry under `key` from the first tier that has it.

        Parameters
        ----------
        key : Key
            What to look for.
        asker : Asker, optional
            Knows where the result comes from, in case that it is brought nearer.
        """
        version = self._block.version
        if version is None:
            version = self._trust()
        entry = self._memory.get(key)
        return self._below(key, version, asker) if entry is None else entry

    def get_new(self, key: Key, asker: Asker | None = None) -> Entry | None:
        """Do the same for what somebody has just said to be there.

        Whether copies in memory hold is not asked if there is none of it: that takes three times as
        long as to read its row. What is read now is not older than what was known before.
        """
        if self._memory.get(key) is not None:
            return self.get(key, asker)
        return self._below(key, self._seen, asker)

    def _below(self, key: Key, version: object, asker: Asker | None) -> Entry | None:
        for position, store in enumerate(self._lower):
            try:
                entry = store.get(key)
            except StoreError as error:
                warn_once(store, error)
                continue
            if entry is not None:
                entry = vouched(store, entry)
                self._memory.copy(entry, version)
                if position:
                    self._lift(entry, position, asker)
                return entry
        return None

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that some tier has."""
        version = self._block.version
        if version is None:
            version = self._trust()
        found = self._memory.get_many(keys)
        none: dict[Key, Entry] = {}
        for position, store in enumerate(self._lower):
            missing = [key for key in keys if key not in found]
            if not missing:
                break
            for key, got in ask(store, none, store.get_many, missing).items():
                found[key] = entry = vouched(store, got)
                self._memory.copy(entry, version)
                if position:
                    self._lift(entry, position, None)
        return found

    def results(self, keys: Iterable[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of the results under `keys` that this machine has."""
        wanted = list(keys)
        found = self._memory.results(wanted)
        none: dict[Key, Digest] = {}
        for store in self._near:
            missing = [key for key in wanted if key not in found] if found else wanted
            if id(store) in self._digesting:
                found.update(ask(store, none, cast("Digesting", store).results, missing))
            else:
                got: dict[Key, Entry] = ask(store, {}, store.get_many, missing)
                found.update({key: entry.result for key, entry in got.items()})
        return found

    @property
    def state(self) -> int | None:
        """A number that tells whether anything here was removed, replaced or marked, for ever.

        None if nobody can tell that by a number.
        """
        version = self._seen
        if type(version) is not int or self._memory.turnover:
            return None
        if self.book.has_team and self.marks.has_keys:
            return None  # a directory that cannot be written has no number for what a team marks
        return version

    @property
    def stamp(self) -> object:
        """What differs once anything here was removed, replaced or marked since the last lookup.

        As :meth:`Versioned.version`: not if something came that had not been there.
        """
        memory = self._memory
        version = self._block.version
        if version is None:
            version = memory.version
        return version, self.book.standing(version), memory.turnover

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result in every near tier, or else in memory; return the one that stands.

        An entry that comes back with neither ``inline`` nor ``blob`` is kept nowhere.
        """
        far = self._far()
        near = [store for store in self._lower if store not in far] if far else self._lower
        return self._put(near, entry, sections, provenance, manifest)

    def put_here(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Do the same where no other machine sees it."""
        here = [store for store in self._lower if store not in self._tellers]
        return self._put(here, entry, sections, provenance, manifest)

    def put_far(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        """Keep a result in the far tiers, in the form that they take; return the one that stands.

        An entry that comes back with neither ``inline`` nor ``blob`` is kept in none.
        """
        bare = entry._replace(inline=None, blob=None)
        puts = (
            ask(store, bare, store.put, entry, sections, provenance, manifest)
            for store in self._far()
        )
        return next((standing for standing in puts if standing.has_value), bare)

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, or None if no tier can give them."""
        sections = self._memory.load(entry)
        if sections is not None:
            return sections
        for position, store in enumerate(self._lower):
            if not entry.is_foreign and vouched(store, entry).is_foreign:
                continue  # what others can have written is no value of an entry that is ours
            sections = ask(store, None, store.load, entry)
            if sections is not None:
                if position:
                    self._lifting.value(entry, sections, position)
                return sections
        self._memory.remove([entry.key])
        return None

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`, in all tiers; return how many there were."""
        wanted = list(keys)
        removed = max(
            (ask(store, 0, store.remove, wanted) for store in self._takers()),
            default=0,
        )
        return removed + self._memory.remove(wanted)

    def lasts(self, key: Key) -> bool:
        """Tell whether what was put under `key` is where it was to be, not only in memory."""
        return not (self._lower and self._memory.is_refuge(key))

    def adopt(self, writer: Key, holder: Key) -> None:
        """Let go of the parts that `writer` held, now that the entry under `holder` has them.

        If that one is in memory since no tier below could keep it, what these have of its parts
        stays for a while: nothing there holds it.
        """
        self._memory.remove([writer])
        if not self._memory.is_refuge(holder):
            for store in self._takers():
                ask(store, 0, store.remove, [writer])

    def elsewhere(self, entry: Entry) -> Iterator[Entry]:
        """Yield what the tiers that others reach have under the key of `entry`, if it is another.

        For a result that is not good any more, or has lost its value: somebody else may have it.
        """
        for store in self._tellers:
            found = ask(store, None, store.get, entry.key)
            if found is not None:
                found = vouched(store, found)
                if found != entry:
                    yield found

    def valued(self, entry: Entry) -> Entry | None:
        """Return `entry` if it has a value, else the same result from where it has one, or None."""
        if entry.has_value:
            return entry
        same = (e for e in self.elsewhere(entry) if e.has_value and e.result == entry.result)
        return next(same, None)

    def lift(self, entry: Entry, asker: Asker) -> None:
        """Bring what :meth:`elsewhere` gave into the tiers before."""
        if self._tellers:
            self._lift(entry, self._lower.index(self._tellers[0]), asker)

    def lift_whole(self, entry: Entry, sections: Sections) -> None:
        """Do the same with a result in parts, once these have been loaded."""
        self._lifting.whole(entry, sections)

    # --- what is outdated

    @property
    def marks(self) -> Standing:
        """The marks that were in force when this thread last got an entry; nobody is asked."""
        return self.book.standing(self._seen)

    def outdated(self, entry: Entry, scopes: tuple[str, ...]) -> Outdated | None:
        """Return which of these marks says that `entry` is not good any more.

        Parameters
        ----------
        entry : Entry
            What was got.
        scopes : tuple of str
            Of the stage that asks for it.
        """
        version = self._block.version
        standing = self.book.standing(self._memory.version if version is None else version)
        return standing.outdated(entry, scopes)

    def marked(self, key: Key, entry: Entry) -> Outdated | None:
        """Return which of these marks concerns `key` and was not known when `entry` was made."""
        return self.marks.marked(key, entry.epoch)

    def hear(self) -> None:
        """Ask what others have marked, unless that was done a moment ago or in this block."""
        if self._block.version is None:
            self.book.check()

    def marks_now(self) -> Standing:
        """Return the marks that are in force now."""
        if self._block.version is None:
            self._trust()
            self.book.check()
        return self.marks

    def marks_known(self) -> dict[str, int]:
        """Return which marks a body knows of that starts now: for the epoch of its result."""
        self.marks_now()
        return self.book.numbers(self._seen)

    def invalidate(self, scopes: Sequence[str], *, soft: bool, by: str, at: float) -> bool:
        """Set a mark; tell whether all who share a tier with this one know of it when they look.

        Parameters
        ----------
        scopes : sequence of str
            What it concerns; see :mod:`stagecache.marks`.
        soft : bool
            Whether what is outdated may be served while one caller computes it anew.
        by, at
            Machine and seconds since the epoch: for people.

        Raises
        ------
        StoreError
            If it cannot be kept on this machine.
        """
        return self.book.mark(Said(tuple(scopes), soft, by, at))

    def close(self) -> None:
        """Close all tiers."""
        for store in self._lower:
            ask(store, None, store.close)
        self._memory.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let this thread's lookups in the block see one state. Short, re-entrant."""
        if self._block.version is not None:
            yield
            return
        self.book.check()
        with ExitStack() as stack:
            for store in self._snapshots:
                ask(store, None, _enter, stack, store)
            self._block.version = self._trust()
            try:
                yield
            finally:
                self._block.version = None
                found, self._block.found = self._block.found, []
        for entry, position, asker in found:
            self._lifting.record(entry, position, asker)

    # --- shared

    def _takers(self) -> list[Store]:
        return [s for s in self._lower if not isinstance(s, Vouching) or s.writable]

    @property
    def _seen(self) -> object:
        """The version of what this thread got last."""
        version = self._block.version
        return self._memory.version if version is None else version

    def _version(self) -> object:
        """Return what copies in memory are stamped with.

        Trouble is not told of here: a warning that is an error must not keep a result from
        being kept. What a store in trouble has is not remembered.
        """
        if self._is_coherent:
            try:
                if len(self._versioned) == 1:
                    return self._versioned[0].version()
                return tuple([store.version() for store in self._versioned])
            except StoreError:
                pass
        return object()  # equal to no other

    def _trust(self) -> object:
        version = self._version()
        self._memory.trust(version)
        return version

    def _far(self) -> list[Store]:
        """Return the tiers that take results, but in another form than the first that does."""
        if len(self._vouching) < 2:
            return []
        near = self.private
        out = {id(store) for store in self._tellers if store.is_out}
        takers = [store for store in self._vouching if store.writable and id(store) not in out]
        return [store for store in takers if store.private is not near]

    def _put(
        self,
        stores: Sequence[Store],
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,
    ) -> Entry:
        version = self._version()
        winner = None
        troubles = []
        for store in stores:
            try:
                standing = store.put(entry, sections, provenance, manifest)
            except StoreError as error:
                troubles.append((store, error))
            else:
                if standing.has_value:
                    winner = winner or vouched(store, standing)
                works(store)
        if winner is None:
            winner = self._memory.put(entry, sections, provenance, manifest)
        else:
            self._memory.remove([winner.key])
            self._memory.copy(winner, version)
        for store, trouble in troubles:
            warn_once(store, trouble)
        return winner

    def _lift(self, entry: Entry, position: int, asker: Asker | None) -> None:
        if self._block.version is None:
            self._lifting.record(entry, position, asker)
        else:  # a snapshot is open, which nothing can be written beside
            self._block.found.append((entry, position, asker))


def _enter(stack: ExitStack, store: Snapshots) -> None:
    stack.enter_context(store.reading())


class _Block(threading.local):
    """The reading block of each thread."""

    def __init__(self) -> None:
        self.version: object = None
        """What its copies are stamped with; None outside a block."""
        self.found: list[tuple[Entry, int, Asker | None]] = []
        """What farther tiers gave in it, and which."""
