"""How the URL of a server is shown and refused without giving a password away."""

from __future__ import annotations

from stagecache.errors import SettingsError


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query and fragment.

    It is cut by hand, because a password that was not quoted ("/", "?", "#", "@") makes a URL
    that parsers divide in another place, or quote in their messages.

    Examples
    --------
    >>> shown("redis://user:pass@cache:6379/0?ssl_keyfile=key")
    'redis://cache:6379/0'
    >>> shown("redis://:a/b@c?d@cache")
    'redis://cache'
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "(no URL)"
    rest = rest.rpartition("@")[2]
    return scheme + mark + rest.partition("?")[0].partition("#")[0]


def unusable(url: str, problem: str) -> SettingsError:
    """Return the error for a URL that cannot be used as it is."""
    return SettingsError(f"{shown(url)} cannot be used: {problem}")
