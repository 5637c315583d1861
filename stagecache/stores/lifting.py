"""Brings what a farther tier gave into those before it, so that whoever asks next finds it near.

A record comes up when it is found, its value when it is loaded: a rerun that loads nothing goes
without the farther tier from then on. It is for the sake of speed, so trouble is not told of.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stagecache.errors import StoreError
from stagecache.model import Provenance
from stagecache.stores.asking import ask
from stagecache.stores.base import Catalog, Noting
from stagecache.stores.sections import unseal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.model import Argument, CodeManifest, Digest, Entry, Key
    from stagecache.stores.base import Sections, Store

_MOST = 10_000


class Asker(Protocol):
    """Who looks a result up, and knows what it comes from: farther tiers do not say that."""

    def arguments(self) -> tuple[Argument, ...]:
        """Return what it was computed from."""

    def manifest(self) -> CodeManifest:
        """Return what its code fingerprint was made of."""


class _Found(NamedTuple):
    """A result whose record has come up, and not its value."""

    entry: Entry
    position: int
    provenance: Provenance


class Lifting:
    """What is brought up among some tiers. Thread-safe.

    Parameters
    ----------
    stores : sequence of stores
        In the order of lookups.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = tuple(stores)
        self._found: dict[Key, _Found] = {}
        self._described: set[Digest] = set()

    def record(self, entry: Entry, position: int, asker: Asker | None = None) -> None:
        """Bring up what was found at `position`: with its value if that lies in it."""
        arguments = () if asker is None else asker.arguments()
        provenance = Provenance(entry.key, arguments, "", 0, "")
        manifest = None
        if asker is not None and entry.code not in self._described:
            self._described.add(entry.code)
            manifest = asker.manifest()
        if entry.inline is not None and not entry.parts:
            sections = unseal(entry)
            if sections is not None:
                self._put(_Found(entry, position, provenance), sections, manifest)
            return
        if entry.is_part:
            return
        if len(self._found) >= _MOST:
            self._found.clear()
        self._found[entry.key] = _Found(entry, position, provenance)
        bare = entry._replace(inline=None, blob=None, parts=())
        for store in self._stores[:position]:
            if isinstance(store, Noting):
                with suppress(StoreError):
                    store.note(bare, provenance, manifest)

    def value(self, entry: Entry, sections: Sections, position: int) -> None:
        """Bring up a value that was loaded at `position`; of one in parts, these come first."""
        if entry.parts:
            return
        found = self._found.pop(entry.key, None)
        known = self._known(entry.key, position) if found is None else found.provenance
        self._put(_Found(entry, position, known), sections)

    def whole(self, entry: Entry, sections: Sections) -> None:
        """Bring up what holds parts, once these have come up."""
        found = self._found.pop(entry.key, None)
        if found is not None and found.entry == entry:
            self._put(found, sections)

    def _known(self, key: Key, position: int) -> Provenance:
        """Return where a result comes from whose value was lost above, and not its record."""
        for store in self._stores[:position]:
            listed = ask(store, None, store.listed, key) if isinstance(store, Catalog) else None
            if listed is not None:
                return listed[1]
        return Provenance(key, (), "", 0, "")

    def _put(self, found: _Found, sections: Sections, manifest: CodeManifest | None = None) -> None:
        bare = found.entry._replace(inline=None, blob=None)
        for store in self._stores[: found.position]:
            with suppress(StoreError):
                store.put(bare, sections, found.provenance, manifest)
