"""Tells the owners of a native call which files its arguments name: the hook sees nothing of it.

Which argument of which function that is, is decided by ``bypasses``.
"""

from __future__ import annotations

import os
import re
from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.looking import things_in
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.owners import owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONGEST = 4096
_PARTITIONED = ("partition_by", "partition_cols")
_LITERAL = re.compile(r"(\bto\s+)?'((?:[^']|'')+)'|\"([^\"]+)\"", re.IGNORECASE)


def reads(source: Any, _options: dict[str, Any]) -> None:
    """Tell that `source` is read: a file, a folder with all below, a pattern, or several."""
    for name in _names(source):
        for path in _files(name):
            for each in owners():
                each.seen.read(path)


def writes(target: Any, options: dict[str, Any]) -> Callable[[], None] | None:
    """Tell that the file `target` is replaced, or that the folder `target` is filled."""
    for name in _names(target):
        if any(map(options.get, _PARTITIONED)) or os.path.isdir(name):
            return fills(name, options)
        for each in owners():
            each.seen.overwritten(name)
    return None


def fills(target: Any, _options: dict[str, Any]) -> Callable[[], None] | None:
    """Tell that files are written into the folder `target`; which, is seen afterwards."""
    tellers, folder = owners(), next(_names(target), None)
    if folder is None:
        return None
    before = set(_below(folder))
    for each in tellers:
        each.seen.made_folder(folder)
        for path in before:
            each.seen.overwritten(path)

    def look() -> None:
        for path in _below(folder):
            if path not in before:
                for each in tellers:
                    each.seen.made_file(path)

    return look


def maps(source: Any, options: dict[str, Any]) -> None:
    """Tell that a file is mapped, for reading unless its mode says otherwise."""
    mode = options.get("mode", "r")
    access = {"r": os.O_RDONLY, "w": os.O_WRONLY}.get(mode.rstrip("b"), os.O_RDWR)
    for name in _names(source):
        for each in owners():
            each.seen.opened(name, mode, access)


def connects(database: Any, _options: dict[str, Any]) -> None:
    """Tell that a database is opened: an input if it is there and will not be written."""
    for name in _names(database):
        if name.startswith(":"):
            continue
        for each in owners():
            if os.path.exists(name):
                each.seen.named_file(name)
            else:
                each.seen.overwritten(name)


def binds(parameters: Any, options: dict[str, Any]) -> None:
    """Tell of the files that the parameters of a query name."""
    values = parameters.values() if isinstance(parameters, dict) else parameters
    for value in values if isinstance(values, list | tuple) else list(values or ()):
        for name in _names(value):
            if os.path.isfile(name):
                for each in owners():
                    each.seen.named_file(name)
            elif _is_pattern(name) and _matches_nobody_saw(name):
                reads(name, options)


def asks(query: Any, options: dict[str, Any]) -> None:
    """Tell of the files that the literals of a query name, and of those that it copies to."""
    if not isinstance(query, str):
        return
    for to, quoted, identifier in _LITERAL.findall(query):
        for name in _names((quoted or identifier).replace("''", "'")):
            if to:
                writes(name, options)
            elif os.path.isfile(name):
                for each in owners():
                    each.seen.named_file(name)
            elif _is_pattern(name) and _matches_nobody_saw(name):
                reads(name, options)


def hands(given: Any, _options: dict[str, Any]) -> None:
    """Tell of the files that are named to another process, by what it is given or is to call."""
    tellers = owners()
    for thing in _given(given):
        for name in _names(thing):
            if os.path.isfile(name):
                for each in tellers:
                    each.seen.named_file(name)


def _given(given: Any) -> Iterator[Any]:
    for thing in things_in([given]):
        yield thing
        if type(thing) is FunctionType:
            yield from things_in([thing.__code__])
            yield from (thing.__globals__.get(name) for name in thing.__code__.co_names)


def _names(source: Any) -> Iterator[str]:
    if isinstance(source, list | tuple):
        for item in source:
            yield from _names(item)
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        if isinstance(name, str) and 0 < len(name) <= _LONGEST and "\n" not in name:
            name = name.removeprefix("file://")
            if "://" not in name:
                yield os.path.expanduser(name)


def _files(name: str) -> Iterator[str]:
    """Yield the files that a reader finds behind `name`; what is listed, the hook sees."""
    if os.path.isdir(name):
        yield from _walk(name)
    elif _is_pattern(name) and not os.path.exists(name):
        from glob import glob

        yield from glob(name, recursive=True)
    else:
        yield name


def _walk(folder: str) -> Iterator[str]:
    for parent, _, files in os.walk(folder, followlinks=True):
        for file in files:
            yield os.path.join(parent, file)


def _below(folder: str) -> list[str]:
    with nobody():
        return list(_walk(folder))


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _matches_nobody_saw(name: str) -> bool:
    from glob import glob

    with nobody():
        return bool(glob(name, recursive=True))
