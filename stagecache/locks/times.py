"""When a throttle has let callers in lately, kept where all processes of a machine find it."""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = struct.Struct("<36sII")
"""Which start of the machine the times are of, how many there are, where the next one goes."""


class Times(Protocol):
    """The last moments at which somebody was let in, for who holds the throttle's lock."""

    def let_in(self, count: int, seconds: float) -> float:
        """Note that one more is let in, and return 0.0; or return the seconds until that may be.

        Raises
        ------
        OSError, LockError
            If it cannot be noted; nobody is let in.
        """


def time_left(oldest: float | None, now: float, seconds: float) -> float:
    """Return how long to wait if the one who has to be out of the window was let in at `oldest`.

    Examples
    --------
    >>> time_left(None, 100.0, 60), time_left(70.0, 100.0, 60), time_left(30.0, 100.0, 60)
    (0.0, 30.0, 0.0)

    A clock that was set back holds nobody up for longer than the window.

    >>> time_left(900.0, 100.0, 60)
    60.0
    """
    if oldest is None:
        return 0.0
    return min(max(0.0, oldest + seconds - now), float(seconds))


def since_start() -> float:
    """Return the seconds since the machine was started: all processes read the same clock."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def start_of_machine() -> bytes:
    """Return what tells one start of the machine from another, where the system says it."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", "rb") as stream:
        return stream.read(36)
    return b""


class FileTimes:
    """Times in a small file: a ring of as many as may be let in within the window.

    A process that is killed while it writes leaves a time too many, never one too few.

    Parameters
    ----------
    path : callable
        Returns where the file is, which is made if it is not there.
    now : callable, optional
        Returns seconds, the same to all processes.
    start : bytes, optional
        What tells the clock's zero from another one.
    """

    def __init__(
        self,
        path: Callable[[], str],
        now: Callable[[], float] = since_start,
        start: bytes | None = None,
    ) -> None:
        self._path = path
        self._now = now
        self._start = (start_of_machine() if start is None else start).ljust(36, b"\0")

    def let_in(self, count: int, seconds: float) -> float:
        """Note that one more is let in, and return 0.0; or return the seconds until that may be."""
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._path(), flags)
        try:
            position, oldest = self._find(descriptor, count)
            now = self._now()
            left = time_left(oldest, now, seconds)
            if not left:
                _write(descriptor, struct.pack("<d", now), _HEAD.size + 8 * position)
                _write(descriptor, _HEAD.pack(self._start, count, (position + 1) % count), 0)
            return left
        finally:
            os.close(descriptor)

    def _find(self, descriptor: int, count: int) -> tuple[int, float | None]:
        """Return where the next time goes, and the one that stands there."""
        head = _read(descriptor, _HEAD.size, 0)
        if len(head) == _HEAD.size:
            start, known, position = _HEAD.unpack(head)
            if start == self._start and known == count and position < count:
                place = _read(descriptor, 8, _HEAD.size + 8 * position)
                oldest: float | None = struct.unpack("<d", place)[0] if len(place) == 8 else None
                return position, oldest or None
            if start == self._start and position < known:
                return self._resize(descriptor, known, position, count)
        os.ftruncate(descriptor, 0)
        return 0, None

    def _resize(
        self, descriptor: int, known: int, position: int, count: int
    ) -> tuple[int, float | None]:
        """Keep the last `count` times of a throttle that was declared with another number."""
        data = _read(descriptor, 8 * known, _HEAD.size)
        ring = list(struct.unpack(f"<{len(data) // 8}d", data[: len(data) // 8 * 8]))
        ring += [0.0] * (known - len(ring))
        times = [each for each in ring[position:] + ring[:position] if each][-count:]
        full = times + [0.0] * (count - len(times))
        next_place = len(times) % count
        _write(descriptor, struct.pack(f"<{count}d", *full), _HEAD.size)
        _write(descriptor, _HEAD.pack(self._start, count, next_place), 0)
        return next_place, full[next_place] or None


# Not pread and pwrite, which not all systems have: whoever is here has the throttle's lock.


def _read(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    os.lseek(descriptor, offset, os.SEEK_SET)
    if os.write(descriptor, data) != len(data):
        raise OSError("a throttle's time was written in part; the disk may be full")
