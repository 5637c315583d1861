"""Sees what the user's code asks of files without opening them.

Whether one is there, how large or old it is, where a link points: the functions of ``os`` for that
raise no audit event, so they are wrapped, once. Libraries and Python itself look at many files on
their way; only what the user's code asks for itself is an input, and the file of which a library
asks the age: if that is no other it gives what it read before. A stat tells much: when a file was
changed last counts where the code that asked mentions it, else its contents do.
"""

from __future__ import annotations

import os
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.origin import is_own_code, is_user_code, is_users_for_sure
from stagecache.fingerprint.reads.arriving import when_imported
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.between import PATHS
from stagecache.fingerprint.reads.descriptors import below
from stagecache.fingerprint.reads.once import once
from stagecache.fingerprint.reads.owners import owners
from stagecache.fingerprint.reads.standing import standing_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from stagecache.fingerprint.reads.sightings import Sightings

_BETWEEN = PATHS | {"linecache"}
_EXISTENCE = frozenset({"exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "access"})
_AGES = frozenset({"getmtime", "getctime", "getatime"})
_LINKS = frozenset({"readlink", "realpath", "resolve", "samefile", "islink", "is_symlink"})
_STATS = frozenset({"stat", "getsize"})
_TIMES = frozenset(
    {f"st_{which}time{unit}" for which in "mca" for unit in ("", "_ns")} | {"ST_MTIME", "ST_CTIME"}
)


@once
def install() -> None:
    """Begin to look, once in the life of the process."""
    for name in ("stat", "lstat", "access", "readlink", "scandir"):
        plain = getattr(os, name)
        setattr(os, name, _seen(plain))
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if plain in able:
                able.add(getattr(os, name))
        if plain in os.supports_effective_ids:
            os.supports_effective_ids.add(getattr(os, name))
    os.path.realpath = _seen(os.path.realpath)
    when_imported("linecache", _look_at_lines)


def _look_at_lines(linecache: Any) -> None:
    linecache.getlines = _seen(linecache.getlines)


def _seen(plain: Callable[..., Any]) -> Callable[..., Any]:
    name = plain.__name__

    def seen(*arguments: Any, **options: Any) -> Any:
        frame = sys._getframe(1)
        if is_own_code(frame.f_globals):  # looks at files all the time
            return plain(*arguments, **options)
        path = arguments[0] if arguments else options.get("path", os.curdir)
        if not isinstance(path, int):
            try:
                if options and options.get("dir_fd") is not None:
                    path = below(options["dir_fd"], path)
                _tell(name, path, frame)
            except Exception:  # noqa: BLE001, S110 - what cannot be told is one event not seen
                pass
        return plain(*arguments, **options)

    return standing_for(plain, seen)


def _tell(asked: str, path: Any, frame: FrameType | None) -> None:
    while frame is not None and frame.f_globals.get("__name__") in _BETWEEN:
        asked = frame.f_code.co_name
        frame = frame.f_back
    if frame is None:
        return
    is_the_users = _is_the_users(frame)
    if not is_the_users and asked not in _AGES:
        return
    tellers = owners(frame)
    if not tellers:  # nobody runs or keeps anything
        return
    name, mentions = os.fsdecode(path), frozenset(_mentioned(frame.f_code))
    for each in tellers:
        if is_the_users:
            _note(each.seen, asked, name, mentions)
        else:  # a library asks how old a file is of which it keeps something
            each.seen.named_file(name)


def _is_the_users(frame: FrameType) -> bool:
    known = is_users_for_sure(frame.f_globals)
    if known is None:
        with nobody():  # to find out whose code it is may list folders
            known = is_user_code(frame.f_globals)
    return known


def _note(seen: Sightings, asked: str, name: str, mentions: frozenset[str]) -> None:
    if asked in _EXISTENCE:
        seen.looked_for(name)
    elif asked in _LINKS:
        seen.asked_of("link", name)
    elif asked in _AGES or (asked in _STATS and not _TIMES.isdisjoint(mentions)):
        seen.asked_of("age", name)
        if asked in _STATS:
            seen.named_file(name)
    elif asked in _STATS:
        seen.named_file(name)
    elif asked == "scandir" and "stat" in mentions:  # of what it gives, which is no function of os
        for each in _listed(name):
            _note(seen, "stat", each, mentions)
    elif asked in ("getline", "getlines"):
        seen.read(name, by_hand=True)


def _listed(folder: str) -> list[str]:
    with nobody():
        try:
            return [os.path.join(folder, name) for name in os.listdir(folder)]
        except OSError:
            return []


def _mentioned(code: CodeType) -> Iterator[str]:
    """Yield the names in code and in what is written inside of it."""
    yield from code.co_names
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _mentioned(constant)
