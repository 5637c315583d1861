"""Which shelf a URL means; each needs an extra that is imported only here, when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from stagecache.errors import SettingsError
from stagecache.remote.address import shown, unusable

if TYPE_CHECKING:
    from stagecache.stores.shared.shelf import Shelf

_REDIS = ("redis", "RedisShelf")
_OBJECTS = ("objects", "ObjectShelf")
_KINDS = {
    "redis": _REDIS,
    "rediss": _REDIS,
    "unix": _REDIS,
    "redis+sentinel": _REDIS,
    "rediss+sentinel": _REDIS,
    "redis+cluster": _REDIS,
    "rediss+cluster": _REDIS,
    "s3": _OBJECTS,
    "gs": _OBJECTS,
    "az": _OBJECTS,
    "file": _OBJECTS,
    "memory": _OBJECTS,
    "memcached": ("memcached", "MemcachedShelf"),
}
"""Scheme -> the module, which is named as its extra, and the class."""


def open_shelf(url: str) -> Shelf:
    """Return the shelf at `url`.

    Parameters
    ----------
    url : str
        Of a scheme that there is a shelf for, such as ``redis://user:password@host:6379/0``.

    Raises
    ------
    SettingsError
        If the URL cannot be used, its server refuses the password, or the extra is not installed.
        The message tells neither user nor password.

    Examples
    --------
    >>> open_shelf("ftp://host")
    Traceback (most recent call last):
        ...
    stagecache.errors.SettingsError: ftp://host cannot be used: its scheme is none of redis, ...
    """
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in _KINDS:
        raise unusable(url, f"its scheme is none of {', '.join(_KINDS)}")
    module, name = _KINDS[scheme]
    try:
        kind = getattr(import_module(f"stagecache.stores.shared.{module}"), name)
    except ImportError as error:
        raise SettingsError(
            f"{shown(url)} needs the package {error.name}: pip install 'stagecache[{module}]'"
        ) from error
    shelf: Shelf = kind(url)
    return shelf
