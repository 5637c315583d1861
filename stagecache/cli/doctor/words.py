"""What a check is asked about and what it answers; to ask and to print is for others."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.stores.disk.directory import Directory
from stagecache.stores.disk.kept import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.clock import Clock
    from stagecache.settings import Settings

OK, WARNING, PROBLEM = "ok", "warning", "problem"


class Finding(NamedTuple):
    """The answer of one check."""

    level: str
    """OK; WARNING: it works, but worse or not for long; PROBLEM: it does not work."""
    detail: str
    advice: str = ""
    """The next step."""


class Moot(Exception):  # noqa: N818 - an answer, not an error
    """The question of a check does not arise; the message says why."""


class Patient(NamedTuple):
    """What is examined."""

    settings: Settings
    origins: dict[str, str]
    """Where each setting came from."""
    clock: Clock

    def directory(self) -> Directory:
        """Return the paths of the cache directory, which may not be there.

        Raises
        ------
        Moot
            If results are kept in memory alone.
        """
        from stagecache.settings import MEMORY_ONLY

        if self.settings.directory == MEMORY_ONLY:
            raise Moot("results are kept in memory only")
        return Directory(self.settings.directory)

    def existing(self) -> Directory:
        """Return the paths of a cache directory that is there.

        Raises
        ------
        Moot
            If there is none.
        """
        directory = self.directory()
        if not os.path.isdir(directory.root):
            raise Moot("there is no directory yet")
        return directory

    def limits(self) -> dict[str, tuple[Any, str]]:
        """Return the limits that the directory itself keeps and nobody overrules, and where.

        Raises
        ------
        Moot
            If there is no directory.
        """
        from stagecache.settings import DEFAULT

        directory = self.existing()
        return {
            name: (value, directory.settings)
            for name, value in said(directory.settings).items()
            if self.origins[name] == DEFAULT
        }

    def index_file(self) -> str:
        """Return the path of an index that is there.

        Raises
        ------
        Moot
            If there is none.
        """
        directory = self.existing()
        if not directory.has_index():
            raise Moot("there is no index yet")
        return directory.index

    @contextmanager
    def scratch(self) -> Iterator[tuple[int, str]]:
        """Yield descriptor and path of a new file on the file system in question; then remove it.

        Raises
        ------
        OSError
            If there can be none.
        """
        directory = self.directory()
        folder = directory.temporary
        while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
            folder = os.path.dirname(folder)
        path = os.path.join(folder, f".stagecache-doctor-{os.getpid()}-{os.urandom(8).hex()}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor, path
        finally:
            os.close(descriptor)
            os.unlink(path)

    @contextmanager
    def scratch_if_any(self) -> Iterator[tuple[int, str]]:
        """Do the same.

        Raises
        ------
        Moot
            If there can be none: to say so is for one check only.
        """
        try:
            file = self.scratch()
            opened = file.__enter__()
        except OSError as error:
            raise Moot("no file can be written there") from error
        try:
            yield opened
        finally:
            file.__exit__(None, None, None)


class Check(NamedTuple):
    """A question with a name."""

    name: str
    ask: Callable[[Patient], Finding]


def without_secrets(text: str) -> str:
    """Return a text whose URLs show neither user nor password.

    Examples
    --------
    >>> without_secrets("redis://me:s3cr3t@host/0, https://host/x?token=abc&y=1")
    'redis://***@host/0, https://host/x?token=***&y=1'
    """
    text = re.sub(r"://\S*@", "://***@", text)
    names = r"\w*(?:password|passwd|token|secret|signature|key)\w*"
    return re.sub(rf"(?i)([?&]{names}=)[^&\s]*", r"\1***", text)
