"""Reads one blob file to its end, piece by piece, and tells whether every bit is as it was written.

In little memory however large the file, and without a map: a check that runs over files that are
damaged must not meet a truncated one under a map.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from stagecache.stores.disk import layout
from stagecache.stores.sections import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.model import Digest

PIECE = 1 << 20
"""Bytes read at once; most blobs are smaller."""
# Not to wait for a writer, should a pipe lie there.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


class Fault(NamedTuple):
    """What is wrong with a file."""

    detail: str
    inode: int
    """0 if there is no file."""


def examine(
    path: str, where: Digest, codec: str | None, buffer: bytearray, read: Callable[[int], None]
) -> Fault | None:
    """Return what is wrong with the file at `path`, which should be the blob `where`.

    Parameters
    ----------
    path : str
        The file.
    where : bytes
        The address that the blob should have.
    codec : str or None
        The codec that a row names; None to believe the file's header.
    buffer : bytearray
        Of PIECE bytes, to read into.
    read : callable
        Called with the number of bytes after each piece. What it raises ends the examination.
    """
    inode = 0
    try:
        inode = os.lstat(path).st_ino
        descriptor = os.open(path, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Fault("it is no file", inode)
            _examine(descriptor, status.st_size, where, codec, memoryview(buffer), read)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return Fault("it is gone", 0)
    except layout.DamagedError as error:
        return Fault(str(error), inode)
    except OSError as error:
        return Fault(f"it cannot be read ({error.strerror})", inode)
    return None


def _examine(
    descriptor: int,
    size: int,
    where: Digest,
    codec: str | None,
    buffer: memoryview,
    read: Callable[[int], None],
) -> None:
    start = buffer[: os.preadv(descriptor, [buffer], 0)]
    try:
        parts = layout.parse(start, size)
    except layout.ShortError as short:  # a header of a megabyte: no blob, or a strange one
        start = memoryview(os.pread(descriptor, short.args[0], 0))
        try:
            parts = layout.parse(start, size)
        except layout.ShortError:
            raise layout.DamagedError("it is too short") from None
    if codec is None:
        codec = str(layout.decode_header(parts.header).get("codec"))
    if len(start) == size:
        read(size)
        layout.check(start, parts, codec, where)
        return
    tail = os.pread(descriptor, layout.TRAILER_SIZE, size - layout.TRAILER_SIZE)
    if len(tail) < layout.TRAILER_SIZE:
        raise layout.DamagedError("it is too short")
    if layout.check_head(start, parts, tail) != where:
        raise layout.DamagedError("it is another blob")
    state = begin(codec, [extent for _, extent in parts.spans])
    for position, (offset, extent) in enumerate(parts.spans):
        end = offset + extent
        while offset < end:
            piece = buffer[: os.preadv(descriptor, [buffer[: end - offset]], offset)]
            if not piece:
                raise layout.DamagedError("it is too short")
            state.update(piece)
            offset += len(piece)
            read(len(piece))
        after = (*parts.spans, (size - layout.TRAILER_SIZE, 0))[position + 1][0]
        if any(os.pread(descriptor, after - end, end)):
            raise layout.DamagedError("its padding is damaged")
    if state.digest() != where:
        raise layout.DamagedError("its contents are damaged")
