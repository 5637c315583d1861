"""Fingerprints files and directories by their contents, reading what no stat can vouch for."""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING

from xxhash import xxh3_128

from stagecache import model
from stagecache.errors import FingerprintError
from stagecache.fingerprint.parts import Parts, digest_of, framed
from stagecache.model import Digest, Read
from stagecache.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.file import File

_CHUNK = 1 << 20
_RACY = 2_000_000_000
"""Nanoseconds. A file written after it was read, within the grain of its file system's clock,
has the stat that it had before ("racily clean" in git): what is that young is not remembered."""
_ATTEMPTS = 2


class Met(threading.local):
    """The files that this thread fingerprints, where somebody wants to know."""

    files: list[Read] | None = None


met = Met()


def fingerprint_file(file: File) -> Digest:
    """Return the fingerprint of a file: its contents, and its name if that counts.

    Parameters
    ----------
    file : File
        Its path may be a directory.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    FingerprintError
        If it changes while it is read, or is neither a file nor a directory.
    """
    name, path = file.counted_name, os.fspath(file)
    tag = b"nameless" if name is None else b"named" + name.encode("utf-8", "surrogatepass")
    contents = fingerprint_contents(path)
    if met.files is not None:
        met.files.append(Read("tree" if os.path.isdir(path) else "file", path, contents))
    return Digest(digest_of(b"File:" + contents + tag))


def fingerprint_contents(path: str) -> Digest:
    """Return the digest of a file's bytes, or of a directory's names and contents.

    A file's digest is remembered under its stat (device, inode, size, times of change) and read
    anew only if that differs.

    Parameters
    ----------
    path : str
        Links are followed.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    FingerprintError
        If it changes while it is read, or is neither a file nor a directory.

    Examples
    --------
    >>> fingerprint_contents(__file__) == fingerprint_contents(__file__)
    True
    """
    return _contents(path, os.stat(path), ())


def _contents(path: str, found: os.stat_result, above: tuple[tuple[int, int], ...]) -> Digest:
    if stat.S_ISDIR(found.st_mode):
        return _directory(path, found, above)
    if not stat.S_ISREG(found.st_mode):
        raise FingerprintError(
            path, "it is neither a file nor a directory", remedy="Pass what is read from it."
        )
    memo = model.memo.get()
    key = _stat_key(path, found)
    known = memo.recall("stat", key) if memo is not None else None
    if known is not None:
        return Digest(known)
    for _ in range(_ATTEMPTS):
        began = time.time_ns()
        digest = _read(path)
        after = os.stat(path)
        if _stat_key(path, after) == key:
            if memo is not None and max(after.st_mtime_ns, after.st_ctime_ns) < began - _RACY:
                memo.remember("stat", key, digest)
            return digest
        key = _stat_key(path, after)
    raise FingerprintError(
        path, "it changes while it is read", remedy="Wait until it is written, then run again."
    )


def _stat_key(path: str, found: os.stat_result) -> bytes:
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return framed(os.fsencode(os.path.abspath(path)), repr(numbers))


def _read(path: str) -> Digest:
    hasher = xxh3_128()
    with Reading(path) as stream:
        # One byte more than there is, so that the first read of a small file is the last but one.
        buffer = memoryview(bytearray(min(os.fstat(stream.fileno()).st_size + 1, _CHUNK)))
        while size := stream.readinto(buffer):
            hasher.update(buffer[:size])
    return Digest(digest_of(b"file:" + hasher.digest()))


def _directory(path: str, found: os.stat_result, above: tuple[tuple[int, int], ...]) -> Digest:
    identity = (found.st_dev, found.st_ino)
    if identity in above:
        raise FingerprintError(path, "it is a link to a directory that it lies in")
    pieces = [b"directory:"]
    with os.scandir(path) as listing:
        entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        try:
            inner = _contents(entry.path, os.stat(entry.path), (*above, identity))
        except FileNotFoundError:
            if not entry.is_symlink():
                raise
            inner = Digest(digest_of(b"dangling:" + os.fsencode(os.readlink(entry.path))))
        pieces += [framed(os.fsencode(entry.name)), inner]
    return Digest(digest_of(b"".join(pieces)))


TAKERS: dict[str, Callable[[File], Parts | bytes]] = {"File": fingerprint_file}
