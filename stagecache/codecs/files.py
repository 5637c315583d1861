"""The codec of a :class:`File` result: its bytes are kept, and decoding puts it back in place."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from xxhash import xxh3_128, xxh3_128_digest

from stagecache.codecs.plain import Plain
from stagecache.errors import DecodeError, EncodeError
from stagecache.file import File
from stagecache.model import memo
from stagecache.reading import Reading
from stagecache.settings import project_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from stagecache.codecs.base import Sections

_MAPPED = 16 << 20
_CHUNK = 1 << 20
_WRITTEN = "file-written"
"""Memo of the digests of contents that a stage wrote and the cache has kept."""
_header = Plain()

only_finding: ContextVar[bool] = ContextVar("stagecache_only_finding", default=False)
"""Whether files are found and not put back: somebody may be writing them anew just now."""


class Files:
    """Holds a file by its contents, its mode, and its place as the stage named it.

    A relative path is taken from the working directory of whoever decodes, because that is
    where the body would have written; an absolute one below the project moves with the project.
    If the file there has the same bytes, it is left alone. If it is missing or different it is
    put back (written beside and renamed), after bytes that no stage wrote are moved aside to
    ``name.before-stagecache-1`` (or ``-2``, ...).

    Outside of the project nothing is ever written, whatever links or ``..`` stand in the path:
    such a file is kept and found, but once it is missing or different its entry does not
    decode, and the stage runs again. That is also why encoding it is no error: a rerun is right
    then, and until then the hit is.

    Parameters
    ----------
    root : str, optional
        The project; nothing is written elsewhere. By default the root of the project that the
        working directory lies in at the time.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as project:
    ...     path = pathlib.Path(project, "out.txt")
    ...     _ = path.write_text("made")
    ...     codec = Files(project)
    ...     sections = [memoryview(part) for part in codec.encode(File(path))]
    ...     path.unlink()
    ...     codec.decode(sections).read_text()
    'made'
    """

    name = "file"
    safe = True

    def __init__(self, root: str | None = None) -> None:
        self._root = root

    def accepts(self, value: object) -> bool:
        """Tell whether `value` is a File."""
        return type(value) is File

    def encode(self, value: object) -> Sections:
        """Return where the file lies and its digest in a header, then its bytes."""
        assert isinstance(value, File)
        path = os.fspath(value)
        try:
            contents, mode = _read(path)
        except (OSError, ValueError) as error:
            raise EncodeError(f"{path!r} is not a file that can be read: {error}") from error
        digest = xxh3_128_digest(contents)
        base, place = "working directory", path
        if os.path.isabs(path):
            below = _below(path, self._base())
            base, place = ("elsewhere", path) if below is None else ("project", below)
        header = _header.encode((base, place, value.counted_name, mode, digest))
        if (remembered := memo.get()) is not None:
            remembered.remember(_WRITTEN, digest, b"1")
        return [*header, contents]

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the File, put back below the project if it is missing or different."""
        if only_finding.get():
            return self.find(sections)
        kept = self._parse(sections)
        if not _holds(kept.path, kept.digest):
            _put_back(kept, sections[1], self._base())
        elif kept.mode & 0o111:
            _let_run(kept, self._base())
        return File(kept.path, name=kept.counted)

    def find(self, sections: Sequence[memoryview]) -> File:
        """Return the File if its bytes are in place; write nothing.

        Raises
        ------
        DecodeError
            If it is missing or different.
        """
        kept = self._parse(sections)
        if not _holds(kept.path, kept.digest):
            raise DecodeError(f"{kept.path!r} is missing or different")
        return File(kept.path, name=kept.counted)

    view = find

    def _base(self) -> str:
        return project_root() if self._root is None else os.path.abspath(self._root)

    def _parse(self, sections: Sequence[memoryview]) -> _Kept:
        if len(sections) != 2:
            raise DecodeError("a file has a header and its bytes")
        match _header.decode(sections[:1]):
            case str(base), str(place), str() | None as counted, int(mode), bytes(digest):
                pass
            case _:
                raise DecodeError("a file with a damaged header")
        if "\0" in place:
            raise DecodeError("a file whose path no system has")
        path = os.path.join(self._base(), place) if base == "project" else place
        return _Kept(path, counted, mode & 0o777, digest)


