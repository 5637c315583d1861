"""Where a project begins, seen from a folder in it, and where a user keeps what is for all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stagecache.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


def project_root(start: str | None = None) -> str:
    """Return the nearest folder upwards that has a pyproject.toml or .git, else the start.

    Parameters
    ----------
    start : str, optional
        The folder to begin with; the working directory by default.
    """
    start = os.path.abspath(start) if start is not None else working_directory()
    for folder in upwards(start):
        if any(os.path.exists(os.path.join(folder, mark)) for mark in ("pyproject.toml", ".git")):
            return folder
    return start


def config_folder() -> str:
    """Return where this user's own settings of stagecache lie, for all projects."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "stagecache")


def upwards(folder: str) -> Iterator[str]:
    """Yield the absolute `folder` and those it lies in, up to the root.

    Examples
    --------
    >>> list(upwards("/a/b"))
    ['/a/b', '/a', '/']
    """
    while True:
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def working_directory() -> str:
    """Return the working directory.

    Raises
    ------
    SettingsError
        If somebody removed it.
    """
    try:
        return os.getcwd()
    except OSError as error:
        raise SettingsError(
            "The working directory no longer exists; pass an absolute directory="
        ) from error
