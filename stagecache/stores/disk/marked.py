"""The file in which a directory keeps its marks: replaced as a whole, never torn.

It is no table: an index can be made from blobs anew, but what is outdated must stay so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.stores.disk.directory import no_follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.stores.disk.directory import Directory


def read(path: str) -> bytes | None:
    """Return what the file holds; None if there is none."""
    try:
        with open(path, "rb", opener=no_follow) as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def change(directory: Directory, work: Callable[[bytes | None], bytes]) -> None:
    """Replace the file by what `work` makes of it; inside the index's write transaction.

    If that transaction fails in the end, the file is there all the same: who set the mark hears
    of it, and others see it when anything else changes.
    """
    path = directory.marks
    fresh = f"{path}.new"
    document = work(read(path))
    with suppress(FileNotFoundError):  # left by a process that was killed
        os.unlink(fresh)
    descriptor = no_follow(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with open(descriptor, "wb") as stream:
        directory.open_to_group(descriptor)
        stream.write(document)
        stream.flush()
        os.fsync(descriptor)
    os.replace(fresh, path)
