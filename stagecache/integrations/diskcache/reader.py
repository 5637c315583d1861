"""A value as a file to read: over the bytes where they are, without a copy."""

from __future__ import annotations

import io
from typing import Any


class Reader(io.BufferedReader):
    """A file open for reading bytes, whose name says that it has no path.

    Parameters
    ----------
    data : bytes or memoryview
        What is read.

    Examples
    --------
    >>> with Reader(b"abc") as reader:
    ...     reader.read(2), reader.seek(0), reader.read(), reader.name
    (b'ab', 0, b'abc', '<kept value>')
    """

    name = "<kept value>"

    def __init__(self, data: Any) -> None:
        super().__init__(_Raw(memoryview(data).cast("B")))


class _Raw(io.RawIOBase):
    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._view)}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        part = self._view[self._place : self._place + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)