def may_hold(codec: str) -> bool:
    """Tell whether what is kept by the codec of this name may hold files: loading puts them back.

    Examples
    --------
    >>> may_hold("file"), may_hold("pickle+zstd"), may_hold("arrow")
    (True, True, False)
    """
    return codec.partition("+")[0] in ("file", "pickle", "cloudpickle")


class _Kept(NamedTuple):
    path: str
    counted: str | None
    mode: int
    digest: bytes


def reduce_file(file: File) -> tuple[Any, ...]:
    """Pickle a File with its contents, for ``Pickler.dispatch_table``.

    Parameters
    ----------
    file : File
        Somewhere inside a value.
    """
    import pickle

    from stagecache.codecs.base import codec

    header, contents = codec("file").encode(file)
    return unpickle_file, (bytes(header), pickle.PickleBuffer(contents))


def unpickle_file(header: bytes, contents: Buffer) -> object:
    """Put back a File that was pickled with its contents.

    Parameters
    ----------
    header, contents : buffers
        The sections of the file codec.
    """
    from stagecache.codecs.base import codec

    return codec("file").decode([memoryview(header), memoryview(contents)])


def _read(path: str) -> tuple[Buffer, int]:
    with _open(path) as stream:
        status = os.fstat(stream.fileno())
        if status.st_size < _MAPPED or stream.stays_open:  # a map has a descriptor of its own
            return stream.read(), status.st_mode & 0o777
        import mmap

        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return memoryview(mapped), status.st_mode & 0o777


def _digest(path: str) -> bytes:
    state = xxh3_128()
    with _open(path) as stream:  # not mapped: whoever truncates a mapped file kills its readers
        while chunk := stream.read(_CHUNK):
            state.update(chunk)
    return state.digest()


def _open(path: str) -> Reading:
    if not stat.S_ISREG(os.stat(path).st_mode):  # to open a named pipe could wait for ever
        raise OSError("not a regular file")
    return Reading(path)


def _holds(path: str, digest: bytes) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def _below(path: str, root: str) -> str | None:
    """Return `path` relative to `root` with every link resolved, or None if it is not below."""
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    real = os.path.realpath(root)
    if folder != real and not folder.startswith(os.path.join(real, "")):
        return None
    return os.path.relpath(os.path.join(folder, os.path.basename(path)), real)


def _put_back(kept: _Kept, contents: memoryview, root: str) -> None:
    name = os.path.basename(kept.path)
    below = _below(kept.path, root)
    if below is None or name in ("", ".", ".."):
        raise DecodeError(f"{kept.path!r} is gone or different, and not below {root!r}")
    if xxh3_128_digest(contents) != kept.digest:
        raise DecodeError(f"the bytes kept for {kept.path!r} are not those that it had")
    target = os.path.join(os.path.realpath(root), below)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if _below(target, root) != below:
            raise DecodeError(f"{kept.path!r} has moved out of {root!r}")
        temporary = _write_beside(target, contents, kept.mode)
        try:
            _move_aside(target)
            os.replace(temporary, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise DecodeError(f"{kept.path!r} cannot be put back: {error}") from error


def _let_run(kept: _Kept, root: str) -> None:
    """Let a file be run that its stage had made so: who copies one may lose that."""
    if _below(kept.path, root) is not None:
        with suppress(OSError):
            mode = os.lstat(kept.path).st_mode
            if stat.S_ISREG(mode) and not mode & 0o111:
                os.chmod(kept.path, stat.S_IMODE(mode) | (kept.mode & 0o111))


def _write_beside(target: str, contents: memoryview, mode: int) -> str:
    temporary = f"{target}.{os.urandom(8).hex()}.stagecache"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(contents)
            os.fchmod(descriptor, mode)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _move_aside(target: str) -> None:
    """Keep what stands at `target` under another name, unless a stage wrote it."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode):
        remembered = memo.get()
        digest = _digest(target)
        if remembered is not None and remembered.recall(_WRITTEN, digest) is not None:
            return
    elif not stat.S_ISLNK(status.st_mode):
        raise DecodeError(f"{target!r} is something else than a file")
    number = 1
    while True:
        aside = f"{target}.before-stagecache-{number}"
        try:
            os.link(target, aside, follow_symlinks=False)
        except FileExistsError:
            number += 1
            continue
        return
