"""The keys that a team seals what it shares with: each 32 random bytes in a file of its own.

Whoever has a key can write what all others of the team take for their own. So a file that others
on the machine can read is no key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from typing import TYPE_CHECKING

from stagecache.errors import SettingsError
from stagecache.settings.places import config_folder
from stagecache.stores.disk.directory import no_follow, user

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

SIZE = 32
"""Bytes of a key."""
ID_SIZE = 8
"""Bytes of what a key is called: the beginning of a digest, which tells nothing of the key."""


class SigningKey:
    """A key and what it is called.

    Parameters
    ----------
    secret : bytes
        32 bytes.

    Examples
    --------
    >>> key = SigningKey(bytes(32))
    >>> len(key.id), key.signature([b"one", b"two"]) == key.signature([b"onetwo"])
    (8, True)
    """

    def __init__(self, secret: bytes) -> None:
        self.id = hashlib.sha256(b"stagecache key 1" + secret).digest()[:ID_SIZE]
        self.secret = secret
        self._state = hmac.new(secret, digestmod="sha256")
        """Ready for what is to be signed: to begin anew each time costs as much as to sign 1 KB."""

    def __repr__(self) -> str:
        return f"SigningKey({self.id.hex()})"

    def signature(self, pieces: Iterable[Buffer]) -> bytes:
        """Return the HMAC-SHA256 of the pieces as one."""
        state = self._state.copy()
        for piece in pieces:
            state.update(piece)
        return state.digest()


class Keyring:
    """The keys whose seals count; the first one seals.

    To change a team's key, let everybody have the new one after the old one, then before it, then
    alone: what was sealed with either counts all the while.

    Parameters
    ----------
    keys : sequence of bytes
        32 bytes each, one at least.

    Examples
    --------
    >>> ring = Keyring([bytes(32), b"k" * 32])
    >>> ring.find(ring.signing.id) is ring.signing, ring.find(bytes(8))
    (True, None)
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        made = [SigningKey(secret) for secret in keys]
        self.signing = made[0]
        self._keys = {key.id: key for key in made}

    def __repr__(self) -> str:
        return f"Keyring({', '.join(key.hex() for key in self._keys)})"

    @classmethod
    def read(cls, paths: Sequence[str]) -> Keyring:
        """Return the keys in these files, one at least.

        Raises
        ------
        SettingsError
            If one cannot be read, is no key, or is not this user's alone.
        """
        if not paths:
            raise SettingsError("No file of a key is named")
        return cls([_read(path) for path in paths])

    def find(self, name: bytes) -> SigningKey | None:
        """Return the key that is called `name`."""
        return self._keys.get(name)


def default_path() -> str:
    """Return where a key is put if nobody says where: beside the user's settings."""
    return os.path.join(config_folder(), "team.key")


def make(path: str) -> Keyring:
    """Make a key in a new file that only this user can read.

    Parameters
    ----------
    path : str
        Folders that are missing are made.

    Raises
    ------
    FileExistsError
        If there is one already: it may be in use.
    OSError
        If it cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = make(folder + "/team.key")
    ...     made.signing.id == Keyring.read([folder + "/team.key"]).signing.id
    True
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, 0o700, exist_ok=True)
    secret = os.urandom(SIZE)
    descriptor = no_follow(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        if os.name == "posix":
            os.fchmod(descriptor, 0o600)  # whatever the umask says
        os.write(descriptor, secret)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Keyring([secret])


def _read(path: str) -> bytes:
    try:
        descriptor = no_follow(path, os.O_RDONLY)
    except OSError as error:
        if os.path.islink(path):
            raise _unusable(path, "it is a link. Name the file that it leads to") from error
        raise _unusable(path, f"{error.strerror}. `stagecache key new` makes one") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "it is no file")
        if status.st_uid != user():
            raise _unusable(path, f"it belongs to user {status.st_uid}. Make a copy of your own")
        if os.name == "posix" and status.st_mode & 0o077:
            raise _unusable(path, f"others may read or write it. Run: chmod 600 {path}")
        found = os.read(descriptor, SIZE + 1)
    finally:
        os.close(descriptor)
    if len(found) != SIZE:
        raise _unusable(path, f"it is to have exactly {SIZE} bytes, as `stagecache key new` makes")
    return found


def _unusable(path: str, problem: str) -> SettingsError:
    return SettingsError(f"The key {path} cannot be used: {problem}.")
