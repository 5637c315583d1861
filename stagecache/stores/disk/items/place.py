"""Where collections lie in a cache directory: ``v1/collections``, which nobody may tidy up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecache.stores.disk.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable


class ItemsDirectory(Directory):
    """The paths of what collections keep, under the names that a directory has for its own.

    Parameters
    ----------
    outer : Directory
        The cache directory.
    """

    def __init__(self, outer: Directory) -> None:
        super().__init__(outer.root, shared=outer.shared)
        self._outer = outer
        folder = outer.collections
        self.index = os.path.join(folder, "items.db")
        self.blobs = os.path.join(folder, "blobs")
        self.trash = os.path.join(folder, "trash")
        self.repairs = os.path.join(folder, "repairs")
        self.versions = os.path.join(folder, "versions")
        self.holders = os.path.join(folder, "holders")
        self.bells = os.path.join(folder, "bells")

    def create(self, adopt: Callable[[], None]) -> None:
        """Make the cache directory and the folder in it.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        self._outer.create(adopt)
        self.make_folder(self._outer.collections)
        self.make_folder(self.blobs)
        if self.shared:
            for path in (self.repairs, self.index, self.holders):
                self.make_file(path)
