"""The limits of a directory, kept in it: what one process was told, the others respect.

``settings.json`` holds what was said explicitly, by whoever said it last.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from stagecache.stores.disk.directory import no_follow
from stagecache.stores.disk.frame import EMPTY, WRITERS, Frame
from stagecache.stores.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stagecache.stores.disk.directory import Directory

DEFAULTS: dict[str, Any] = {"max_size": None, "eviction": "cost"}
_UNBOUNDED_STRIDE = 1 << 20
_UNBOUNDED = 1 << 62


class Limits:
    """The bound in bytes (None: unbounded) and the policy, in this order.

    Parameters
    ----------
    directory : Directory
        Whose limits.
    given : mapping
        Those that were said explicitly to this process; they win, and are kept.
    """

    def __init__(self, directory: Directory, given: Mapping[str, Any]) -> None:
        self._path = directory.settings
        self._given = dict(given)
        self._found: dict[str, Any] = {}
        self._stat: tuple[int, int] | None = None
        self._is_noted = not given
        self.max_size: int | None = None
        self.eviction = ""
        self.stride = 0
        """Bytes that one process may put before it looks at the account again."""
        self.largest = 0
        """Bytes of a result that is kept without a question whether it fits."""
        self.refresh()

    def __iter__(self) -> Iterator[Any]:
        yield self.max_size
        yield self.eviction

    def refresh(self) -> None:
        """Look whether another process said something else."""
        try:
            stat = os.stat(self._path)
            identity = (stat.st_ino, stat.st_mtime_ns)
        except OSError:
            identity = None
        if identity != self._stat or not self.eviction:
            self._stat = identity
            self._found = {} if identity is None else said(self._path)
            self._apply()

    def note(self) -> None:
        """Keep what was said explicitly, in a directory that is there.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self._is_noted:
            return
        self._is_noted = True
        self.refresh()
        wanted = {**self._found, **self._given}
        if wanted != self._found:
            _write(self._path, wanted)
            self.refresh()

    def _apply(self) -> None:
        limits = {**DEFAULTS, **self._found, **self._given}
        self.max_size, self.eviction = limits["max_size"], limits["eviction"]
        if self.max_size is None:
            self.stride, self.largest = _UNBOUNDED_STRIDE, _UNBOUNDED
        else:
            self.stride = self.max_size // 50 // WRITERS
            keeps_all = self.eviction not in POLICIES
            self.largest = -1 if keeps_all else Frame.of(self.max_size).high - EMPTY


def said(path: str) -> dict[str, Any]:
    """Return what the file at `path` keeps and can be understood."""
    import json

    try:
        with open(path, encoding="utf-8", opener=no_follow) as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    size, eviction = found.get("max_size"), found.get("eviction")
    kept: dict[str, Any] = {}
    if "max_size" in found and (size is None or (type(size) is int and size >= 0)):
        kept["max_size"] = size
    if isinstance(eviction, str):
        kept["eviction"] = eviction
    return kept


def _write(path: str, settings: Mapping[str, Any]) -> None:
    import json

    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open(temporary, "x", encoding="utf-8") as stream:
            stream.write(json.dumps(settings) + "\n")
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
