"""Reads a directory of diskcache itself, whoever wrote it; nothing in it is run or changed."""

from __future__ import annotations

import io
import json
import os
import pickle
import pickletools
import stat
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

from stagecache.integrations.diskcache.disk import (
    MODE_BINARY,
    MODE_PICKLE,
    MODE_RAW,
    MODE_TEXT,
)
from stagecache.integrations.diskcache.place import OLD
from stagecache.stores.disk.directory import no_follow, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.integrations.diskcache.disk import JSONDisk

_OTHERS_WRITE = 0o022
_PAGE = 200
_COLUMNS = """rowid, key, raw, store_time, expire_time, access_time, access_count, tag, mode,
    filename, value"""
_ROWS = f"SELECT {_COLUMNS} FROM Cache WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}"  # noqa: S608
_NESTED = ("cache", "deque", "index")


class Unreadable(Exception):  # noqa: N818 - why one item, or a whole file, is left behind
    """Something cannot be read; says what."""


class Expired(Exception):  # noqa: N818 - not an error
    """An item is over."""


class Source(NamedTuple):
    """One cache of diskcache."""

    relative: str
    """Where it is brought, below the directory that was named."""
    parts: tuple[str, ...]
    """The directories that it is made of: its shards, or itself alone."""
    is_fan: bool = False


class Item(NamedTuple):
    """An item as diskcache kept it."""

    key: Any
    value: Any
    pickled: bytes | None
    """What is kept of a pickled value; then there is no `value`."""
    is_file: bool
    expires: float | None
    tag: Any
    store_time: float
    access_time: float
    access_count: int


def sources(directory: str) -> list[Source]:
    """Return the caches of a directory: its own, and those that a FanoutCache has below it."""
    found = []
    if os.path.isfile(os.path.join(directory, OLD)):
        found.append(Source("", (directory,)))
    else:
        shards: list[str] = []
        while os.path.isfile(os.path.join(directory, f"{len(shards):03d}", OLD)):
            shards.append(os.path.join(directory, f"{len(shards):03d}"))
        if shards:
            found.append(Source("", tuple(shards), is_fan=True))
    for kind in _NESTED:
        for folder, _, files in os.walk(os.path.join(directory, kind)):
            if OLD in files:
                found.append(Source(os.path.relpath(folder, directory), (folder,)))
    return found


