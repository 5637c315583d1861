"""Locks on single bytes of one file, which processes exclude each other by, and a note of each
holder; which thread of a process gets the byte is left to others.

Open-file-description locks: `flock` outlives a killed holder when a forked child inherited the
descriptor, and POSIX locks vanish when *any* descriptor of the file is closed. The descriptor
is closed in a forked child, never unlocked there: that would free the parent's lock. Two
`LockFile` objects exclude each other even in one process.

The file is never deleted or truncated. Locked bytes lie far beyond its end; its first part
holds notes, a slot of fixed size for each of many keys. Notes are for people and for finding
deadlocks: a lost or overwritten one harms nothing.

Source: fcntl(2), "Open file description locks".
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from stagecache.leases.base import Holder, this_host

if TYPE_CHECKING:
    from stagecache.model import Key

try:
    import fcntl

    _TRY, _WAIT, _ASK = fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW, fcntl.F_OFD_GETLK
    IS_SUPPORTED = True
except (ImportError, AttributeError):
    IS_SUPPORTED = False

# struct flock: type, whence, start, length, pid (must be 0), padding.
_FLOCK = struct.Struct("hhqqi0q")
# Locked bytes: [2**62, 2**63), so that keys do not collide in practice.
_FIRST_BYTE = 1 << 62
# A note: key, key waited for, pid, since, host, whether the machine was idle: 128 bytes, so that
# none crosses a page.
_NOTE = struct.Struct("16s16sqd79s?")
_NOTES = 4096
_NOBODY = bytes(16)


class Note(NamedTuple):
    """What the holder of a key says of itself."""

    holder: Holder
    waits_for: Key | None
    """The key that the computation under this one waits for; this one itself: it is over, and what
    came of it is kept where those who share this file look."""


def byte_of(key: Key) -> int:
    """Return the byte that stands for `key`.

    Examples
    --------
    >>> byte_of(bytes(16)) == 2**62
    True
    """
    return _FIRST_BYTE | (int.from_bytes(key[:8], "big") >> 2)


class LockFile:
    """One open lock file.

    Parameters
    ----------
    path : str
        The file; it is created, its directory is not.

    Raises
    ------
    OSError
        If it cannot be opened for writing.
    """

    __slots__ = ("__weakref__", "_fd", "_self")

    def __init__(self, path: str) -> None:
        self._fd = -1
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        # Not 0o600: in a directory shared by a group others must be able to lock.
        self._fd = os.open(path, flags, 0o666)
        self._self = (os.getpid(), this_host().encode()[:79])
        _open_files.add(self)

    def is_deleted(self) -> bool:
        """Tell whether somebody deleted the file, so that newcomers lock another one."""
        return os.fstat(self._fd).st_nlink == 0

    def is_at(self, path: str) -> bool:
        """Tell whether who opens `path` gets this file: nobody deleted, moved or replaced it."""
        ours = os.fstat(self._fd)
        try:
            there = os.stat(path)
        except OSError:
            return False
        return (ours.st_ino, ours.st_dev) == (there.st_ino, there.st_dev)

    def try_lock(self, byte: int) -> bool:
        """Lock `byte` if nobody else has it. A second lock through this object always works."""
        try:
            fcntl.fcntl(self._fd, _TRY, _FLOCK.pack(fcntl.F_WRLCK, 0, byte, 1, 0))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def lock(self, byte: int) -> None:
        """Wait until `byte` is ours; in a thread that may hang for ever."""
        fcntl.fcntl(self._fd, _WAIT, _FLOCK.pack(fcntl.F_WRLCK, 0, byte, 1, 0))

    def unlock(self, byte: int) -> None:
        """Free `byte` for the longest waiting process."""
        if self._fd < 0 or self._self[0] != os.getpid():
            return  # it is closed, or about to be in a child that was just forked: the parent's
        fcntl.fcntl(self._fd, _TRY, _FLOCK.pack(fcntl.F_UNLCK, 0, byte, 1, 0))

    def is_locked(self, byte: int) -> bool:
        """Tell whether somebody else has `byte`; what this object has locked does not count."""
        answer = fcntl.fcntl(self._fd, _ASK, _FLOCK.pack(fcntl.F_WRLCK, 0, byte, 1, 0))
        kind: int = _FLOCK.unpack(answer)[0]
        return kind != fcntl.F_UNLCK

    def write_note(
        self, key: Key, since: float, waits_for: Key | None = None, *, is_idle: bool = False
    ) -> None:
        """Say that this process holds `key`; a full disk goes unnoticed."""
        pid, host = self._self
        note = _NOTE.pack(key, waits_for or _NOBODY, pid, since, host, is_idle)
        try:
            os.pwrite(self._fd, note, _place(key))
        except OSError:
            return

    def read_note(self, key: Key) -> Note | None:
        """Return what the holder of `key` said, if it is still to be read."""
        try:
            note = os.pread(self._fd, _NOTE.size, _place(key))
            found, waited, pid, since, host, _ = _NOTE.unpack(note)
        except (OSError, struct.error):
            return None
        if found != key:
            return None
        holder = Holder(pid, host.rstrip(b"\0").decode(errors="replace"), since)
        return Note(holder, None if waited == _NOBODY else waited)

    def published(self, key: Key) -> bool | None:
        """Return None unless the holder of `key` said that the result is there.

        Then, whether nobody else was at work on this machine. Nothing else of the note is read:
        all processes that wait ask, one after the other.
        """
        try:
            note = os.pread(self._fd, _NOTE.size, _place(key))
        except OSError:
            return None
        return note[-1:] == b"\1" if note.startswith(key + key) else None

    def close(self) -> None:
        """Free every lock; again: does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


class FairLockFile(LockFile):
    """One that lets nobody pass by who waits already, among those that open it as such.

    The system wakes who waits for a byte, and whoever asks for it meanwhile gets it: a process that
    gives it back and takes it again at once would keep all others from it. So there is a gate: who
    waits for the byte holds it, and all others wait there.
    """

    __slots__ = ()

    def try_lock(self, byte: int) -> bool:
        """Lock `byte` if nobody has it or waits for it."""
        gate = byte >> 1
        is_ours = None
        try:
            is_ours = super().try_lock(gate)
            return is_ours and super().try_lock(byte)
        finally:
            if is_ours is not False:  # Ctrl-C is noticed after the system did what it was asked
                self.unlock(gate)

    def lock(self, byte: int) -> None:
        """Wait until `byte` is ours; in a thread that may hang for ever."""
        gate = byte >> 1
        super().lock(gate)
        try:
            super().lock(byte)
        finally:
            self.unlock(gate)


_open_files: WeakSet[LockFile] = WeakSet()


def _close_in_child() -> None:
    for file in list(_open_files):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _place(key: Key) -> int:
    return int.from_bytes(key[8:12], "big") % _NOTES * _NOTE.size
