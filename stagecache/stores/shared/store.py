"""What a team shares: results on shelves that many machines reach, sealed where there is a key.

An entry lies on one shelf, with its value if that is small; a large value lies on another (or the
same), under the digest of its bytes. The value is there before its entry. A shelf removes what it
wants when it wants, so what is gone is a miss; whoever computes it again puts it back.

Nothing that a shelf gives is believed: see :mod:`~stagecache.stores.shared.envelope`. Pickles, and
files that are put back, are for teams with a key who said that they want them; elsewhere a value
that needs them is a miss before any of it is decoded, and is never put.

Shelves are not asked under a lock, so two who put under one key at a time may both succeed. For
results of content keys that makes no difference: all of them are right, and the first one stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from stagecache.codecs import is_safe
from stagecache.errors import SettingsError
from stagecache.stores.sections import address, flat, seal, unseal
from stagecache.stores.shared import envelope
from stagecache.stores.shared.envelope import Refused
from stagecache.stores.shared.fields import entry_from, said_of, with_value
from stagecache.stores.shared.large import LargeValues, Refusals
from stagecache.stores.shared.marks import SharedLog
from stagecache.stores.shared.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.breaker import Breaker
    from stagecache.clock import Clock
    from stagecache.model import CodeManifest, Entry, Key, Provenance
    from stagecache.stores.base import Sections
    from stagecache.stores.shared.keyring import Keyring
    from stagecache.stores.shared.shelf import Shelf

INLINE_LIMIT = 64 << 10
"""Bytes: a value up to this size lies in its entry's envelope. There it costs a lookup that does
not need it 40 us more over loopback, as much as one that does saves by a second round trip."""
_NAMESPACE = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_LONGEST = 120
_AT_ONCE = 500
"""Entries that are asked for at once."""


class SharedStats(NamedTuple):
    """What is known here of the tier that a team shares."""

    entries: str
    """Where they lie."""
    values: str
    """Where large values lie."""
    namespace: str
    role: str
    is_signed: bool
    takes_pickles: bool
    is_out: bool
    """Whether it did not answer just now."""
    refused: int
    """Values that were there and not to be believed."""


class SharedStore:
    """Keeps results on shelves.

    Parameters
    ----------
    entries : Shelf
        Where entries lie, with small values.
    blobs : Shelf or None, optional
        Where large values lie; None: on the same shelf, up to its limit.
    namespace : str
        What all names begin with: teams with different ones share nothing.
    role : {"writer", "reader"}, optional
        A reader sends nothing that changes anything.
    keyring : Keyring or None, optional
        The keys that have to have signed whatever is read; None: whoever can write there is
        believed, as far as formats that cannot run code go.
    allow_pickle : bool, optional
        Whether to keep and read pickles, and to put back files; only with a keyring.
    clock : Clock or None, optional
        Where the time comes from.
    seconds : float or None, optional
        How long the shelves are to keep what is put; None: as long as they have room.
    breaker : Breaker or None, optional
        Of the server that has the entries, shared with whatever else asks it.

    Raises
    ------
    SettingsError
        If the namespace or the role cannot be used.

    Examples
    --------
    >>> from stagecache.testing.shelves import MemoryShelf
    >>> from stagecache.testing.stores import load, make_entry, put
    >>> store = SharedStore(MemoryShelf(), namespace="team")
    >>> entry = put(store, make_entry(codec="plain"), b"value")
    >>> store.get(entry.key) == entry, load(store, entry)
    (True, [b'value'])
    """

    def __init__(
        self,
        entries: Shelf,
        blobs: Shelf | None = None,
        *,
        namespace: str,
        role: Literal["writer", "reader"] = "writer",
        keyring: Keyring | None = None,
        allow_pickle: bool = False,
        clock: Clock | None = None,
        seconds: float | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace) or len(namespace) > _LONGEST:
            raise SettingsError(
                f"namespace is to be letters, digits, - and _, with / between, not {namespace!r}"
            )
        if role not in ("writer", "reader"):
            raise SettingsError(f"role is 'writer' or 'reader', not {role!r}")
        self.private = allow_pickle and keyring is not None
        """Whether it may keep pickles: only members of the team can have written what it gives."""
        self.writable = role == "writer"
        """Whether it takes results at all."""
        self._entries = Reach(entries, clock, breaker)
        self._refusals = Refusals(entries.name)
        self._large = LargeValues(
            self._entries if blobs is None else Reach(blobs, clock),
            namespace,
            keyring,
            self._refusals,
            writes=self.writable,
            seconds=seconds,
        )
        # What is in braces decides where a cluster keeps a name.
        self._prefix = f"{namespace}/e1/{{"
        self._namespace = namespace
        self._keyring = keyring
        self._seconds = seconds
        self._writers: set[Key] = set()
        """Keys that hold parts while a result is at work on; nothing ever lies under them."""
        self.team_log = SharedLog(self._entries, namespace, keyring, writes=self.writable)
        """What was invalidated, by anybody who shares results here."""

    @property
    def refused(self) -> int:
        """How many values were there and not to be believed: forged, damaged, or of others."""
        return self._refusals.count

    def __repr__(self) -> str:
        return f"SharedStore({self._entries.name!r}, namespace={self._namespace!r})"

    def stats(self) -> SharedStats:
        """Return what is known of it; its shelf is asked whether it answers."""
        self._entries.get((f"{self._prefix}{bytes(16).hex()}}}",))
        return SharedStats(
            self._entries.name,
            self._large.reach.name,
            self._namespace,
            "writer" if self.writable else "reader",
            self._keyring is not None,
            self.private,
            self.is_out,
            self.refused,
        )

    @property
    def is_out(self) -> bool:
        """Whether the shelf of the entries is out of reach."""
        return self._entries.is_out

    def vouches_for(self, entry: Entry) -> bool:
        """Tell whether only a member of the team can have written the value of an entry."""
        return self.private and not entry.is_foreign

    # --- reading

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`; a miss while the shelf is out of reach."""
        name = f"{self._prefix}{key.hex()}}}"
        found = self._entries.get((name,))
        if not found:
            return None
        return self._entry(key, name, found[name])

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are, in one round trip."""
        entries = {}
        for start in range(0, len(keys), _AT_ONCE):
            names = {self._name(key): key for key in keys[start : start + _AT_ONCE]}
            for name, data in (self._entries.get(list(names)) or {}).items():
                key = names[name]
                entry = self._entry(key, name, data)
                if entry is not None:
                    entries[key] = entry
        return entries

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value, or None if they are not to be had.

        What lies in the entry is read-only, the others are the caller's alone.
        """
        if not self._admits(entry):
            return None
        if entry.inline is not None:
            return unseal(entry)
        if entry.blob is None:
            return None
        return self._large.load(entry.blob, entry.codec)

    # --- writing

    def put(
        self,
        entry: Entry,
        sections: Sections,
        provenance: Provenance,
        manifest: CodeManifest | None,  # noqa: ARG002 - for people, who ask their own machine
    ) -> Entry:
        """Keep a result unless one is kept already, and return what stands afterwards.

        It comes back without a value if it is kept nowhere: by a reader, in an outage, above the
        limit of the shelf, in a codec that is not for this place, or without one of its parts.
        """
        bare = entry._replace(inline=None, blob=None)
        if entry.is_part and provenance.key != entry.key:
            self._writers.add(provenance.key)
        if not (self.writable and self._admits(entry)):
            return bare
        views = flat(sections)
        size = sum([view.nbytes for view in views])
        parts = self.get_many(list(set(entry.parts))) if entry.parts else {}
        if len(parts) < len(set(entry.parts)):
            return bare
        placed = entry._replace(size=size + sum(part.size for part in parts.values()))
        if size <= INLINE_LIMIT:
            placed = placed._replace(inline=seal(entry, views), blob=None)
        elif self._large.reach.takes(size):  # before it is digested, which takes a while
            placed = placed._replace(inline=None, blob=address(entry.codec, views))
        else:
            return bare
        return self._commit(placed, views) or bare

    def remove(self, keys: Iterable[Key]) -> int:
        """Forget what is kept under `keys`; return how many there were.

        Values that lie by themselves stay: others may name them.

        Raises
        ------
        ShelfError
            If they may still be there.
        """
        wanted = []
        for key in keys:
            if key in self._writers:
                self._writers.discard(key)
            else:
                wanted.append(self._name(key))
        if not self.writable:
            return 0
        count = 0
        for start in range(0, len(wanted), _AT_ONCE):
            names = wanted[start : start + _AT_ONCE]
            # Not every shelf can tell how many of the names that it removed there were.
            there = self._entries.get(names)
            if there is None:
                there = dict.fromkeys(names, b"")
            if there:
                self._entries.remove(list(there))
                count += len(there)
        return count

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        self._entries.close()
        if self._large.reach is not self._entries:
            self._large.reach.close()

    # --- shared

    def _name(self, key: Key) -> str:
        return f"{self._prefix}{key.hex()}}}"

    def _admits(self, entry: Entry) -> bool:
        """Tell whether an entry is for this place, before anything of its value is looked at.

        What names classes of the user would have them imported; no safe codec holds such a value.
        """
        return self.private or (is_safe(entry.codec) and not entry.refs)

    def _entry(self, key: Key, name: str, data: bytes | memoryview) -> Entry | None:
        """Return the entry in an envelope, if it is to be believed and for this place."""
        try:
            opened = envelope.opened(name, data, self._keyring)
            entry = entry_from(key, opened.said)
        except (Refused, ValueError) as refused:
            self._refusals.note(refused)
            return None
        if not self._admits(entry):
            return None
        return entry if entry.blob else with_value(entry, seal(entry, opened.sections))

    def _commit(self, entry: Entry, views: Sequence[memoryview]) -> Entry | None:
        """Keep an entry and its value, and return the one that stands; None: neither is kept."""
        name = self._name(entry.key)
        inline = views if entry.blob is None else []
        try:
            pieces = envelope.closed(name, said_of(entry), inline, self._keyring)
        except ValueError:
            return None
        if entry.blob is None and not entry.generation:
            is_kept = self._entries.put(name, pieces, seconds=self._seconds, replace=False)
            if is_kept is not False:
                return entry if is_kept else None
        found = self._entries.get((name,))
        if found is None:
            return None
        if name in found:
            standing = self._entry(entry.key, name, found[name])
            if standing is None:
                if self._keyring is None and envelope.is_signed(found[name]):
                    return None  # who cannot check a signature does not write over one
            elif standing.generation >= entry.generation and self._is_whole(standing, entry):
                return standing
        if entry.blob is not None and not self._large.keep(entry.blob, entry.codec, views):
            return None
        # Since it was read, somebody else may have put a newer one, which is then lost: it is
        # computed again. What takes its place was right when its body ran, and is judged by its
        # age and the marks of invalidation wherever it is read, so it is never served stale.
        replace = name in found or entry.generation > 0
        is_kept = self._entries.put(name, pieces, seconds=self._seconds, replace=replace)
        if is_kept is False:  # somebody was faster
            return self.get(entry.key)
        return entry if is_kept else None

    def _is_whole(self, standing: Entry, entry: Entry) -> bool:
        """Tell whether what stands serves as well as `entry`, which is to be put."""
        if self._large.is_lost(standing.blob):
            return False
        if entry.is_part and (standing.inline, standing.blob) != (entry.inline, entry.blob):
            return False  # a part is what its key says, so that is somebody's forgery
        parts = set(standing.parts)
        return not parts or len(self.get_many(list(parts))) == len(parts)
