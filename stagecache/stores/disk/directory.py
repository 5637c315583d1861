"""Where things lie in a cache directory, how it is made, and whether its file system is local."""

from __future__ import annotations

import os

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


class Directory:
    """The paths of one cache directory.

    Parameters
    ----------
    root : str or os.PathLike
        The cache directory; it need not exist.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(root)
        self.layout = os.path.join(self.root, LAYOUT)
        self.index = os.path.join(self.layout, "index.db")
        self.blobs = os.path.join(self.layout, "blobs")
        self.temporary = os.path.join(self.layout, "tmp")
        self.trash = os.path.join(self.layout, "trash")
        self.quarantine = os.path.join(self.layout, "quarantine")
        self.locks = os.path.join(self.layout, "locks")
        self.forgotten = os.path.join(self.layout, "forgotten")
        self.repairs = os.path.join(self.layout, "repairs")
        self.evicting = os.path.join(self.layout, "evicting")
        self.settings = os.path.join(self.layout, "settings.json")

    def create(self) -> None:
        """Make the directory, for this user only, and mark it as a cache.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        parent = os.path.dirname(self.root)
        os.makedirs(parent, exist_ok=True)
        for path in (
            self.root, self.layout, self.blobs, self.temporary, self.trash, self.quarantine,
        ):  # fmt: skip
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise
        for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
            path = os.path.join(self.root, name)
            if not os.path.lexists(path):
                with open(path, "w", encoding="ascii") as stream:
                    stream.write(text)

    def has_index(self) -> bool:
        """Tell whether there is an index."""
        return os.path.exists(self.index)

    def index_size(self) -> int:
        """Return the bytes of the index and its log."""
        size = 0
        for path in (self.index, f"{self.index}-wal"):
            if os.path.exists(path):
                size += os.path.getsize(path)
        return size

    def blob(self, name: str) -> str:
        """Return the path of the blob whose address is `name` in hexadecimal."""
        return os.path.join(self.blobs, name[:2], name)

    def is_local(self) -> bool:
        """Tell whether maps and WAL can be trusted here; what is unknown counts as local."""
        return file_system(self.root) not in _NETWORK


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
