"""The tables of one collection: made when something is written, with what was said of it.

What lies in them is for `collection` to say.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import apsw

from stagecache.errors import SettingsError, StoreError
from stagecache.fingerprint.reads.attribution import running
from stagecache.fingerprint.reads.collected import tell_changed
from stagecache.stores.disk.items import schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from stagecache.stores.disk.items.access import Access
    from stagecache.stores.disk.items.versions import Versions


class Declared:
    """Statements on the tables of one collection.

    Parameters
    ----------
    access, versions
        Of the directory.
    name, kind, settings, defaults, counted, number, now
        As of :class:`~stagecache.stores.disk.items.collection.Collection`.
    """

    def __init__(
        self,
        access: Access,
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
        self.access = access
        self.versions = versions
        self.name = name
        self.kind = kind
        self.place = versions.root, name
        """What tells it from all others."""
        self.number = number
        self.table = f"items_{schema.name_of(number)}"
        """What it is called in statements of one's own; its columns are those of `schema`."""
        self.settings: dict[str, Any] = {**defaults, **settings}
        self._given = dict(settings)
        self._counted = counted
        self._now = now
        self._is_declared = False
        self._find()

    def is_there(self) -> bool:
        """Tell whether anything was ever written to it."""
        return self._is_declared or self._find()

    def declare(self) -> Mapping[str, Any]:
        """Make the collection unless it is there; return what holds of it, for whoever writes."""
        self._declare()
        return self.settings

    def transaction(self) -> AbstractContextManager[apsw.Connection]:
        """Let all that this thread reads and writes in the block be one; see :class:`Access`."""
        if self.access.connection is None:
            self._declare()
        return self.access.transaction()

    def select(
        self, statement: str, bindings: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; none if the collection was never written to."""
        if not (self._is_declared or self._find()):
            return []
        try:
            return self.access.select(statement, bindings)
        except StoreError as error:
            if not _lacks_table(error):
                raise
        self._is_declared = False  # the directory was removed, and made anew
        return self.access.select(statement, bindings) if self._find() else []

    def run(self, statement: str, bindings: Sequence[Any]) -> int:
        """Run one statement that writes; return how many rows it changed.

        Whoever changes items with keys by it says so by :meth:`note` afterwards.
        """
        if self._is_declared:  # with few calls on the way
            try:
                return self.access.run(statement, bindings, counted=self._counted)[0]
            except StoreError as error:
                if not _lacks_table(error) or self.access.connection is not None:
                    raise
            self._is_declared = False
        return self._run(statement, bindings)[0]

    def change(self, statement: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do the same; return what the statement gives by RETURNING."""
        return self._run(statement, bindings)[1]

    def note(self, key: bytes | None = None) -> None:
        """Tell who remembers values that the one under `key`, or any, was changed by a commit."""
        access = self.access
        if running:
            tell_changed(self.place)
        if key is not None and not (access.under_way and access.is_busy):  # with few calls
            self.versions.changed(self.number, key)
        else:
            position = 0 if key is None else self.versions.position(self.number, key)
            access.committed(position)

    def _run(self, statement: str, bindings: Sequence[Any]) -> tuple[int, list[tuple[Any, ...]]]:
        if not self._is_declared:
            self._declare()
        try:
            return self.access.run(statement, bindings, counted=self._counted)
        except StoreError as error:
            if not _lacks_table(error) or self.access.connection is not None:
                raise
        self._is_declared = False
        self._declare()
        return self.access.run(statement, bindings, counted=self._counted)

    def _find(self) -> bool:
        """Find the collection, if it is there; return whether it is."""
        found = self.access.select(
            "SELECT name, kind, settings, count IS NOT NULL FROM collections WHERE number = ?",
            (self.number,),
        )
        if not found:
            return False
        name, kind, text, counted = found[0]
        kept = json.loads(text)
        if (name, kind) != (self.name, self.kind):
            raise SettingsError(f"{self.name!r} is no {self.kind}: it was made as {kind} {name!r}")
        other = {
            setting: value for setting, value in self._given.items() if kept.get(setting) != value
        }
        if other:
            said = ", ".join(f"{setting}={kept.get(setting)!r}" for setting in other)
            wanted = ", ".join(f"{setting}={value!r}" for setting, value in other.items())
            raise SettingsError(
                f"the {kind} {name!r} was made with {said}, and cannot be opened with {wanted}. "
                "Leave that out, or choose another name."
            )
        self.settings = {**self.settings, **kept}
        self._counted = bool(counted)
        self._is_declared = True
        return True

    def _declare(self) -> None:
        """Make the collection unless it is there."""
        if self._is_declared or self._find():
            return
        with self.access.transaction() as connection:
            if self._find():
                return
            connection.execute(
                "INSERT INTO collections VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    self.number, self.name, self.kind, json.dumps(self.settings), self._now,
                    *((0, 0) if self._counted else (None, None)),
                ),
            )  # fmt: skip
            connection.execute(schema.items_table(self.number, counted=self._counted))
        self._is_declared = True


def _lacks_table(error: StoreError) -> bool:
    cause = error.__cause__
    return isinstance(cause, apsw.SQLError) and "no such table" in str(cause)
