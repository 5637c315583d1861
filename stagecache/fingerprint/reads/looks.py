"""Sees where the user's code asks whether a file is there, and how large, while a stage runs.

``os.stat`` raises no audit event, so it is wrapped, once. Libraries and Python itself look at many
files on their way; only what the user's code asks for itself is an input. When a file was changed
last is asked, too, but a touched file is the same file: only its contents count.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_user_code
from stagecache.fingerprint.reads.attribution import nobody, running
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners

if TYPE_CHECKING:
    from collections.abc import Callable

_BETWEEN = frozenset({"genericpath", "posixpath", "ntpath", "pathlib", "pathlib._local"})
_EXISTENCE = frozenset({"exists", "lexists", "isfile", "isdir", "is_file", "is_dir"})
_FACTS = frozenset({"stat", "getsize"})


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    _wrap()


def _wrap() -> None:
    plain: Callable[..., os.stat_result] = os.stat

    def stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Any:
        if running and dir_fd is None and not isinstance(path, int):
            with suppress(Exception):  # what cannot be told is one event not seen
                _tell(path)
        return plain(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    stat.__doc__ = plain.__doc__
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if plain in able:
            able.add(stat)
    os.stat = stat


def _tell(path: Any) -> None:
    asked = _asked_by_the_user()
    if asked is None:
        return
    name = os.fsdecode(path)
    for each in owners():
        if asked in _EXISTENCE:
            each.seen.looked_for(name)
        else:
            each.seen.named_file(name)


def _asked_by_the_user() -> str | None:
    """Return what the user's code asks of a path; None: it is somebody else who asks."""
    frame: Any = sys._getframe(3)
    asked = "stat"
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        asked = frame.f_code.co_name
        frame = frame.f_back
    if asked not in _EXISTENCE and asked not in _FACTS:
        return None
    with nobody():  # to find out whose code it is may list folders
        return asked if frame is not None and is_user_code(frame.f_globals) else None
