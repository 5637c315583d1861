"""Names what is asked for by a descriptor of a folder, or relative to one.

The audit event of ``os.open(name, dir_fd=...)`` does not tell the folder, so the function is
wrapped, once. Only Linux says which path a descriptor was opened by.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners
from stagecache.fingerprint.reads.standing import standing_for

if TYPE_CHECKING:
    from collections.abc import Callable


def path_of(descriptor: int) -> str | None:
    """Return the path that a descriptor was opened by; None if that cannot be told.

    Examples
    --------
    >>> path_of(-1) is None
    True
    """
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def below(folder: int, name: Any) -> str | None:
    """Return a path as text; None if it is a descriptor, or relative to one that has no name.

    Parameters
    ----------
    folder : int
        The descriptor; -1 if there is none.
    name : path-like or int
        Relative to that.
    """
    if isinstance(name, int):
        return None
    text = name if type(name) is str else os.fsdecode(name)
    if folder == -1 or os.path.isabs(text):
        return text
    above = path_of(folder)
    return None if above is None else os.path.join(above, text)


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    plain: Callable[..., int] = os.open

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is None:
            return plain(path, flags, mode)
        try:  # noqa: SIM105 - it would cost as much as what is asked
            _tell(path, flags, dir_fd)
        except Exception:  # noqa: BLE001, S110 - what cannot be told is one event not seen
            pass
        with nobody():  # else the event would be of a file beside those of the working directory
            return plain(path, flags, mode, dir_fd=dir_fd)

    os.open = standing_for(plain, opened)
    os.supports_dir_fd.add(os.open)


def _tell(path: Any, flags: int, folder: int) -> None:
    name = below(folder, path)
    with nobody():
        is_folder = name is not None and os.path.isdir(name)
    if name is not None and not is_folder:  # what it is listed for, or removed, is an event too
        for each in owners():
            each.seen.opened(name, None, flags)
