"""Takes what code keeps open apart: by the contents of the file behind it, and where it stands.

Only what a global, a default or an attribute holds is taken so. As an argument it is refused, for
the path can be passed instead. So is what can be written to: it is no input alone.
"""

from __future__ import annotations

import os
import re
from glob import glob
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128

from stagecache.fingerprint.files import fingerprint_contents
from stagecache.fingerprint.names import current_rank, shown
from stagecache.fingerprint.objects import take_object
from stagecache.fingerprint.parts import Parts, Refused, digest_of, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_CHUNK = 1 << 20
_STREAMS = (
    "FileIO", "BufferedReader", "TextIOWrapper", "GzipFile", "BZ2File", "LZMAFile",
    "LocalFileOpener",
)  # fmt: skip
_TEXTS = re.compile(rb"[ -~]{3,4096}")
_REMEDY = "Open it in the stage, or pass its path as `File`."


def held(
    take: Callable[[Any], Parts], otherwise: Callable[[Any], Parts] = take_object
) -> Callable[[Any], Parts]:
    """Let `take` take what a global, a default or an attribute holds, and not an argument."""

    def take_if_held(value: Any) -> Parts:
        return otherwise(value) if current_rank() is None else take(value)

    return take_if_held


def _refused(value: Any) -> Parts:
    raise Refused(
        f"{shown(type(value))}: its data may lie in files that would not count",
        "Pass the files, or what `.collect()` or `.to_table()` returns.",
    )


def of_files(value: Any, names: Iterable[Any], where: object = None) -> Parts:
    """Return the parts of what stands for files."""
    digests = [shown(type(value))]
    for name in names:
        if not isinstance(name, str | bytes | os.PathLike) or not os.path.exists(name):
            raise Refused(f"{shown(type(value))}: nothing tells which file is behind it", _REMEDY)
        digests.append(fingerprint_contents(os.fsdecode(name)).hex())
    return Parts(b"handle:" + framed(*digests), (where,), label=lambda _: "")


def _take_stream(value: Any) -> Parts:
    if value.closed:
        return Parts(b"handle closed:" + framed(shown(type(value))))
    if value.writable() or not value.readable():
        return take_object(value)
    return of_files(value, [_name_of(value)], _position(value))


def _name_of(stream: Any) -> Any:
    # bz2 and lzma keep the file to themselves.
    return getattr(stream, "name", None) or getattr(getattr(stream, "_fp", None), "name", None)


def _position(stream: Any) -> object:
    try:
        return stream.tell()
    except (OSError, ValueError):  # in the midst of its lines, or of no place
        return None


def _take_archive(value: Any) -> Parts:
    if value.mode != "r":
        return take_object(value)
    name = getattr(value, "filename", None) or getattr(value, "name", None)
    if name is None:
        return _of_memory(value, getattr(value, "fp", None) or value.fileobj)
    return of_files(value, [name])


def _of_memory(value: Any, beneath: Any) -> Parts:
    """Return the parts of what reads out of memory."""
    if type(beneath).__module__ != "_io" or getattr(beneath, "name", None) is not None:
        raise Refused(f"{shown(type(value))}: nothing tells which file is behind it", _REMEDY)
    return Parts(b"handle of memory:" + framed(shown(type(value))), (beneath,), label=lambda _: "")


def _take_map(value: Any) -> Parts:
    with memoryview(value) as view:
        return Parts(b"map:" + digest_of(view), (value.tell(),), label=lambda _: "")


def _take_arrow(value: Any) -> Parts:
    if value.closed or not value.readable() or value.writable():
        return take_object(value)
    where, digest = value.tell(), xxh3_128()
    value.seek(0)
    while chunk := value.read_buffer(_CHUNK):
        digest.update(memoryview(chunk))
    value.seek(where)
    return Parts(b"arrow file:" + digest.digest(), (where,), label=lambda _: "")


def _take_dbm(value: Any) -> Parts:
    value.sync()
    return of_files(value, [value._dirfile, value._datfile])


def _take_dataset(value: Any) -> Parts:
    if not hasattr(value, "files"):  # of tables, or of other datasets
        if type(value).__name__ != "InMemoryDataset":
            return of_files(value, [], tuple(value.children))
        return Parts(b"table:", (value.to_table(),), label=lambda _: "")
    if type(getattr(value, "filesystem", None)).__name__ != "LocalFileSystem":
        raise Refused(f"{shown(type(value))}: its data lie in files that would not count", _REMEDY)
    return of_files(value, value.files, value.schema)


def _take_lazy(value: Any) -> Parts:
    """Take a lazy frame of polars: its plan, and the files that are named there."""
    try:
        plan = value.serialize()
    except Exception as error:
        raise Refused(f"{shown(type(value))}: its plan cannot be written down", _REMEDY) from error
    if b"PLPYFN" in plan:  # a function of Python, pickled by name
        return _refused(value)
    # A text follows its length, which may look like a letter.
    texts = {text[start:] for text in _TEXTS.findall(plan) for start in (0, 1)}
    names = {text for text in texts if os.path.isfile(text)}
    for pattern in texts - names:
        if b"*" in pattern or os.path.isdir(pattern):
            names.update(filter(os.path.isfile, glob(os.path.join(pattern, b"**"), recursive=True)))
            names.update(filter(os.path.isfile, glob(pattern, recursive=True)))
    return of_files(value, sorted(names), plan)


def _take_library(value: Any) -> Parts:
    """Take what ctypes has loaded: a file, or what the system has of that name."""
    name = value._name
    if isinstance(name, str) and os.sep in name:
        return of_files(value, [name])
    return Parts(b"library:" + framed(shown(type(value))), (name,), label=lambda _: "._name")


TAKERS: dict[str, Callable[[Any], Parts]] = {
    **dict.fromkeys(_STREAMS, held(_take_stream)),
    "ZipFile": held(_take_archive),
    "TarFile": held(_take_archive),
    "mmap": held(_take_map),
    "NativeFile": held(_take_arrow),
    "_Database": held(_take_dbm),
    "Dataset": held(_take_dataset, _refused),
    "CDLL": held(_take_library),
    "LazyFrame": held(_take_lazy, _refused),
}
