"""A list of keys whose older results must not come back when the index is made from blobs anew.

A blob may outlive the entry that its header names: another entry shares it, or its publisher was
killed. Without this list a result that somebody forgot or refreshed would rise from it.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from stagecache.model import Key
from stagecache.stores.disk.directory import no_follow

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECORD = struct.Struct("<16sd")
_COMPACT = 1 << 20
"""Bytes: a list shorter than this is left as it is."""


def bury(path: str, keys: Iterable[Key], until: float) -> None:
    """Note that results of `keys` made at `until` (seconds since the epoch) or before are dead.

    Called inside the index's write transaction, so writers come one after the other.
    """
    records = b"".join(_RECORD.pack(key, until) for key in keys)
    descriptor = no_follow(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        if os.write(descriptor, records) < len(records):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // _RECORD.size * _RECORD.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if size // _COMPACT > (size - len(records)) // _COMPACT:
        with suppress(OSError):
            compact(path)


def buried(path: str) -> dict[Key, float]:
    """Return the time before which each key's results are dead."""
    try:
        with open(path, "rb", opener=no_follow) as stream:
            records = stream.read()
    except FileNotFoundError:
        return {}
    until: dict[Key, float] = {}
    whole = len(records) - len(records) % _RECORD.size
    for key, time in _RECORD.iter_unpack(records[:whole]):
        until[Key(key)] = max(time, until.get(Key(key), time))
    return until


def compact(path: str) -> None:
    """Keep one record a key; inside the index's write transaction."""
    try:
        if os.path.getsize(path) < _COMPACT:
            return
    except FileNotFoundError:
        return
    fresh = f"{path}.new"
    with suppress(FileNotFoundError):  # left by a process that was killed
        os.unlink(fresh)
    with open(fresh, "xb") as stream:
        os.chmod(fresh, os.stat(path).st_mode & 0o777)
        stream.writelines(_RECORD.pack(key, until) for key, until in buried(path).items())
    os.replace(fresh, path)
