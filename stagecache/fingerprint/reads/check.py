"""Decides what a recorded read would find now, and so whether a result that rests on it is good."""

from __future__ import annotations

import os
import stat
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from stagecache.errors import FingerprintError
from stagecache.fingerprint.files import fingerprint_contents
from stagecache.fingerprint.names import versioned
from stagecache.fingerprint.origin import is_user_module
from stagecache.fingerprint.parts import digest_of, framed
from stagecache.fingerprint.reads.attribution import nobody
from stagecache.fingerprint.reads.shells import is_of_a_shell
from stagecache.model import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stagecache.model import Read

MISSING = Digest(digest_of(b"read:missing"))
UNSETTLED = Digest(digest_of(b"read:unsettled"))
"""Recorded for what changed while the body ran; never found, so such a read is never good."""
_CHANGING = Digest(digest_of(b"read:changing"))
UNREADABLE = Digest(digest_of(b"read:unreadable"))
THERE = Digest(digest_of(b"read:something else"))
"""Of what is no regular file, and of whatever is there where only that counts."""
_FLEETING = frozenset({"__pycache__", ".stagecache"})
"""Names that come and go in a listing without meaning anything to a body."""


brought: set[str] = set()
"""Modules of the user's that nothing but a look at them has imported: code that looks for them in
``sys.modules`` finds them, and does not ask for them any more."""
answers: dict[str, Callable[[str], Digest]] = {}
"""What a floor above answers for the kinds of reads that it knows, by kind."""


