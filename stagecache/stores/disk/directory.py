"""Where things lie in a cache directory, how it is made, and whether its file system is local."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = "v1"
"""Another layout is another directory: versions that share a cache never touch each other's."""

_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This file marks a cache directory of stagecache. Backup programs may skip it.
# See https://bford.info/cachedir/
"""

_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre"}
    | {"ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs"}
    | {"vboxsf", "virtiofs", "vmhgfs"}
)


_GROUP = 0o770


class Directory:
    """The paths of one cache directory.

    Parameters
    ----------
    root : str or os.PathLike
        The cache directory; it need not exist.
    shared : bool, optional
        Whether what is made here is for the group as well.
    """

    def __init__(self, root: str | os.PathLike[str], *, shared: bool = False) -> None:
        self.shared = shared
        self.root = os.path.abspath(root)
        self.layout = os.path.join(self.root, LAYOUT)
        self.index = os.path.join(self.layout, "index.db")
        self.blobs = os.path.join(self.layout, "blobs")
        self.temporary = os.path.join(self.layout, "tmp")
        self.trash = os.path.join(self.layout, "trash")
        self.quarantine = os.path.join(self.layout, "quarantine")
        self.locks = os.path.join(self.layout, "locks")
        self.forgotten = os.path.join(self.layout, "forgotten")
        self.marks = os.path.join(self.layout, "marks")
        self.repairs = os.path.join(self.layout, "repairs")
        self.evicting = os.path.join(self.layout, "evicting")
        self.collecting = os.path.join(self.layout, "collecting")
        self.settings = os.path.join(self.layout, "settings.json")
        self.token = os.path.join(self.layout, "token")
        self.collections = os.path.join(self.layout, "collections")
        self.throttles = os.path.join(self.layout, "throttles")

    def create(self, adopt: Callable[[], None]) -> None:
        """Make the directory, for this user only unless it is shared, and mark it as a cache.

        Parameters
        ----------
        adopt : callable
            Called before anything is put into the layout.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        self.make_folder(self.root)
        self.make_folder(self.layout)
        adopt()
        for path in (self.blobs, self.temporary, self.trash, self.quarantine):
            self.make_folder(path)
        if self.shared:
            for path in (self.locks, self.forgotten, self.repairs, self.evicting, self.index):
                self.make_file(path)
        for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
            path = os.path.join(self.root, name)
            if not os.path.lexists(path):
                with suppress(FileExistsError), open(path, "x", encoding="ascii") as stream:
                    stream.write(text)

    def make_folder(self, path: str) -> None:
        """Make a folder in the directory unless it is there."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return
        if self.shared:  # whatever the umask; a group that is inherited stays so
            os.chmod(path, _GROUP | os.stat(path).st_mode & stat.S_ISGID)

    def open_to_group(self, descriptor: int) -> None:
        """Let the group read and write a new file if the directory is shared."""
        if self.shared:
            os.fchmod(descriptor, 0o660)

    def make_file(self, path: str) -> None:
        """Make an empty file unless it is there."""
        try:
            descriptor = no_follow(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return
        try:
            self.open_to_group(descriptor)
        finally:
            os.close(descriptor)

    def has_index(self) -> bool:
        """Tell whether there is an index."""
        return os.path.exists(self.index)

    def is_closed(self) -> bool:
        """Tell whether there is one in which the system lets this user write nothing."""
        return os.path.exists(self.layout) and not os.access(self.layout, os.W_OK)

    def index_size(self) -> int:
        """Return the bytes of the index and its log."""
        size = 0
        for path in (self.index, f"{self.index}-wal"):
            with suppress(FileNotFoundError, NotADirectoryError):
                size += os.path.getsize(path)
        return size

    def side_size(self) -> int:
        """Return the bytes on disk of what leases and forgotten results need: it has holes."""
        size = 0
        for path in (self.locks, self.forgotten):
            with suppress(OSError):
                status = os.stat(path)
                size += getattr(status, "st_blocks", status.st_size // 512) * 512
        return size

    def blob(self, name: str) -> str:
        """Return the path of the blob whose address is `name` in hexadecimal."""
        return os.path.join(self.blobs, name[:2], name)

    def is_local(self) -> bool:
        """Tell whether maps and WAL can be trusted here; what is unknown counts as local."""
        return file_system(self.root) not in _NETWORK


def no_follow(path: str, flags: int) -> int:
    """Open a file that is no link, for this user only if it is made; wait for no pipe.

    Parameters
    ----------
    path, flags
        As an ``opener`` of :func:`open` has them.

    Raises
    ------
    OSError
        ELOOP if it is a link.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)


def resolved(path: str) -> str:
    """Return the path of a file in the layout without the links that lead to the directory.

    SQLite refuses a link in any place of a path: let none be left in the user's part of it.
    """
    root, layout, rest = path.rpartition(f"{os.sep}{LAYOUT}{os.sep}")
    return os.path.realpath(root) + layout + rest


def user() -> int:
    """Return the number of the user that new files belong to; 0 where there are no numbers."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def file_system(path: str) -> str:
    """Return the type of the file system that holds `path`, or an empty string if unknown.

    ``fuse.sshfs`` and its like are called ``9p``: they are remote more often than not.

    Examples
    --------
    >>> file_system("/proc/self") in ("proc", "")
    True
    """
    if path.startswith("\\\\"):
        return "cifs"
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        device = os.stat(path).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            wanted = f"{os.major(device)}:{os.minor(device)}"
            for line in mounts:
                # id parent major:minor root point options [tags...] - type source options
                fields = line.split()
                if fields[2] == wanted:
                    kind = fields[fields.index("-") + 1]
                    return "9p" if kind == "fuse" or kind.startswith("fuse.") else kind
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    return ""
