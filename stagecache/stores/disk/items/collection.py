"""The items of one collection: what mappings, deques and queues of users stand on.

What keys and values mean is for who uses them: here both are bytes, and a value has the name of
what encoded it. Items are in the order of their ids, which by default is that of their coming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import StoreError
from stagecache.stores.disk.guard import TROUBLES
from stagecache.stores.disk.items.listed import END, Listed
from stagecache.stores.disk.items.rows import Stored, Value, seal
from stagecache.stores.disk.items.valued import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stagecache.model import Digest
    from stagecache.stores.disk.items.access import Access
    from stagecache.stores.disk.items.large import Large
    from stagecache.stores.disk.items.versions import Versions

_GET = "SELECT codec, value, blob, seal, expires FROM {table} WHERE key = ?"
_FIELDS = "(id, key, shown, codec, value, blob, size, seal, expires, tag, due, note)"
_INSERT = f"INSERT INTO {{table}} {_FIELDS} VALUES ({', '.join('?' * 12)})"  # noqa: S608
_EXCHANGE = """UPDATE {table} SET codec = ?1, value = ?2, size = ?3, seal = ?4
    WHERE key = ?5 AND seal = ?6 AND expires IS ?7 AND blob IS NULL"""
_SET = """INSERT INTO {table} (key, codec, value, size, seal) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (key) WHERE key IS NOT NULL DO UPDATE SET codec = ?2, value = ?3, blob = NULL,
    size = ?4, seal = ?5, expires = NULL, tag = NULL, due = NULL, note = NULL""".replace(
    "\n   ", ""
)
"""As most items are: 0.6 us less."""
_SET_BARE = (
    _SET.partition(" DO UPDATE")[0]
    + """ DO UPDATE SET codec = ?2, value = ?3, size = ?4, seal = ?5
    WHERE coalesce(blob, expires, tag, due, note) IS NULL""".replace("\n   ", "")
)
"""The same, unless what is there has more than that: no list and no trigger has to do with it."""
_SET_WITHIN = """INSERT INTO {table} (key, codec, value, size, seal)
    SELECT ?1, ?2, ?3, ?4, ?5 FROM collections WHERE number = ?6 AND count < ?7
    AND bytes + ?4 <= ?8 ON CONFLICT""" + _SET.partition("ON CONFLICT")[2]  # noqa: S608
"""The same, if there is room for one more item of that size."""
_REPLACE = """ ON CONFLICT (key) WHERE key IS NOT NULL DO UPDATE SET codec = excluded.codec,
    value = excluded.value, blob = excluded.blob, size = excluded.size, seal = excluded.seal,
    expires = excluded.expires, tag = excluded.tag, due = excluded.due, note = excluded.note"""
_MANY = 500
"""Keys in one statement."""
_COUNTERS = 100
"""Keys of which it is remembered what was exchanged last."""


class Collection(Listed):
    """One collection of a directory; :meth:`Items.open` gives it. Thread-safe, process-safe.

    Every method raises :class:`~stagecache.errors.StoreError` if the file cannot be used, or if
    an item is damaged: no item is ever missing silently. What many methods do is one, all or
    nothing, inside of :meth:`transaction`.

    Parameters
    ----------
    access, large, versions
        Of the directory.
    name : str
        What users call it.
    kind : str
        Of whose items they are: ``index``, say.
    settings : mapping
        What was said of it when it was opened; it is kept with it.
    defaults : mapping
        What holds if nobody ever says otherwise.
    counted : bool
        Whether number and bytes of its items are kept with each commit.
    number : int
        What stands for its name.
    now : float
        Seconds since the epoch.
    """

    def __init__(
        self,
        access: Access,
        large: Large,
        versions: Versions,
        name: str,
        kind: str,
        settings: Mapping[str, Any],
        defaults: Mapping[str, Any],
        *,
        counted: bool,
        number: int,
        now: float,
    ) -> None:
        super().__init__(
            access, large, versions, name, kind, settings, defaults, counted=counted,
            number=number, now=now,
        )  # fmt: skip
        self._select = access.quick
        self._get = _GET.format(table=self.table)
        self._set_plain = _SET.format(table=self.table)
        self._set_bare = _SET_BARE.format(table=self.table)
        self._set = (_INSERT + _REPLACE).format(table=self.table)
        self._add = f"{self._set} WHERE {self.table}.expires <= ?"
        self._exchanged: dict[bytes, tuple[str, bytes, int, float | None]] = {}
        """What :meth:`get_sealed` would find if nobody else wrote."""

    # --- by key

    def get(self, key: bytes) -> tuple[str, Value, float | None] | None:
        """Return codec, value and expiry under `key`, or None; also of what has expired."""
        for _ in range(ATTEMPTS):
            try:  # with few calls on the way: this is where reading is counted in microseconds
                found = self._select(self._get, (key,)) if self._is_declared else None
            except TROUBLES:
                found = None
            if found is None:
                found = self.select(self._get, (key,))
            if not found:
                return None
            codec, value, blob, sealed, expires = found[0]
            if blob is None:
                self._check(key, codec, value, sealed)
                return codec, value, expires
            try:
                return codec, self.value(codec, value, blob, sealed, key), expires
            except FileNotFoundError:  # replaced a moment ago
                continue
        raise StoreError(f"the value under {key!r} of {self.name!r} is gone from the disk")

    def get_sealed(self, key: bytes) -> tuple[str, bytes, int, float | None] | None:
        """Return codec, value, seal and expiry of a small value under `key`, or None.

        Perhaps as of this thread's last commit, or of the last :meth:`exchange`: for that one,
        which looks again.
        """
        known = self._exchanged.pop(key, None)
        if known is not None and self.access.is_in_burst():
            return known
        try:
            found = self.access.glance(self._get, (key,)) if self._is_declared else None
        except TROUBLES:
            found = None
        if found is None:
            found = self.select(self._get, (key,))
        for codec, value, blob, sealed, expires in found:
            if blob is None:
                self._check(key, codec, value, sealed)
                return codec, value, sealed, expires
        return None

    def exchange(
        self, key: bytes, codec: str, value: bytes, sealed: int, expires: float | None
    ) -> bool:
        """Keep a value instead of one that :meth:`get_sealed` gave, if that is there still."""
        fresh = seal(self.number, key, codec, value)
        row = (codec, value, len(value), fresh, key, sealed, expires)
        is_kept = bool(self.run(self.statement(_EXCHANGE), row))
        if is_kept:
            self.note(key)
            if len(self._exchanged) < _COUNTERS:
                self._exchanged[key] = codec, value, fresh, expires
            else:
                self._exchanged = {}
        return is_kept

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, Stored]:
        """Return the items under those of `keys` that there are."""
        wanted = list(keys)
        found: dict[bytes, Stored] = {}
        for start in range(0, len(wanted), _MANY):
            part = wanted[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            for stored in self.items(f"WHERE key IN ({marks})", part):
                assert stored.key is not None
                found[stored.key] = stored
        return found

    def set(
        self,
        key: bytes,
        codec: str,
        value: Value,
        *,
        shown: bytes | None = None,
        expires: float | None = None,
        tag: str | None = None,
        due: float | None = None,
        note: object = None,
    ) -> None:
        """Keep a value under `key`, in the place of what is there, else at the end."""
        if isinstance(value, bytes):
            if shown is None and expires is None and tag is None and due is None and note is None:
                self.set_small(key, codec, value)
                return
            sealed = seal(self.number, key, codec, value)
            row = (
                None, key, shown, codec, value, None, len(value), sealed, expires, tag, due, note,
            )  # fmt: skip
            self.run(self._set, row)
        else:
            self._keep(self._set, (), key, codec, value, shown, expires, tag, due, note)
        self.note(key)

    def set_small(self, key: bytes, codec: str, value: bytes) -> None:
        """Do as :meth:`set` does with a value in the row and nothing beside it: as most are."""
        row = (key, codec, value, len(value), seal(self.number, key, codec, value))
        access = self.access
        if self._is_declared and not access.under_way:
            try:
                if access.change(self._set_bare, row):
                    self.note(key)
                    return
            except TROUBLES:  # what follows mends what is broken
                pass
        self.run(self._set_plain, row)
        self.note(key)

    def set_within(
        self, key: bytes, codec: str, value: bytes, most: int | None, most_bytes: int | None
    ) -> bool:
        """Keep a small value if that leaves a counted collection within a bound; tell whether.

        One statement, a third less than a transaction that looks. It may refuse where only little
        room is left.
        """
        sealed = seal(self.number, key, codec, value)
        bound = (END if most is None else most, END if most_bytes is None else most_bytes)
        row = (key, codec, value, len(value), sealed, self.number, *bound)
        is_kept = bool(self.run(self.statement(_SET_WITHIN), row))
        if is_kept:
            self.note(key)
        return is_kept

    def add(
        self,
        key: bytes,
        codec: str,
        value: Value,
        *,
        now: float,
        shown: bytes | None = None,
        expires: float | None = None,
        tag: str | None = None,
        due: float | None = None,
    ) -> bool:
        """Keep a value unless there is one that has not expired; tell whether it is kept now."""
        if isinstance(value, bytes):
            sealed = seal(self.number, key, codec, value)
            row = (
                None, key, shown, codec, value, None, len(value), sealed, expires, tag, due, None,
                now,
            )  # fmt: skip
            is_added = bool(self.run(self._add, row))
        else:
            is_added = self._keep(self._add, (now,), key, codec, value, shown, expires, tag, due)
        if is_added:
            self.note(key)
        return is_added

    def delete(self, keys: Iterable[bytes]) -> int:
        """Forget what is under `keys`, in one commit; return how many items there were."""
        wanted = list(keys)
        if not self.is_there():
            return 0
        statement = f"DELETE FROM {self.table} WHERE key = ?"  # noqa: S608
        if len(wanted) == 1:
            gone = self.run(statement, (wanted[0],))
        else:
            with self.transaction():
                gone = sum([self.run(statement, (key,)) for key in wanted])
        for key in wanted:
            self.note(key)
        return gone

    def expiry(self, key: bytes) -> tuple[float] | None:
        """Return when the item under `key` expires (1e300: never), or None if there is none."""
        statement = f"SELECT coalesce(expires, 1e300) FROM {self.table} WHERE key = ?"  # noqa: S608
        found = self.select(statement, (key,))
        return found[0] if found else None

    def touch(self, key: bytes, expires: float | None, now: float) -> bool:
        """Change when an item expires; return whether there is one that has not."""
        if not self.is_there():
            return False
        is_there = self.run(
            f"UPDATE {self.table} SET expires = ?1 WHERE key = ?2 "  # noqa: S608
            "AND (expires IS NULL OR expires > ?3)",
            (expires, key, now),
        )
        self.note(key)
        return bool(is_there)

    def use(self, key: bytes, now: float) -> None:
        """Note when an item was used last."""
        self.run(f"UPDATE {self.table} SET used = ? WHERE key = ?", (now, key))  # noqa: S608

    def discard(self, condition: str, *bindings: object) -> int:
        """Forget the items for which a condition holds; return how many there were."""
        if not self.is_there():
            return 0
        gone = self.run(f"DELETE FROM {self.table} WHERE {condition}", bindings)  # noqa: S608
        if gone:
            self.note()
        return gone

    def clear(self) -> int:
        """Forget all items; return how many there were."""
        if not self.is_there():
            return 0
        gone = self.run(f"DELETE FROM {self.table}", ())  # noqa: S608
        self.note()
        return gone

    # --- shared

    def _keep(
        self,
        statement: str,
        rest: tuple[Any, ...],
        key: bytes,
        codec: str,
        value: Sequence[Any],
        shown: bytes | None,
        expires: float | None,
        tag: str | None,
        due: float | None,
        note: object = None,
    ) -> bool:
        """Keep a large value under a key; return whether the statement did so."""

        def insert(where: Digest, size: int, sealed: int) -> bool:
            row = (
                None, key, shown, codec, None, where, size, sealed, expires, tag, due, note, *rest,
            )  # fmt: skip
            return bool(self.run(statement, row))

        return self.keep_large(key, codec, value, insert)
