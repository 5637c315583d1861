"""The user's secret: 32 random bytes, outside of every cache directory, that tokens are made with.

Whoever can read it can make a directory look like the user's own, so a file that others can read
or write is no secret.
"""

from __future__ import annotations

import os
import stat

from stagecache.settings.places import config_folder
from stagecache.stores.disk.directory import no_follow, user
from stagecache.stores.disk.locked import locked

SIZE = 32


def default_path() -> str:
    """Return where the user's secret lies if no setting says otherwise."""
    return os.path.join(config_folder(), "secret")


def secret(path: str, *, create: bool) -> bytes:
    """Return the secret.

    Parameters
    ----------
    path : str
        Its file.
    create : bool
        Whether to make it if there is none. Of several processes one makes it.

    Raises
    ------
    OSError
        If there is none, it cannot be made, or others may have seen it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = secret(folder + "/mine/secret", create=True)
    ...     len(made), made == secret(folder + "/mine/secret", create=False)
    (32, True)
    """
    try:
        found = _read(path)
    except FileNotFoundError:
        if not create:
            raise
        found = b""
    if not found and create:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with locked(path) as descriptor:
            if not os.fstat(descriptor).st_size:  # nobody was faster
                os.write(descriptor, os.urandom(SIZE))
                os.fsync(descriptor)
        found = _read(path)
    if len(found) < SIZE:
        raise OSError(f"{path} holds fewer than {SIZE} bytes")
    return found


def _read(path: str) -> bytes:
    descriptor = no_follow(path, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(f"{path} is no file")
        if status.st_uid != user() or (os.name == "posix" and status.st_mode & 0o077):
            raise PermissionError(f"{path} must be this user's alone: chmod 600, own it")
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
