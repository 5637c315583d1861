"""Turns errors of the system and of SQLite into a StoreError that says what to do."""

from __future__ import annotations

import errno

import apsw

from stagecache.errors import StoreError
from stagecache.stores.disk.trust import Refused

_ADVICE = {
    errno.ENOSPC: "The disk is full: free some space, or let `stagecache gc` remove leftovers.",
    errno.EDQUOT: "Your quota is used up: free some space, or choose another `directory`.",
    errno.EROFS: "The file system is read-only: open it with `read_only`, or choose another "
    "`directory`.",
    errno.EACCES: "This user may not write there: mend the permissions or choose another "
    "`directory`.",
    errno.EPERM: "This user may not write there: mend the permissions or choose another "
    "`directory`.",
    errno.ENOTDIR: "A file is where a directory should be: move it or choose another `directory`.",
    errno.EEXIST: "A file is where a directory should be: move it or choose another `directory`.",
    errno.EMFILE: "The process has too many files open: raise `ulimit -n`.",
    errno.EFBIG: "A file would be larger than this process may write: raise `ulimit -f`.",
}
_OTHER = "See what the file system says of it, or choose another `directory`."
_BUSY = "Another process has held the index for long: see which one is stuck."


def trouble(root: str, what: str, error: Exception) -> StoreError:
    """Return the error to raise.

    Parameters
    ----------
    root : str
        The cache directory.
    what : str
        What could not be done, for example ``keep a result``.
    error : Exception
        Of the system or of SQLite.

    Examples
    --------
    >>> print(trouble("/data/.stagecache", "keep a result", OSError(28, "No space left on device")))
    Cannot keep a result in /data/.stagecache (No space left on device). The disk is full: free \
some space, or let `stagecache gc` remove leftovers.
    """
    if isinstance(error, Refused):
        cause, advice = str(error), error.advice
    elif isinstance(error, OSError):
        cause = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, _OTHER)
    elif isinstance(error, (apsw.BusyError, apsw.LockedError)):
        cause, advice = str(error), _BUSY
    elif isinstance(error, apsw.FullError):
        cause, advice = str(error), _ADVICE[errno.ENOSPC]
    elif isinstance(error, apsw.ReadOnlyError):
        cause, advice = str(error), _ADVICE[errno.EACCES]
    else:
        cause, advice = f"{type(error).__name__}: {error}", _OTHER
    return StoreError(f"Cannot {what} in {root} ({cause}). {advice}")