def state(path: str) -> os.stat_result | None:
    """Return the stat of what is at `path`, or None if an open for reading would find nothing."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # absent, a folder that is a file, a loop of links, too long
        return None
    return _state_of_log(found) if path.endswith("-wal") else found


def _state_of_log(found: os.stat_result) -> os.stat_result | None:
    """Leave out what SQLite does to a log when somebody, even a reader, opens the database.

    An empty one may be there. And who is root gives it to the owner of the database, which changes
    its ctime each time (``robustFchown`` in SQLite's os_unix.c).
    """
    if found.st_size == 0:
        return None
    times = {"st_mtime_ns": found.st_mtime_ns, "st_ctime_ns": found.st_mtime_ns}
    return os.stat_result(tuple(found), times)


def is_same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Tell whether two stats show the same contents, as far as a stat can tell."""
    if one is None or other is None:
        return one is other
    return (
        one.st_mtime_ns == other.st_mtime_ns
        and one.st_size == other.st_size
        and one.st_ino == other.st_ino
        and one.st_ctime_ns == other.st_ctime_ns
        and one.st_dev == other.st_dev
    )


def digest_now(read: Read) -> Digest:
    """Return the digest that `read` would be recorded with now.

    Relative names are resolved against the working directory of now. Nothing is raised: trouble
    is a digest too, and differs from all others.

    Parameters
    ----------
    read : Read
        Its digest does not count.

    Examples
    --------
    >>> from stagecache.model import Digest, Read
    >>> read = Read("missing", "no/such/file", Digest(b""))
    >>> digest_now(read) == digest_now(read._replace(kind="file"))
    True
    """
    with nobody():
        return _digest(read)


def first_changed(reads: Iterable[Read]) -> Read | None:
    """Return the first of `reads` that is not what it was; None: all are unchanged.

    Parameters
    ----------
    reads : iterable of Read
        As recorded.

    Examples
    --------
    >>> from stagecache.fingerprint.reads.check import MISSING
    >>> from stagecache.model import Read
    >>> first_changed([Read("missing", "no/such/file", MISSING)]) is None
    True
    """
    with nobody():
        for read in reads:
            if _digest(read) != read.digest:
                return read
    return None


def _digest(read: Read) -> Digest:
    if read.kind == "environment":
        return variable_digest(read.name)
    if read.kind == "module":
        return module_digest(read.name)
    if read.kind in answers:
        return answers[read.kind](read.name)
    if read.kind == "probe":
        return _answer(read.name)
    if read.kind == "tree":
        return tree_digest(read.name)
    if read.kind == "link":
        return links_digest(read.name)
    if read.kind == "age":
        return age_digest(read.name)
    if read.kind == "directory":
        return listing_digest(read.name)
    if read.kind == "missing":
        return MISSING if state(read.name) is None else THERE
    return contents_digest(read.name)


def _answer(name: str) -> Digest:
    from stagecache.fingerprint.reads.probes import answer_now

    return answer_now(name) or UNREADABLE


def contents_digest(path: str) -> Digest:
    """Return the digest of a file's bytes, or a constant that says why there is none."""
    found = state(path)
    if found is None:
        return MISSING
    if not stat.S_ISREG(found.st_mode):
        return THERE
    return tree_digest(path)


def tree_digest(path: str) -> Digest:
    """Return the digest of a file, or of a folder with all that is in it, or why there is none."""
    try:
        return fingerprint_contents(path)
    except FileNotFoundError:
        return MISSING
    except OSError:
        return UNREADABLE
    except FingerprintError:
        return _CHANGING


def links_digest(name: str, start: str = "") -> Digest:
    """Return the digest of where the symbolic links in a path point.

    What is above a relative path does not count: a project may lie anywhere.

    Parameters
    ----------
    name : str
        As it was asked for.
    start : str, optional
        What a relative path is relative to; by default the working directory of now.
    """
    found: list[bytes] = []
    parts = name.split(os.sep)
    for count in range(1, len(parts) + 1):
        above = os.path.join(start, os.sep.join(parts[:count]) or os.sep)
        try:
            found.append(b"%d:" % count + os.fsencode(os.readlink(above)))
        except (OSError, ValueError):  # no link, or nothing at all
            continue
    return Digest(digest_of(b"links:" + framed(*found)))


def age_digest(name: str, start: str = "") -> Digest:
    """Return the digest of when a file was changed last, or a constant if it is not there."""
    found = state(os.path.join(start, name))
    return MISSING if found is None else Digest(digest_of(b"age:%d" % found.st_mtime_ns))


def listing(path: str) -> frozenset[str] | None:
    """Return the names in a directory; None if it cannot be listed."""
    try:
        return frozenset(os.listdir(path)) - _FLEETING
    except (OSError, ValueError):
        return None


def listing_digest(path: str) -> Digest:
    """Return the digest of the names in a directory, or a constant that says why there is none."""
    names = listing(path)
    if names is None:
        return MISSING if state(path) is None else UNREADABLE
    return Digest(digest_of(b"listing:" + framed(*sorted(map(os.fsencode, names)))))


def variable_digest(name: str) -> Digest:
    """Return the digest of an environment variable; ``*`` are the names of all of them."""
    if name == "*":
        names = sorted(each for each in os.environ if not is_of_a_shell(each))
        return Digest(digest_of(b"variables:" + framed(*names)))
    text = os.environ.get(name)
    return MISSING if text is None else Digest(digest_of(b"variable:" + os.fsencode(text)))


def module_digest(name: str) -> Digest:
    """Return the fingerprint of all code in a module of the user's; it is imported if need be.

    It may have come to be an installed package's, and may be none. Of ``module:Class`` only the
    class counts.
    """
    from stagecache.fingerprint.code import fingerprint_references

    name, _, qualname = name.partition(":")
    if not is_user_module(name):
        return Digest(digest_of(b"package:" + framed(versioned(name))))
    module = sys.modules.get(name)
    try:
        if module is None:
            try:
                __import__(name)
                brought.add(name)
            except ModuleNotFoundError as error:
                if error.name == name:
                    return MISSING
                raise
            module = sys.modules[name]
        found: Any = module
        for part in qualname.split(".") if qualname else ():
            found = getattr(found, part, None)
        counts = found if isinstance(found, type | FunctionType) else module
        return Digest(digest_of(b"module:" + fingerprint_references((counts,))))
    except Exception:  # noqa: BLE001 - importing runs the user's code
        return UNREADABLE
