"""Where the bytes of a region lie: on this machine's disk, in its memory, or on a shelf.

All three keep bytes under text, and lose them rather than raise: what is gone is made again.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from stagecache.errors import NotToldError, ShelfError, StoreError, warn
from stagecache.memory import LRU
from stagecache.stores.shared import envelope
from stagecache.stores.shared.reach import Reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stagecache.breaker import Breaker
    from stagecache.cache import Cache
    from stagecache.integrations.lenient import Lenient
    from stagecache.stores.shared.keyring import Keyring
    from stagecache.stores.shared.shelf import Shelf

_TIME = struct.Struct("<d")


class Place(Protocol):
    """Where the bytes of a region lie. Nothing but :meth:`mark` raises."""

    @property
    def private(self) -> bool:
        """Whether only this user, or the holders of a key, can have written there."""

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return what is under those of `keys` that there are."""

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep `items`; what is not kept is not found any more."""

    def remove(self, keys: Iterable[str]) -> None:
        """Forget what is under `keys`."""

    def mark(self, kind: str, when: float) -> None:
        """Keep when all was invalidated, for everybody who has this place.

        Raises
        ------
        NotToldError
            If that cannot be kept, so that others do not hear of it.
        """

    def marks(self) -> Mapping[str, float]:
        """Return when that was last, by kind: as of the last :meth:`get_many` at least."""


class OnDisk:
    """Bytes in an index, which remembers in memory what it has read lately.

    Parameters
    ----------
    cache : Cache
        In whose directory.
    values, marks : Lenient
        For values, and for marks, which never give way.
    ttl : float or None
        Seconds that a value is kept.
    """

    def __init__(self, cache: Cache, values: Lenient, marks: Lenient, ttl: float | None) -> None:
        self._cache = cache
        self._kept = values
        self._marks = marks
        self._ttl = ttl
        self._has_marks = False

    @property
    def private(self) -> bool:
        """Whether only this user can have written in the directory."""
        return self._cache.private

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return what is under those of `keys` that there are."""
        wanted = list(keys)
        if len(wanted) > 1:
            return self._kept.get_many(wanted)
        found = self._kept.get(wanted[0])  # what was read lately is remembered
        return {} if found is None else {wanted[0]: found}

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep `items`."""
        if len(items) > 1:
            self._kept.set_many(items, ttl=self._ttl)
        else:
            for key, value in items.items():
                self._kept.set(key, value, ttl=self._ttl)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget what is under `keys`."""
        self._kept.delete(keys)

    def mark(self, kind: str, when: float) -> None:
        """Keep when all was invalidated."""
        try:
            self._marks.index[kind] = max(when, self._marks.get(kind, 0.0))
        except StoreError as error:
            raise NotToldError(
                f"All values are invalid in this process, but others could not be told: {error}"
            ) from error

    def marks(self) -> Mapping[str, float]:
        """Return when that was last, by kind."""
        if not self._has_marks:
            # What is there is remembered, what is missing is looked for each time.
            self._has_marks = True
            with suppress(StoreError):
                for kind in ("hard", "soft"):
                    self._marks.index.add(kind, 0.0)
        return {kind: self._marks.get(kind, 0.0) for kind in ("hard", "soft")}


