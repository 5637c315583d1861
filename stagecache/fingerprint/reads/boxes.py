"""Lets other processes tell a body what they see for it: an append-only file that all have open.

When they do so is for ``forked`` and ``handed``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.reads.attribution import nobody

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stagecache.fingerprint.reads.attribution import Owner

_MOST = 1 << 30
"""Bytes: who made it may be killed, and leave children that open new files for ever."""
_SIZE = 8
_APPENDING = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Address(NamedTuple):
    """Where another process finds a box, and how it knows it."""

    path: str
    device: int
    inode: int


class Box:
    """Messages of other processes, in the order in which they were put.

    Examples
    --------
    >>> box = Box.made()
    >>> Box.at(box.address).put("names", "a.txt")
    >>> list(box.taken()), list(box.taken())
    ([('names', 'a.txt')], [])
    >>> box.close()
    >>> Box.at(box.address) is None
    True
    """

    def __init__(self, file: int, address: Address, *, has_name: bool = False) -> None:
        self._file = file
        self._has_name = has_name
        self._taken = 0
        self.address = address
        self.concerned: list[Owner] = []
        """Whom messages may concern, who made it first."""
        self.links: dict[Any, bytes] = {}
        """How work says that it is done for them; see ``handed``."""

    @classmethod
    def made(cls) -> Box:
        """Make a box, with a name of its own only where it could not be reached otherwise."""
        path, has_name = "", False
        if hasattr(os, "memfd_create"):
            file = os.memfd_create("stagecache")
            path = f"/proc/{os.getpid()}/fd/{file}"
        if not os.path.exists(path):
            import tempfile

            file, path = tempfile.mkstemp(prefix="stagecache-")
            has_name = True
        with suppress(ImportError):  # where nothing forks
            import fcntl

            # At the end, whoever writes: of a file without a name the system does not guard the
            # place that children share, and one would write over what another has just written.
            flags = fcntl.fcntl(file, fcntl.F_GETFL)
            fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_APPEND)
        found = os.fstat(file)
        return cls(file, Address(path, found.st_dev, found.st_ino), has_name=has_name)

    @classmethod
    def at(cls, address: Address) -> Box | None:
        """Return what puts into the box at an address; None: it is closed, or out of reach.

        The number of a closed file may be that of another by now, which is let alone.
        """
        try:
            if not _is_there(os.stat(address.path), address):
                return None
            file = os.open(address.path, _APPENDING)
        except OSError:
            return None
        if _is_there(os.fstat(file), address):
            return cls(file, address)
        os.close(file)
        return None

    def put(self, *message: Any) -> None:
        """Put a message; it may be that nobody takes it."""
        import pickle

        text = pickle.dumps(message)
        if os.fstat(self._file).st_size < _MOST:  # one write, so that it stays together
            os.write(self._file, len(text).to_bytes(_SIZE, "little") + text)

    def taken(self) -> Iterator[tuple[Any, ...]]:
        """Yield the messages that have come."""
        import pickle

        while True:
            os.lseek(self._file, self._taken, os.SEEK_SET)  # who puts does so at the end
            head = os.read(self._file, _SIZE)
            size = int.from_bytes(head, "little")
            text = os.read(self._file, size)
            if not head or len(text) < size:
                return
            self._taken += _SIZE + size
            yield pickle.loads(text)

    def close(self) -> None:
        """Take no more. Who still has it open finds it full, and it holds nothing any more."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.ftruncate(self._file, _MOST)
        self.leave()
        if self._has_name:
            with suppress(OSError):
                os.unlink(self.address.path)

    def leave(self) -> None:
        """Put no more."""
        os.close(self._file)


def _is_there(found: os.stat_result, address: Address) -> bool:
    return (found.st_dev, found.st_ino) == (address.device, address.inode)


class Teller:
    """Puts the notes of a process into the box of the body that it works for.

    Parameters
    ----------
    box : Box
        Of the body.
    whom : tuple of int
        Whom they concern, by their places in :attr:`Box.concerned`.
    """

    def __init__(self, box: Box, whom: tuple[int, ...]) -> None:
        self._box = box
        self.whom = whom

    def __call__(self, what: str, key: Any, value: Any) -> None:
        """Put one."""
        with nobody(), suppress(OSError):  # no room, perhaps
            self._box.put(self.whom, what, key, value)


def box_of(one: Owner) -> Box:
    """Return the box of a body that runs. Call it under ``attribution.lock``."""
    if one.box is None:
        with nobody():
            one.box = Box.made()
        one.box.concerned.append(one)
    box: Box = one.box
    return box


def whom_it_concerns(box: Box, ledgers: Iterable[Owner]) -> tuple[int, ...]:
    """Return the places of who made a box and of those that keep for others what is told."""
    for one in ledgers:
        if one not in box.concerned:
            box.concerned.append(one)
    return (0, *sorted({box.concerned.index(one) for one in ledgers}))
