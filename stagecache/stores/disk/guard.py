"""What is tried again after a repair, what counts as missing, what is an error for the caller."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import apsw

from stagecache.stores.disk.trouble import trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.stores.disk.connections import Connections

T = TypeVar("T")

TROUBLES = (OSError, apsw.Error, UnicodeError)
"""What a file system and an index may raise; the last for what is no proper text."""


class Guard:
    """Stands between a store and its index.

    Parameters
    ----------
    root : str
        The cache directory, for messages.
    connections : Connections
        Who can repair the index.
    """

    def __init__(self, root: str, connections: Connections) -> None:
        self._root = root
        self._connections = connections

    def read(self, work: Callable[[], T], missing: T) -> T:
        """Return what `work` returns, or `missing` if that cannot be had."""
        try:
            return work()
        except TROUBLES as error:
            return self.again(error, work, missing)

    def again(self, error: Exception, work: Callable[[], T], missing: T) -> T:
        """Try once more after a repair of what raised `error`."""
        try:
            if self._connections.mend(error):
                return work()
        except TROUBLES:
            pass
        return missing

    def repeat(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, tried twice if the index had to be repaired.

        Raises
        ------
        OSError, apsw.Error
            If it fails for good.
        """
        try:
            return work()
        except TROUBLES as error:
            self.mend(error)
        return work()

    def mend(self, error: Exception) -> None:
        """Repair what raised `error`, which is being handled; raise it again if it cannot be."""
        if not self._connections.mend(error):
            raise error

    @contextmanager
    def trouble(self, what: str) -> Iterator[None]:
        """Raise what the block fails with as a StoreError: it cannot do `what`."""
        try:
            yield
        except TROUBLES as error:
            raise trouble(self._root, what, error) from error