class OldCache:
    """One file of diskcache, and the files that it names.

    Parameters
    ----------
    directory : str
        Where they lie.

    Raises
    ------
    Unreadable
        If it is no such file.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        path = os.path.join(directory, OLD)
        try:
            self._connection = apsw.Connection(
                os.path.join(os.path.realpath(directory), OLD),
                flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOFOLLOW,
            )
            self._connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
            self._connection.set_busy_timeout(10_000)
            tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?)"
            if self._connection.execute(tables, ("Cache", "Settings")).get != 2:
                raise Unreadable(f"{path} is no file of diskcache")
            rows: Any = self._connection.execute("SELECT key, value FROM Settings").fetchall()
            self._connection.execute(f"SELECT {_COLUMNS} FROM Cache LIMIT 0").fetchall()  # noqa: S608
            self.settings: dict[str, Any] = {k: v for k, v in rows if isinstance(k, str)}
        except (apsw.Error, UnicodeDecodeError) as error:
            raise Unreadable(f"{path} cannot be read: {error}") from error
        self.is_private = all(
            is_own(each) for each in (directory, path, f"{path}-wal") if os.path.lexists(each)
        )
        """Whether only this user can have written it: else a pickle in it is not touched."""

    def __len__(self) -> int:
        try:
            return int(self._connection.execute("SELECT count(*) FROM Cache").get)
        except apsw.Error:
            return 0

    def is_json(self) -> bool:
        """Tell whether JSONDisk wrote it: by what is kept of settings, or as all keys look so."""
        if "disk_compress_level" in self.settings:
            return True
        try:
            found = self._connection.execute(f"SELECT key, raw FROM Cache LIMIT {_PAGE}").fetchall()  # noqa: S608
            for key, raw in found:
                if not (raw == 1 and isinstance(key, bytes)):
                    return False
                json.loads(zlib.decompress(key))
        except (apsw.Error, zlib.error, ValueError):
            return False
        return bool(found)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, in the order of their coming.

        Raises
        ------
        Unreadable
            Where the file is damaged: what comes behind is lost.
        """
        last = -(1 << 63)
        while True:
            try:
                page = self._connection.execute(_ROWS, (last,)).fetchall()
            except (apsw.Error, UnicodeDecodeError) as error:
                raise Unreadable(
                    f"{os.path.join(self.directory, OLD)} is damaged ({error}); its later items "
                    "are left behind"
                ) from error
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1][0]  # type: ignore[assignment]

    def item(self, row: tuple[Any, ...], now: float, disk: JSONDisk | None = None) -> Item:
        """Return the item of a row.

        Parameters
        ----------
        row : tuple
            Of :meth:`rows`.
        now : float
            Seconds since the epoch.
        disk : JSONDisk, optional
            What wrote it, if not the ordinary disk.

        Raises
        ------
        Expired
            If it is over.
        Unreadable
            If it cannot be had: says why.
        PermissionError
            If it holds a pickle that somebody else may have written.
        """
        _, key, raw, stored, expires, accessed, count, tag, mode, filename, value = row
        try:
            until = _expiry(expires, now)
            found = self._key(key, raw) if disk is None else disk.get(key, True)
            pickled, data = None, value
            if filename is not None:
                data = self._file(filename, needs_trust=mode == MODE_PICKLE)
            if mode == MODE_PICKLE:
                self._trust()
                for _ in pickletools.genops(data):  # is it whole? nothing is run
                    pass
                pickled, data = bytes(data), None
            elif mode == MODE_TEXT:
                data = bytes(data).decode("utf-8")
            elif mode not in (MODE_RAW, MODE_BINARY):
                _refuse(mode)
            is_file = mode == MODE_BINARY
            if disk is not None and isinstance(data, bytes):
                data, is_file = disk.fetch(mode, None, data, False), False
            return Item(
                found, data, pickled, is_file, until, tag,
                float(stored or 0), float(accessed or 0), int(count or 0),
            )  # fmt: skip
        except (PermissionError, Unreadable, Expired):
            raise
        except Exception as error:  # whatever a foreign file makes of decoders
            raise Unreadable(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _key(self, key: Any, raw: int) -> Any:
        if raw:
            return key
        self._trust()
        return pickle.load(io.BytesIO(key))

    def _trust(self) -> None:
        if not self.is_private:
            raise PermissionError

    def _file(self, filename: str, *, needs_trust: bool) -> bytes:
        parts = os.path.normpath(filename).split(os.sep)
        if os.path.isabs(filename) or os.pardir in parts:
            raise Unreadable(f"its file {filename} lies outside")
        path = self.directory
        for part in parts:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise Unreadable(f"its file {filename} is reached through a link")
            if needs_trust and os.path.lexists(path) and not is_own(path):
                raise PermissionError
        try:
            with open(path, "rb", opener=no_follow) as stream:
                return stream.read()
        except OSError as error:
            raise Unreadable(f"its file {filename} cannot be read: {error.strerror}") from error


def _expiry(expires: Any, now: float) -> float | None:
    if expires is None:
        return None
    if float(expires) <= now:
        raise Expired
    return float(expires)


def _refuse(mode: Any) -> None:
    raise Unreadable(f"it has the unknown mode {mode!r}")


def is_own(path: str) -> bool:
    """Tell whether only this user can have written what is at a path: no link, closed to others."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(status.st_mode) or status.st_uid != user():
        return False
    return os.name != "posix" or not status.st_mode & _OTHERS_WRITE
