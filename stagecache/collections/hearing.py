"""Waits until somebody in another process, or in this one, has done something: no asking again.

A bell is an empty file. To ring it is to open it for writing and to close it, which the system
tells to all who watch it (inotify): nobody uses up what others wait for, and nothing is left when
a process is killed. So is the end of a process noticed: the system closes its files.

Where there is no inotify, or no more of it, an ear hears nothing and returns every few
milliseconds.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from stagecache.forking import hold_over_forks
from stagecache.stores.disk.directory import no_follow

try:  # not that of `os`: who sees what the user's code asks of files makes it five times as slow
    from posix import access
except ImportError:  # elsewhere
    from os import access

if TYPE_CHECKING:
    from stagecache.stores.disk.items.place import ItemsDirectory

_CLOSED = 0x8
"""IN_CLOSE_WRITE."""
_GONE = 0x400 | 0x800
"""IN_DELETE_SELF, IN_MOVE_SELF."""
_FLAGS = os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) if sys.platform == "linux" else 0
_BUFFER = 1 << 14
_DEAF = 0.02
"""Seconds between two looks of who can hear nothing."""
_POOLED = 8
"""Ears that are kept for whoever waits next: to end one takes the kernel milliseconds."""


class Bell:
    """What is rung when something has happened to one collection.

    Parameters
    ----------
    directory : ItemsDirectory
        Where bells lie.
    name : str
        Of the file.
    """

    def __init__(self, directory: ItemsDirectory, name: str) -> None:
        self._directory = directory
        self.path = os.path.join(directory.bells, name)

    def is_there(self) -> bool:
        """Tell whether anybody ever waited."""
        return access(self.path, os.F_OK)

    def ring(self) -> None:
        """Wake whoever waits; if nobody ever did there is no file, and nothing happens."""
        if access(self.path, os.F_OK):  # a third of what it costs to be refused
            with suppress(OSError):
                os.close(no_follow(self.path, os.O_WRONLY))

    def make(self) -> None:
        """Let there be a file."""
        if not os.path.exists(self.path):
            self._directory.make_folder(self._directory.bells)
            self._directory.make_file(self.path)


class Ear:
    """Hears one bell, and that some process which held something is no more.

    Parameters
    ----------
    bell : Bell
        What to hear.
    holders : str
        The file that every holder has open for writing.
    """

    def __init__(self, bell: Bell, holders: str) -> None:
        self._paths = (bell.path, holders)
        self._inodes: tuple[object, ...] = ()
        self._fd = -1
        with suppress(OSError):
            bell.make()
        self._open()
        _ears.add(self)

    def is_current(self) -> bool:
        """Tell whether the files that it hears are those that are there."""
        return self._inodes == _inodes(self._paths)

    @property
    def tick(self) -> float:
        """How many seconds to wait at most before one looks oneself."""
        return _DEAF if self._fd < 0 else 1.0

    def wait(self, seconds: float) -> None:
        """Wait until something is heard, `seconds` at most; a signal's exception ends it."""
        if self._fd < 0:
            time.sleep(min(seconds, _DEAF))
            return
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.poll(seconds * 1_000)
        self.clear()

    async def wait_async(self, seconds: float) -> None:
        """Do the same without blocking the event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        hears = self._fd >= 0
        if hears:
            try:
                loop.add_reader(self._fd, heard.set)
            except NotImplementedError:  # a loop that waits for no files
                hears = False
        if not hears:
            await asyncio.sleep(min(seconds, _DEAF))
            return
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), seconds)
        finally:
            loop.remove_reader(self._fd)
        self.clear()

    def clear(self) -> None:
        """Forget what was heard so far."""
        with suppress(OSError):
            while self._fd >= 0 and os.read(self._fd, _BUFFER):
                pass

    def close(self) -> None:
        """Hear nothing any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close

    def _open(self) -> None:
        library = _library()
        if library is None:
            return
        fd = library.inotify_init1(_FLAGS)
        if fd < 0:
            return
        for path in self._paths:
            if library.inotify_add_watch(fd, os.fsencode(path), _CLOSED | _GONE) < 0:
                os.close(fd)
                return
        self._fd = fd
        self._inodes = _inodes(self._paths)


class Ears:
    """Ears for one bell, lent to those who wait.

    Parameters
    ----------
    bell, holders
        As of :class:`Ear`.
    """

    def __init__(self, bell: Bell, holders: str) -> None:
        self.bell = bell
        self._holders = holders
        self._idle: list[Ear] = []

    def take(self) -> Ear:
        """Return one that hears from now on."""
        with suppress(IndexError):
            while True:
                ear = self._idle.pop()
                if ear.is_current():
                    ear.clear()
                    return ear
                ear.close()
        return Ear(self.bell, self._holders)

    def give(self, ear: Ear) -> None:
        """Take one back."""
        if len(self._idle) < _POOLED and ear.tick > _DEAF:
            self._idle.append(ear)
        else:
            ear.close()

    def close(self) -> None:
        """Let those go that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


_ears: WeakSet[Ear] = WeakSet()


class _Deafness:
    """Closes the ears of a forked process: what they hear would be kept for it for ever."""

    def before_fork(self) -> None:
        """Do nothing."""

    def after_fork(self, *, in_child: bool) -> None:
        """Close them in the child."""
        if in_child:
            for ear in list(_ears):
                ear.close()


_deafness = _Deafness()
hold_over_forks(_deafness)


def _library() -> Any:
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "inotify_init1") else None
    except OSError:
        return None


def _inodes(paths: tuple[str, ...]) -> tuple[object, ...]:
    try:
        return tuple((status.st_dev, status.st_ino) for status in map(os.stat, paths))
    except OSError:
        return ()
