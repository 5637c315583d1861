"""The token of a directory: a proof that it is the very one that its user once made or vouched for.

It is made from a secret that lies elsewhere, over what the system alone decides of the directory.
What follows from its absence is for `trust` to say.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.stores.disk.directory import no_follow
from stagecache.stores.disk.secret import secret

if TYPE_CHECKING:
    from stagecache.stores.disk.directory import Directory

_VERSION = b"stagecache directory 1"
_GENERATION = 0x80087601
"""FS_IOC_GETVERSION of Linux: a number that the file system draws anew whenever it uses an inode's
number again. Without it, an archive that is unpacked where its original was just removed could get
the very same number."""


class Token:
    """The token of one directory.

    Parameters
    ----------
    directory : Directory
        Which one.
    secret_file : str
        Where the user's secret lies.
    """

    def __init__(self, directory: Directory, secret_file: str) -> None:
        self._directory = directory
        self._secret_file = secret_file

    def expected(self, *, create: bool) -> bytes:
        """Return what it is if it is right.

        Raises
        ------
        OSError
            If the secret cannot be had, or made if `create`.
        """
        import hmac

        key = secret(self._secret_file, create=create)
        parts = [_VERSION, *(b"%d" % number for number in _numbers(self._directory.layout))]
        return hmac.digest(key, b" ".join(parts), "sha256").hex().encode()

    def found(self) -> bytes:
        """Return what lies in the directory; nothing if there is none."""
        try:
            descriptor = no_follow(self._directory.token, os.O_RDONLY)
        except OSError:
            return b""
        try:
            return os.read(descriptor, 100)
        finally:
            os.close(descriptor)

    def write(self) -> None:
        """Give the directory its token.

        Raises
        ------
        OSError
            If the secret cannot be had, or the token not be written.
        """
        token = self.expected(create=True)
        temporary = f"{self._directory.token}-{os.getpid()}-{os.urandom(8).hex()}"
        descriptor = no_follow(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            os.write(descriptor, token)
        finally:
            os.close(descriptor)
        os.replace(temporary, self._directory.token)

    def remove(self) -> None:
        """Take it away if there is one and that can be done."""
        with suppress(OSError):
            os.unlink(self._directory.token)


def _numbers(path: str) -> tuple[int, int, int]:
    """Return user, inode and its generation; the last is 0 where the file system has none."""
    generation = 0
    descriptor = no_follow(path, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        if sys.platform == "linux":
            import fcntl

            with suppress(OSError):
                answer = fcntl.ioctl(descriptor, _GENERATION, bytes(8))
                generation = int.from_bytes(answer[:4], sys.byteorder)
    finally:
        os.close(descriptor)
    return status.st_uid, status.st_ino, generation
