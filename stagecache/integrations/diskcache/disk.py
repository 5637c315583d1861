"""How a subclass has a say in how keys and values are written: `Disk` of diskcache, and `JSONDisk`.

Only what is encoded is its business. Where bytes lie, in a row or in a blob beside, is not: it is
never asked for a file name, and never writes a file.
"""

from __future__ import annotations

import json
import os
import pickle
import pickletools
import struct
import zlib
from typing import TYPE_CHECKING, Any

from stagecache.integrations.diskcache.reader import Reader
from stagecache.integrations.diskcache.words import UNKNOWN

if TYPE_CHECKING:
    import io

MODE_NONE, MODE_RAW, MODE_BINARY, MODE_TEXT, MODE_PICKLE = range(5)
_PIECE = 2**22


class Disk:
    """Turns keys and values into what is kept, and back; to be subclassed.

    A cache whose `disk` is this very class does not use it: it has codecs of its own, which are
    faster and need no pickle for keys.

    Parameters
    ----------
    directory : str
        Of the cache.
    min_file_size : int, optional
        Bytes from which a value lies beside its row.
    pickle_protocol : int, optional
        For what is pickled here.
    """

    def __init__(self, directory: str, min_file_size: int = 0, pickle_protocol: int = 0) -> None:
        self._directory = directory
        self.min_file_size = min_file_size
        self.pickle_protocol = pickle_protocol

    def hash(self, key: Any) -> int:
        """Return a number that stands for `key` in every process."""
        found, _ = self.put(key)
        if isinstance(found, (bytes, memoryview)):
            return zlib.adler32(found)
        if isinstance(found, str):
            return zlib.adler32(found.encode("utf-8", "surrogatepass"))
        if isinstance(found, int):
            return found % 0xFFFFFFFF
        return zlib.adler32(struct.pack("!d", found))

    def put(self, key: Any) -> tuple[Any, bool]:
        """Return what is kept of `key`, and whether it is the key itself."""
        kind = type(key)
        if kind in (bytes, str, float) or (kind is int and -(2**63) <= key < 2**63):
            return key, True
        return pickletools.optimize(pickle.dumps(key, protocol=self.pickle_protocol)), False

    def get(self, key: Any, raw: bool) -> Any:
        """Return the key of which :meth:`put` made `key`."""
        return key if raw else pickle.loads(key)

    def store(
        self,
        value: Any,
        read: bool,
        key: Any = UNKNOWN,  # noqa: ARG002 - for subclasses
    ) -> tuple[int, int, None, Any]:
        """Return size, mode, None (never a file name) and what is kept of `value`.

        Parameters
        ----------
        value : object
            The value; with `read`, a file open for reading bytes.
        read : bool
            Whether to read it.
        key : object, optional
            Whose value it is.
        """
        if read:
            data = b"".join(iter(lambda: value.read(_PIECE), b""))
            return len(data), MODE_BINARY, None, data
        kind = type(value)
        if kind is bytes and len(value) >= self.min_file_size:
            return len(value), MODE_BINARY, None, value
        if kind is str and len(value) >= self.min_file_size:
            return len(value), MODE_TEXT, None, value
        if kind in (bytes, str, float) or (kind is int and -(2**63) <= value < 2**63):
            return 0, MODE_RAW, None, value
        pickled = pickle.dumps(value, protocol=self.pickle_protocol)
        return len(pickled), MODE_PICKLE, None, pickled

    def fetch(self, mode: int, filename: None, value: Any, read: bool) -> Any:  # noqa: ARG002
        """Return the value of which :meth:`store` made `mode` and `value`; to read, if asked so."""
        if mode == MODE_PICKLE:
            return pickle.loads(value)
        return Reader(value) if mode == MODE_BINARY and read else value

    def filename(self, key: Any = UNKNOWN, value: Any = UNKNOWN) -> tuple[str, str]:  # noqa: ARG002
        """Return a new relative path and the full one, for a file of a subclass's own."""
        name = os.urandom(16).hex()
        relative = os.path.join(name[:2], name[2:4], f"{name[4:]}.val")
        return relative, os.path.join(self._directory, relative)

    def remove(self, file_path: str) -> None:
        """Remove a file of a subclass's own, if it is there."""
        try:
            os.remove(os.path.join(self._directory, file_path))
        except OSError:
            return


class JSONDisk(Disk):
    """Keys and values as JSON, compressed: nothing that could run code.

    Parameters
    ----------
    directory : str
        Of the cache.
    compress_level : int, optional
        0 (not at all) to 9.
    **settings
        As of :class:`Disk`.
    """

    def __init__(self, directory: str, compress_level: int = 1, **settings: Any) -> None:
        self.compress_level = compress_level
        super().__init__(directory, **settings)

    def put(self, key: Any) -> tuple[Any, bool]:
        """Return what is kept of `key`."""
        return super().put(self._packed(key))

    def get(self, key: Any, raw: bool) -> Any:
        """Return the key of which :meth:`put` made `key`."""
        return _unpacked(super().get(key, raw))

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, None, Any]:
        """Return size, mode, None and what is kept of `value`; what is read is kept as it is."""
        return super().store(value if read else self._packed(value), read, key=key)

    def fetch(self, mode: int, filename: None, value: Any, read: bool) -> Any:
        """Return the value, or what reads it."""
        found = super().fetch(mode, filename, value, read)
        return found if read else _unpacked(found)

    def _packed(self, value: Any) -> bytes:
        return zlib.compress(json.dumps(value).encode("utf-8"), self.compress_level)


def _unpacked(data: bytes | io.BufferedReader) -> Any:
    return json.loads(zlib.decompress(data))  # type: ignore[arg-type]
