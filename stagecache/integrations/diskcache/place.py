"""Opens a directory for one cache: store, collection, leases. What is kept of settings, too."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from stagecache.errors import StoreError, warn
from stagecache.integrations.diskcache.exclusion import exclusions
from stagecache.integrations.diskcache.words import DEFAULT_SETTINGS
from stagecache.settings import resolve
from stagecache.stores.disk import DiskStore

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = KIND = "diskcache"
OLD = "cache.db"
"""The file of diskcache itself."""


class Place:
    """One directory.

    Parameters
    ----------
    directory : str or os.PathLike or None
        Where; None: a new temporary one.
    timeout : float
        Seconds that a writer waits for others.

    Raises
    ------
    OSError
        If it cannot be made or used.
    """

    def __init__(self, directory: str | os.PathLike[str] | None, timeout: float) -> None:
        if directory is None:
            directory = tempfile.mkdtemp(prefix="stagecache-")
        self.directory = os.path.expandvars(os.path.expanduser(os.fspath(directory)))
        settings = resolve(directory=self.directory)
        self.store = DiskStore(
            self.directory,
            durable=settings.durable,
            shared=settings.shared,
            read_only=settings.read_only,
            secret=settings.secret,
        )
        items = self.store.items
        items.wait_at_most(timeout)
        try:
            if not settings.read_only:
                os.makedirs(self.directory, 0o700, exist_ok=True)
                self.store.prepare()
            self.collection = items.open(NAME, KIND, defaults=DEFAULT_SETTINGS, counted=True)
        except StoreError as error:
            if isinstance(error.__cause__, OSError):
                raise OSError(error.__cause__.errno, str(error)) from error
            raise
        self._exclusion = exclusions.of(self.store, read_only=settings.read_only)
        self.leases = self._exclusion.leases
        self.flight = self._exclusion.flight
        self.locks = self._exclusion.locks
        self._tell_of_old()

    def change(self, changes: Mapping[str, Any]) -> None:
        """Keep settings with the collection, in the transaction of this thread if there is one."""
        collection = self.collection
        with collection.transaction() as connection:
            kept = {**self.kept(), **changes}
            connection.execute(
                "UPDATE collections SET settings = ? WHERE number = ?",
                (json.dumps(kept), collection.number),
            )
        collection.settings.update(kept)

    def kept(self) -> dict[str, Any]:
        """Return the settings as they are kept now."""
        statement = "SELECT settings FROM collections WHERE number = ?"
        found = self.collection.select(statement, (self.collection.number,))
        return json.loads(found[0][0]) if found else dict(self.collection.settings)

    def _tell_of_old(self) -> None:
        is_old = os.path.exists(os.path.join(self.directory, OLD))
        if is_old and not self.collection.is_there():
            warn(
                f"{self.directory} holds a cache of diskcache, of which nothing is read here: its "
                "pickles could run code. `stagecache import-diskcache "
                f"{self.directory}` brings its items over."
            )
