"""All blob files: how they are published, read, verified, set aside; which are wanted is not known.

A blob is written under another name and renamed, so under its own name it is whole from the
first moment on and never changes. Whatever else is found there is damage from outside.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from typing import TYPE_CHECKING
from weakref import WeakSet

from stagecache.stores.disk import layout
from stagecache.stores.disk.directory import no_follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.model import Digest
    from stagecache.stores.disk.directory import Directory

_MAPPED = 256 << 10
"""Bytes: smaller files are read, which costs no more than touching the pages of a map."""
_MAPS = 200
"""Live maps: Python keeps a descriptor open for each, and the job needs some for itself."""
_BATCH = 64
"""Buffers in one system call; the kernel takes 1,024 at most."""
_QUARANTINED_FILES = 20
_QUARANTINED_BYTES = 1 << 30
KEPT = "collections-"
"""How files in quarantine begin that are never removed."""


class Damaged(layout.DamagedError):
    """A file under the name of a blob is not that blob."""

    def __init__(self, problem: str, inode: int) -> None:
        super().__init__(problem)
        self.inode = inode


class Blobs:
    """The blobs of one directory.

    Parameters
    ----------
    directory : Directory
        Where they lie.
    durable : bool
        Whether a published blob survives a power failure (about 0.8 ms more each).
    """

    def __init__(self, directory: Directory, *, durable: bool) -> None:
        self._directory = directory
        self._durable = durable
        self._verified: dict[Digest, tuple[int, int, int]] = {}
        """Address -> inode, size, mtime of the file that this process has verified."""
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        self._may_map: bool | None = None

    def write(self, where: Digest, header: bytes, views: Sequence[memoryview]) -> None:
        """Publish a blob, unless a file of its name and length is there.

        Raises
        ------
        OSError
            If it cannot be written. No temporary file is left.
        """
        lengths = [view.nbytes for view in views]
        top = layout.head(header, lengths)
        parts: list[bytes | memoryview] = [top]
        for view in views:
            parts.append(view)
            parts.append(layout.padding(view.nbytes))
        parts.append(layout.trailer(top, where))
        path = self._directory.blob(where.hex())
        if self._is_there(path, lengths):
            return
        temporary = os.path.join(self._directory.temporary, f"{os.getpid()}-{os.urandom(8).hex()}")
        descriptor = no_follow(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                self._directory.open_to_group(descriptor)
                _write_all(descriptor, [part for part in parts if len(part)])
                if self._durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            try:
                os.replace(temporary, path)
            except FileNotFoundError:
                # Not what they lie in: whoever makes that closes it, and gives it its token.
                self._directory.make_folder(self._directory.blobs)
                self._directory.make_folder(os.path.dirname(path))
                os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise
        if self._durable:
            _sync_directory(os.path.dirname(path))

    def has(self, where: Digest) -> bool:
        """Tell whether there is a file under the blob's name."""
        return os.path.exists(self._directory.blob(where.hex()))

    def read(self, where: Digest, codec: str) -> list[memoryview]:
        """Return the sections of a blob: the caller's alone unless they are read-only.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        Damaged
            If the file is not what its name says.
        """
        name = where.hex()
        path = self._directory.blob(name)
        try:
            descriptor = no_follow(path, os.O_RDONLY)
        except FileNotFoundError:
            # Replaced a moment ago: whoever holds its entry may still have it.
            descriptor = no_follow(os.path.join(self._directory.trash, name), os.O_RDONLY)
        try:
            stat = os.fstat(descriptor)
            view = self._view(descriptor, stat.st_size)
        finally:
            os.close(descriptor)
        try:
            parts = layout.parse(view, stat.st_size)
            identity = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if self._verified.get(where) != identity:
                layout.check(view, parts, codec, where)
                self._verified[where] = identity
        except (layout.DamagedError, layout.ShortError) as error:
            raise Damaged(str(error), stat.st_ino) from error
        return layout.cut(view, parts)

    def header(self, path: str) -> tuple[bytes, Digest]:
        """Return the header and the address of a blob file, verified without its contents.

        Raises
        ------
        OSError, DamagedError
            If the file is not a whole blob by its head, its length and its name.
        """
        with open(path, "rb", buffering=0, opener=no_follow) as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(4096)
            try:
                parts = layout.parse(memoryview(start), size)
            except layout.ShortError as short:
                stream.seek(0)
                start = stream.read(short.args[0])
                parts = layout.parse(memoryview(start), size)
            stream.seek(size - layout.TRAILER_SIZE)
            where = layout.check_head(memoryview(start), parts, stream.read(layout.TRAILER_SIZE))
        if where.hex() != os.path.basename(path):
            raise layout.DamagedError("it is not under its own name")
        return parts.header, where

    def set_aside(self, where: Digest) -> None:
        """Move a blob that nothing names any longer to the trash, for who still reads it."""
        name = where.hex()
        try:
            os.utime(self._directory.blob(name))
            os.replace(self._directory.blob(name), os.path.join(self._directory.trash, name))
        except FileNotFoundError:
            pass

    def is_set_aside(self, where: Digest) -> bool:
        """Tell whether the blob is in the trash, and only there."""
        name = where.hex()
        return not self.has(where) and os.path.exists(os.path.join(self._directory.trash, name))

    def take_back(self, where: Digest) -> None:
        """Move a blob from the trash to its place."""
        path = self._directory.blob(where.hex())
        self._directory.make_folder(os.path.dirname(path))
        os.replace(os.path.join(self._directory.trash, where.hex()), path)

    def delete(self, where: Digest) -> None:
        """Unlink a blob; open maps of it stay whole."""
        name = where.hex()
        _unlink(self._directory.blob(name))
        _unlink(os.path.join(self._directory.trash, name))

    def is_file(self, where: Digest, inode: int) -> bool:
        """Tell whether the blob's name leads to that very file."""
        try:
            return os.lstat(self._directory.blob(where.hex())).st_ino == inode
        except OSError:
            return False

    def quarantine(self, where: Digest) -> None:
        """Keep a damaged file for whoever wants to know what happened, within bounds."""
        name = where.hex()
        folder = self._directory.quarantine
        self._directory.make_folder(folder)
        try:
            os.replace(self._directory.blob(name), os.path.join(folder, name))
        except FileNotFoundError:
            return
        kept = []
        for entry in scan(folder):
            # Of items of collections there may be no other copy.
            if not (entry.is_dir(follow_symlinks=False) or entry.name.startswith(KEPT)):
                stat = entry.stat(follow_symlinks=False)
                kept.append((stat.st_mtime, stat.st_size, entry.path))
        kept.sort(reverse=True)
        total = 0
        for position, (_, size, path) in enumerate(kept):
            total += size
            if position and (position >= _QUARANTINED_FILES or total > _QUARANTINED_BYTES):
                _unlink(path)

    def paths(self) -> Iterator[os.DirEntry[str]]:
        """Yield the blob files."""
        for folder in scan(self._directory.blobs):
            for entry in scan(folder.path):
                if is_name(entry.name):
                    yield entry

    def names(self, folder: str) -> list[str]:
        """Return the names of the blob files in one of the 256 folders."""
        try:
            found = os.listdir(os.path.join(self._directory.blobs, folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name for name in found if is_name(name) and name.startswith(folder)]

    def _is_there(self, path: str, lengths: Sequence[int]) -> bool:
        """Tell whether a blob of these sections lies at `path`.

        Its header may name another entry: an index that is made from blobs anew finds that one.
        """
        try:
            with open(path, "rb", buffering=0, opener=no_follow) as stream:
                size = os.fstat(stream.fileno()).st_size
                start = stream.read(65536)
            parts = layout.parse(memoryview(start), size)
        except (OSError, layout.DamagedError, layout.ShortError):
            return False
        return [extent for _, extent in parts.spans] == list(lengths)

    def _view(self, descriptor: int, size: int) -> memoryview:
        if size >= _MAPPED and self._can_map():
            for access in (mmap.ACCESS_COPY, mmap.ACCESS_READ):
                try:
                    found = mmap.mmap(descriptor, size, access=access)
                except (OSError, ValueError):  # 60 GB copy-on-write: no memory
                    continue
                self._maps.add(found)
                return memoryview(found)
        return _read_all(descriptor, size)

    def _can_map(self) -> bool:
        # On a network file system a file truncated elsewhere is SIGBUS under a map.
        if self._may_map is None:
            self._may_map = self._directory.is_local()
        return self._may_map and len(self._maps) < _MAPS


def is_name(name: str) -> bool:
    """Tell whether a file of that name is a blob."""
    return len(name) == 32 and not name.strip("0123456789abcdef")


def scan(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing if it is not there, or is a link to another one."""
    if os.path.islink(folder):
        return []
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _write_all(descriptor: int, parts: list[bytes | memoryview]) -> None:
    position = 0
    while position < len(parts):
        batch = parts[position : position + _BATCH]
        written = os.writev(descriptor, batch)
        for part in batch:
            if written < len(part):
                parts[position] = memoryview(part)[written:]
                break
            written -= len(part)
            position += 1


def _read_all(descriptor: int, size: int) -> memoryview:
    """Read a file into memory of its own, aligned to a page."""
    if not size:
        return memoryview(b"")
    # Anonymous and private: a child of fork must not write into our value.
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    view = memoryview(mmap.mmap(-1, size, **flags))
    position = 0
    while position < size:
        count = os.readv(descriptor, [view[position:]])
        if not count:  # somebody truncated it; its digest will tell
            break
        position += count
    return view


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
