"""How people say which compression they want."""

from __future__ import annotations

from stagecache.errors import SettingsError

COMPRESSIONS = ("zstd", "lz4", "gzip")


def parse_compression(name: object) -> str:
    """Return the name of a compression, or ``"none"``.

    Parameters
    ----------
    name : str
        One of ``COMPRESSIONS``, or ``"none"``.

    Raises
    ------
    SettingsError
        If it is another.

    Examples
    --------
    >>> parse_compression("zstd")
    'zstd'
    >>> parse_compression("zst")
    Traceback (most recent call last):
    ...
    stagecache.errors.SettingsError: 'zst' is no compression. Did you mean 'zstd'? There are zstd, \
lz4, gzip, none
    """
    known = (*COMPRESSIONS, "none")
    if name in known:
        return str(name)
    from difflib import get_close_matches

    near = get_close_matches(str(name), known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise SettingsError(f"{name!r} is no compression.{hint} There are {', '.join(known)}")
