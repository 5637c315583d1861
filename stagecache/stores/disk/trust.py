"""Who can have written what lies in a cache directory: only this user, a group, or anybody.

Pickles are read and written only in a *private* directory: ours, closed to all others, not
reached through a link, and carrying a token made from a secret that lies elsewhere, over what
the system alone decides of the directory. A copy of it, an unpacked archive of it and a restored
backup are other directories, and somebody may have changed them on the way
(``docs/decisions/009-who-can-have-written-it.md``).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from types import NoneType
from typing import TYPE_CHECKING, NamedTuple

from stagecache.errors import warn
from stagecache.stores.disk.blobs import scan
from stagecache.stores.disk.directory import user
from stagecache.stores.disk.secret import default_path
from stagecache.stores.disk.token import Token

if TYPE_CHECKING:
    from stagecache.model import Entry
    from stagecache.stores.disk.directory import Directory

_OTHERS_WRITE = 0o022


class Refused(PermissionError):  # noqa: N818 - as PermissionError
    """Somebody else may write in the directory: it is neither read nor written."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.advice = advice


class Problem(NamedTuple):
    """Why a directory is not private."""

    what: str
    remedy: str


class Trust:
    """What is known of one directory; judged whenever its index is opened.

    Parameters
    ----------
    directory : Directory
        Which one; its ``shared`` says that a group writes there, and is to.
    secret_file : str or None
        Where the user's secret lies; None: in the user's own folder of settings.
    read_only : bool
        Whether nothing is written there: then it may be somebody else's.
    """

    def __init__(self, directory: Directory, *, secret_file: str | None, read_only: bool) -> None:
        self._directory = directory
        self._token = Token(directory, secret_file or default_path())
        self._read_only = read_only
        self._judged: tuple[object, ...] = ()
        self._is_settled = False
        """False while the directory is bare: whoever makes it is about to give it its token."""
        self._problem: Problem | None = None
        self._is_told = False
        self.is_private = False
        """Whether only this user can have written what is there."""
        self.is_refused = False

    @property
    def is_suspect(self) -> bool:
        """Whether somebody else may have written what is there, and was not meant to."""
        return self._problem is not None

    @property
    def is_judged(self) -> bool:
        """Whether anybody has looked yet."""
        return bool(self._judged)

    @property
    def problem(self) -> Problem | None:
        """Why the directory is not private, if it should be."""
        return self._problem

    def finds_private(self) -> bool:
        """Tell whether the directory is private, as it was found to be; look if nobody has yet."""
        if not self.is_judged:
            with suppress(OSError):
                self.judge()
        return self.is_private

    def admits(self, entry: Entry) -> bool:
        """Tell whether an entry can be handed out, whoever wrote it.

        What names classes of the user would have them imported; no safe codec holds such a value.
        """
        if self.is_private:
            return True
        from stagecache.codecs import is_safe

        return _is_well_formed(entry) and is_safe(entry.codec) and not entry.refs

    def judge(self) -> None:
        """Look at the directory, unless it is private and the same as before.

        Raises
        ------
        Refused
            If others may write in it and it is not declared as shared.
        """
        root = _status(self._directory.root)
        layout = _status(self._directory.layout)
        now = (_identity(root), _identity(layout))
        if self.is_private and self._is_settled and now == self._judged:
            return
        self._is_settled = True
        try:
            problem = self._problem_with(root, layout)
        except OSError:
            self.is_private, self.is_refused = False, True
            raise
        finally:
            self._judged = now
        # At once: another thread may be asking whether it may hand out what it has found.
        self._problem, self.is_refused = problem, False
        self.is_private = problem is None and not self._directory.shared

    def adopt(self) -> None:
        """Give the directory its token if it holds nothing yet."""
        if self._directory.shared or not self._is_bare():
            return
        if os.name == "posix":
            os.chmod(self._directory.layout, 0o700)
        with suppress(OSError):  # not private, then: `judge` says why
            self._token.write()

    def vouch(self) -> None:
        """Give the directory its token because the user says that nobody else changed it.

        Raises
        ------
        FileNotFoundError
            If there is none.
        Refused
            If it cannot be the user's alone: a link, or something in it is somebody else's.
        OSError
            If the secret cannot be had, or the token not be written.
        """
        root, layout = os.lstat(self._directory.root), os.lstat(self._directory.layout)
        for path, status in (
            (self._directory.root, root), (self._directory.layout, layout),
        ):  # fmt: skip
            if not stat.S_ISDIR(status.st_mode):
                raise _is_link(path)
        self._check(self._directory.root, root)
        for folder, folders, files in os.walk(self._directory.layout):
            for name in (".", *folders, *files):
                path = os.path.normpath(os.path.join(folder, name))
                status = os.lstat(path)
                if stat.S_IFMT(status.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                    raise _is_link(path)
                if status.st_uid != user():
                    raise _is_foreign(path, status)
        if os.name == "posix":
            os.chmod(self._directory.layout, 0o700)
        self._token.write()
        self.judge()

    def tell(self) -> None:
        """Warn once if the directory is not private and was not declared to be so."""
        if self._problem is not None and not self._is_told:
            self._is_told = True
            warn(
                f"The cache directory {self._directory.root} is not private: {self._problem.what}. "
                "Pickled results in it count as missing, new ones stay in memory unless a format "
                "that cannot run code holds them, and what it remembers of files and code is not "
                f"believed. {self._problem.remedy}"
            )

    def _problem_with(
        self, root: os.stat_result | None, layout: os.stat_result | None
    ) -> Problem | None:
        directory = self._directory
        problem = None
        if root is None:
            return None
        if stat.S_ISLNK(root.st_mode):
            problem = Problem("it is a link", "Name the directory that it leads to instead.")
            root = os.stat(directory.root)
        self._check(directory.root, root)
        if layout is None:
            return problem
        if stat.S_ISLNK(layout.st_mode):
            raise _is_link(directory.layout)
        if not stat.S_ISDIR(layout.st_mode):  # whoever opens it says so
            return problem
        if layout.st_mode & _OTHERS_WRITE and layout.st_uid == user() and not self._read_only:
            # What others left there must not count once it is closed.
            self._token.remove()
        self._check(directory.layout, layout)
        if problem is None and not directory.shared:
            problem = self._problem_inside(layout)
        if problem is not None or directory.shared:
            self._check_parts()
        return problem

    def _problem_inside(self, layout: os.stat_result) -> Problem | None:
        directory = self._directory
        if layout.st_uid != user():
            return Problem(
                f"it belongs to user {layout.st_uid}",
                "Its owner can have it hold results that anybody may read by declaring it as "
                "`shared`.",
            )
        if os.name == "posix" and layout.st_mode & 0o077:
            return Problem("others can look into it", f"Close it: `chmod 700 {directory.layout}`.")
        expected = None
        try:
            expected = self._token.expected(create=not self._read_only)
        except FileNotFoundError:  # nobody made one yet, and nothing is to be written
            pass
        except OSError as error:
            return Problem(
                f"your secret cannot be read or made ({error})",
                "Mend that, or name a file that can hold it by STAGECACHE_SECRET.",
            )
        import hmac

        found = self._token.found()
        if expected is not None and hmac.compare_digest(found, expected):
            return None
        if not found and self._is_bare():
            self._is_settled = False
            return None
        return Problem(
            "it lacks your token, as what was copied, unpacked, restored or made by somebody else "
            "does, and may have been changed on the way",
            f"If you know that it was not, run `stagecache trust {directory.root}`; else remove "
            "it.",
        )

    def _check(self, path: str, status: os.stat_result) -> None:
        if self._directory.shared or os.name != "posix":
            return
        if status.st_uid != user() and not self._read_only:
            raise _is_foreign(path, status)
        if status.st_mode & _OTHERS_WRITE:
            raise Refused(
                f"others may write in {path}",
                f"Close it (`chmod go-w {path}`), choose another `directory`, or declare it as "
                "`shared`.",
            )

    def _check_parts(self) -> None:
        """Refuse links, through which others could have us read or write elsewhere."""
        directory = self._directory
        for path in (
            directory.index, directory.blobs, directory.temporary, directory.trash,
            directory.quarantine, directory.locks, directory.forgotten, directory.repairs,
            directory.collections, *(file.path for file in scan(directory.collections)),
        ):  # fmt: skip
            status = _status(path)
            kind = stat.S_IFREG if status is None else stat.S_IFMT(status.st_mode)
            if kind not in (stat.S_IFREG, stat.S_IFDIR):
                raise _is_link(path)
        for folder in (directory.blobs, os.path.join(directory.collections, "blobs")):
            for entry in scan(folder):
                if entry.is_symlink():
                    raise _is_link(entry.path)

    def _is_bare(self) -> bool:
        for entry in scan(self._directory.layout):
            status = _status(entry.path)
            if status is None or entry.name.startswith("token"):  # others make it as well
                continue
            if entry.path == self._directory.locks and stat.S_ISREG(status.st_mode):
                continue  # whoever locks while the directory is being made has left a note there
            if scan(entry.path) if stat.S_ISDIR(status.st_mode) else status.st_size:
                return False
        return True


def _is_well_formed(entry: Entry) -> bool:
    """Tell whether the fields are what they should be: an index of strangers may hold anything."""
    digests = [entry.key, entry.result, *([] if entry.blob is None else [entry.blob])]
    return (
        all(type(digest) is bytes and len(digest) == 16 for digest in digests)
        and type(entry.stage) is type(entry.codec) is str
        and type(entry.code) is bytes
        and type(entry.inline) in (bytes, NoneType)
        and type(entry.items) in (bytes, NoneType)
        and type(entry.size) is type(entry.generation) is int
        and type(entry.created) is type(entry.seconds) is float
        and type(entry.expires) in (float, int, NoneType)
    )


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_dev, status.st_ino, status.st_mode, status.st_uid)


def _is_foreign(path: str, status: os.stat_result) -> Refused:
    return Refused(
        f"{path} belongs to user {status.st_uid}, not to {user()}",
        f"Take it over (`chown -R {user()} {path}`), choose another `directory`, or declare it as "
        "`shared`.",
    )


def _is_link(path: str) -> Refused:
    return Refused(
        f"{path} is a link or a device", "Remove it, or choose another `directory`: it is not ours."
    )
