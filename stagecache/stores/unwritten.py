"""A view of a store that gives what is there and keeps nothing, for bodies run only to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.stores.base import Digesting, Vouching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stagecache.model import CodeManifest, Digest, Entry, Key, Provenance
    from stagecache.stores.base import Sections, Store


class Unwritten:
    """Reads from a store; puts and removals go nowhere.

    Parameters
    ----------
    store : Store
        What is read from. Closing the view leaves it open.

    Examples
    --------
    >>> from stagecache.stores.memory import MemoryStore
    >>> print(Unwritten(MemoryStore()).get(bytes(16)))
    None
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key`."""
        return self._store.get(key)

    def get_many(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """Return the entries under those of `keys` that there are."""
        return self._store.get_many(keys)

    def results(self, keys: Sequence[Key]) -> dict[Key, Digest]:
        """Return the fingerprints of the results under those of `keys` that there are."""
        if isinstance(self._store, Digesting):
            return self._store.results(keys)
        return {key: entry.result for key, entry in self._store.get_many(keys).items()}

    def put(
        self,
        entry: Entry,
        sections: Sections,  # noqa: ARG002
        provenance: Provenance,  # noqa: ARG002
        manifest: CodeManifest | None,  # noqa: ARG002
    ) -> Entry:
        """Return the entry without a value, as of a result that is kept nowhere."""
        return entry

    def load(self, entry: Entry) -> list[memoryview] | None:
        """Return the sections of an entry's value."""
        return self._store.load(entry)

    def remove(self, keys: Iterable[Key]) -> int:  # noqa: ARG002
        """Forget nothing."""
        return 0

    @property
    def private(self) -> bool:
        """Whether it may keep pickles: it keeps nothing."""
        return False

    @property
    def writable(self) -> bool:
        """Whether it takes results: none."""
        return False

    def vouches_for(self, entry: Entry) -> bool:
        """Tell whether only this user can have written the value of an entry."""
        return isinstance(self._store, Vouching) and self._store.vouches_for(entry)

    def close(self) -> None:
        """Do nothing: the store is somebody else's."""
