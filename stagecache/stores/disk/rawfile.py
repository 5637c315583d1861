"""The bytes of an SQLite file, of its log and of the log's notes, where SQLite would lose them."""

from __future__ import annotations

import os
from contextlib import suppress

import apsw

from stagecache.stores.disk.directory import no_follow, resolved

PAGE = 4096
MAGIC = b"SQLite format 3\0"
LOGGED = b"\2\2"
"""Of a file that is written by way of a log: https://sqlite.org/fileformat.html, 1.3.3."""
SAYS_SO = 24
"""Bytes at the start of a file by which SQLite finds that it is one, and that it has a log."""
_PIECE = 1 << 20
_BESIDE = ("-wal", "-shm", "-journal")
_NOTES = 96
"""Bytes of the notes in which, twice, it says what the log holds:
https://sqlite.org/walformat.html, 2.1."""


def size_of(path: str) -> int:
    """Return the bytes of a file, 0 if there is none."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def keep_log(path: str, length: int = PAGE) -> bytes:
    """Let a file have a log that lost what says so; return the bytes that stood in its place.

    With the lock file held. SQLite takes an empty file for a new one and removes the log beside
    it, and a file without its first bytes for one without a log, if there is nothing in that. But
    others may have the log open: they would go on writing to what is removed, and nobody could
    write without it until they are gone. So the file gets the first `length` bytes of an empty
    one, and where there is not even a page all of them.
    """
    try:
        size = os.path.getsize(path)
        if size and size_of(f"{path}-wal"):
            return b""
        file = _own_file(path, apsw.SQLITE_OPEN_READWRITE)
        try:
            if size >= PAGE:
                found = file.xRead(SAYS_SO, 0)
                if found.startswith(MAGIC) and found[18:20] == LOGGED:
                    return b""
            else:
                length = PAGE
            found = file.xRead(min(size, length), 0)
            file.xWrite(_first_page()[:length], 0)
            return found
        finally:
            file.xClose()
    except (FileNotFoundError, apsw.CantOpenError):  # nobody has it open, or we may not write it
        return b""


def _first_page() -> bytes:
    """Return an empty file that has a log and can give pages back."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL; BEGIN IMMEDIATE; COMMIT")
        page = bytearray(connection.serialize("main"))
    finally:
        connection.close()
    page[18:20] = LOGGED
    return bytes(page)


def remove_log(path: str) -> None:
    """Remove what a file that is no more has left beside it, before there is one of its name.

    With the lock file held. Who still has the old one open would otherwise share log and notes with
    the new one: these go by the name.
    """
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


def forget_notes(path: str) -> None:
    """Let the next who reads the log of a file find out what it holds: its notes are wrong.

    For a process that has the file not open: to close the notes gives up its locks on them. Who is
    in the middle of something holds locks for which the next one waits.
    """
    with suppress(FileNotFoundError):
        descriptor = no_follow(f"{path}-shm", os.O_RDWR)
        try:
            if os.fstat(descriptor).st_size >= _NOTES:
                os.pwrite(descriptor, bytes(_NOTES), 0)
        finally:
            os.close(descriptor)


def copy_file(path: str, target: str) -> None:
    """Copy a file as it is, without its log, to a place where nothing lies."""
    source = _own_file(path, apsw.SQLITE_OPEN_READONLY)
    try:
        with open(target, "xb") as copy:
            size = source.xFileSize()
            starts = range(0, size, _PIECE)
            copy.writelines(source.xRead(min(_PIECE, size - n), n) for n in starts)
    finally:
        source.xClose()


def _own_file(path: str, flags: int) -> apsw.VFSFile:
    """Open a file by SQLite's means: to close one of ours would give up SQLite's locks on it."""
    flags |= apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_NOFOLLOW
    return apsw.VFSFile("", resolved(path), [flags, 0])