class InMemory:
    """Bytes in this process, the least recently used of which give way.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    private = True

    def __init__(self, limit: int) -> None:
        self._kept: LRU[str, bytes] = LRU(limit, getsizeof=len)
        self._marks: dict[str, float] = {}

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return what is under those of `keys` that there are."""
        return {key: found for key in keys if (found := self._kept.get(key)) is not None}

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep `items`; what is larger than all that there is room for is not kept."""
        for key, value in items.items():
            self._kept.pop(key, None)
            if len(value) <= self._kept.maxsize:
                self._kept[key] = value

    def remove(self, keys: Iterable[str]) -> None:
        """Forget what is under `keys`."""
        for key in keys:
            self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def mark(self, kind: str, when: float) -> None:
        """Keep when all was invalidated, for the threads of this process."""
        self._marks[kind] = when

    def marks(self) -> Mapping[str, float]:
        """Return when that was last, by kind."""
        return self._marks


class OnShelf:
    """Bytes on a shelf that many machines reach, each in an envelope.

    Nothing of it is kept nearer by: what another machine has set or deleted is seen at once. While
    the shelf is out of reach, what this process sets lies in its memory, until the shelf answers
    again; then, first of all, what it could not set or delete there is removed.

    Parameters
    ----------
    shelf : Shelf
        Where values lie.
    region : str
        One name, one set of keys.
    namespace : str
        What all names begin with.
    ttl : float or None
        Seconds that the shelf is to keep a value.
    keyring : Keyring or None
        Whose keys have to have signed what is read.
    allow_pickle : bool
        Whether pickles are kept and read; only with a keyring.
    memory : int
        Bytes that values may take in this process in an outage.
    breaker : Breaker
        Shared with whatever else asks that server.
    """

    def __init__(
        self,
        shelf: Shelf,
        region: str,
        *,
        namespace: str,
        ttl: float | None,
        keyring: Keyring | None,
        allow_pickle: bool,
        memory: int,
        breaker: Breaker,
    ) -> None:
        self.private = allow_pickle and keyring is not None
        self._reach = Reach(shelf, None, breaker)
        self._region = region
        self._prefix = f"{namespace}/r1/{{"
        self._ttl = ttl
        self._keyring = keyring
        self._refuge = InMemory(memory)
        self._owed: set[str] = set()
        """Names that the shelf may still have as they are not any more."""
        self._seen: dict[str, float] = {}
        self._mark_names = {
            f"{self._prefix}{self._digest('mark ' + kind)}}}": kind for kind in ("hard", "soft")
        }
        self._asks_for_marks = False
        self._unsent: set[str] = set()
        """Kinds of marks that others have not been told of."""
        self._is_told = False

    def get_many(self, keys: Iterable[str]) -> Mapping[str, bytes]:
        """Return what is under those of `keys` that there are, in one round trip."""
        names = {self._name(key): key for key in keys}
        asked = [*names, *self._mark_names] if self._asks_for_marks else list(names)
        answer = self._reach.get(asked)
        if answer is None:
            return self._refuge.get_many(names.values())
        if len(self._refuge):
            self._refuge.clear()
        owed = self._owed & names.keys()
        if self._owed:
            self._settle()
        for name in self._mark_names.keys() & answer.keys():
            kind = self._mark_names[name]
            found = self._opened(name, kind, answer[name])
            if found is not None and len(found) == _TIME.size:
                self._see(kind, _TIME.unpack(found)[0])
        for kind in tuple(self._unsent):
            self._send(kind)
        values = {
            key: self._opened(name, key, answer.get(name))
            for name, key in names.items()
            if name not in owed
        }
        return {key: value for key, value in values.items() if value is not None}

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep `items`."""
        for key, value in items.items():
            name = self._name(key)
            if self._put(name, key, value, self._ttl):
                self._owed.discard(name)
                self._refuge.remove([key])
            else:
                self._refuge.set_many({key: value})
                self._owed.add(name)
                self._settle()

    def remove(self, keys: Iterable[str]) -> None:
        """Forget what is under `keys`."""
        wanted = list(keys)
        self._refuge.remove(wanted)
        self._owed.update([self._name(key) for key in wanted])
        self._settle()

    def mark(self, kind: str, when: float) -> None:
        """Keep when all was invalidated."""
        self._asks_for_marks = True
        self.get_many(())  # another machine's clock may be ahead
        self._see(kind, when)
        if not self._send(kind):
            raise NotToldError(
                f"All values are invalid in this process, but others could not be told: "
                f"{self._reach.name} does not take it. They are told when it does."
            )

    def marks(self) -> Mapping[str, float]:
        """Return when that was last, by kind, as of the last time that values were asked for."""
        if not self._asks_for_marks:  # nobody wanted to know so far
            self._asks_for_marks = True
            self.get_many(())
        return self._seen

    # --- shared

    def _send(self, kind: str) -> bool:
        """Tell others of the last mark of a kind; return whether they are told."""
        (name,) = [name for name, its in self._mark_names.items() if its == kind]
        is_sent = self._put(name, kind, _TIME.pack(self._seen[kind]), None)
        (self._unsent.discard if is_sent else self._unsent.add)(kind)
        return is_sent

    def _put(self, name: str, key: str, value: bytes, seconds: float | None) -> bool:
        pieces: Sequence[bytes | memoryview] = envelope.closed(
            name, self._said(key), [memoryview(value)], self._keyring
        )
        return bool(self._reach.put(name, pieces, seconds=seconds, replace=True))

    def _settle(self) -> None:
        """Remove what could not be set or removed before."""
        owed = list(self._owed)
        try:
            self._reach.remove(owed)
        except ShelfError:
            return  # it was told of
        self._owed.difference_update(owed)

    def _opened(self, name: str, key: str, data: bytes | memoryview | None) -> bytes | None:
        if data is None:
            return None
        problem = "it is of another key"
        try:
            found = envelope.opened(name, data, self._keyring)
            if found.said == self._said(key) and len(found.sections) == 1:
                return bytes(found.sections[0])
        except envelope.Refused as error:
            problem = str(error)
        if not self._is_told:
            self._is_told = True
            warn(
                f"A value of the region {self._region!r} in {self._reach.name} is not used: "
                f"{problem}. It is made again; others like it are not told of."
            )
        return None

    def _see(self, kind: str, when: float) -> None:
        self._seen[kind] = max(when, self._seen.get(kind, 0.0))

    def _said(self, key: str) -> bytes:
        return f"{self._region}\0{key}".encode("utf-8", "surrogatepass")

    def _digest(self, key: str) -> str:
        # Strangers may choose keys, so it is to be a digest that they cannot make to collide.
        return blake2b(self._said(key), digest_size=16).hexdigest()

    def _name(self, key: str) -> str:
        return f"{self._prefix}{self._digest('value ' + key)}}}"
