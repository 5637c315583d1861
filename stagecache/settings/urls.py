"""URLs of places that a team shares, as settings: looked at, and shown without what is secret."""

from __future__ import annotations

from typing import Any

from stagecache.errors import SettingsError
from stagecache.remote.address import shown

ENTRIES = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
    "memcached",
)
"""Schemes of servers for what is small and asked for often."""
OBJECTS = ("s3", "gs", "az", "file", "memory")
"""Schemes of object stores."""


class Url(str):
    """A URL whose ``repr`` tells neither user nor password; as text it is all of it.

    Examples
    --------
    >>> url = Url("redis://me:s3cr3t@cache:6379/0")
    >>> url
    'redis://cache:6379/0'
    >>> str(url)
    'redis://me:s3cr3t@cache:6379/0'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(shown(str(self)))


def parse_entries_url(value: Any) -> Url | None:
    """Return the URL of a Redis or of a memcached; None for ``"none"``.

    Raises
    ------
    SettingsError
        If it is none. The message does not quote it.

    Examples
    --------
    >>> parse_entries_url("redis://me:s3cr3t@cache/0")
    'redis://cache/0'
    """
    return _parsed(value, ENTRIES)


def parse_objects_url(value: Any) -> Url | None:
    """Return the URL of an object store; None for ``"none"``.

    Raises
    ------
    SettingsError
        If it is none. The message does not quote it.

    Examples
    --------
    >>> parse_objects_url("s3://bucket/prefix")
    's3://bucket/prefix'
    >>> parse_objects_url("redis://cache/0")
    Traceback (most recent call last):
    ...
    stagecache.errors.SettingsError: redis://cache/0 begins with none of s3://, gs://, az://, \
file://, memory://
    """
    return _parsed(value, OBJECTS)


def _parsed(value: Any, schemes: tuple[str, ...]) -> Url | None:
    if not isinstance(value, str):
        raise SettingsError(f"a {type(value).__name__} is not a URL")
    text = value.strip()
    if text.lower() == "none":
        return None
    scheme, mark, _ = text.partition("://")
    if not mark or scheme not in schemes:
        raise SettingsError(f"{shown(text)} begins with none of {'://, '.join(schemes)}://")
    return Url(text)
