"""memcached as a shelf: small values only, and each may go at any time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from stagecache.errors import ShelfError
from stagecache.remote.address import shown, unusable
from stagecache.remote.lasting import Lasting
from stagecache.stores.shared.shelf import TIMEOUT, size_within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

PORT = 11211
LIMIT = (1 << 20) - 1024
"""Bytes: a server takes 1 MiB by default, name and header included."""
_MONTH = 30 * 86400
"""Seconds: what is longer is a date for the server."""
_DROPPED = (MemcacheUnexpectedCloseError, ConnectionResetError, BrokenPipeError)

Result = TypeVar("Result")


class MemcachedShelf:
    """A shelf on memcached.

    Parameters
    ----------
    url : str
        ``memcached://host:11211``, or ``memcached:///path/socket``.
    limit : int, optional
        Bytes that one value may have at most; no more than the server's ``-I``, less 1 KiB.
    timeout : float, optional
        Seconds that the server may be silent.

    Raises
    ------
    SettingsError
        If the URL cannot be used.
    """

    def __init__(self, url: str, *, limit: int = LIMIT, timeout: float = TIMEOUT) -> None:
        self.name = shown(url)
        self.limit: int | None = limit
        server = _server(url)
        self._client: Lasting[Any] = Lasting(
            lambda: PooledClient(server, connect_timeout=timeout, timeout=timeout, no_delay=True)
        )

    def __repr__(self) -> str:
        return f"MemcachedShelf({self.name!r})"

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview]:
        """Return the values under those of `names` that there are."""
        found: dict[str, bytes | memoryview] = self._ask(lambda client: client.get_many(names))
        return found

    def put(
        self, name: str, pieces: Sequence[Buffer], *, seconds: float | None, replace: bool
    ) -> bool:
        """Keep a value, and tell whether it is kept now."""
        size_within(self, pieces)
        value = b"".join(pieces)
        expire = 0 if seconds is None else math.ceil(seconds) + 1  # the server's seconds are coarse
        if expire > _MONTH:
            expire += int(time.time())
        return self._ask(
            lambda client: bool(
                (client.set if replace else client.add)(name, value, expire=expire, noreply=False)
            )
        )

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return how many there were."""
        count: int = self._ask(
            lambda client: sum(client.delete(name, noreply=False) for name in names)
        )
        return count

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        client = self._client.let_go()
        if client is not None:
            client.close()

    def _ask(self, work: Callable[[Any], Result]) -> Result:
        try:
            try:
                return work(self._client.current or self._client.made())
            except _DROPPED:
                # A server that was restarted is not told from one that goes away until somebody
                # asks on a new connection. The others that there are may be as old.
                self._client.let_go()
                return work(self._client.made())
        except (MemcacheError, OSError) as error:
            is_outage = isinstance(error, (OSError, MemcacheUnexpectedCloseError))
            said = str(error) or type(error).__name__
            raise ShelfError(self.name, said, is_outage=is_outage) from error


def _server(url: str) -> str | tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        parts = None
    if parts is None or "@" in parts.netloc or parts.query or parts.fragment:
        raise unusable(url, "it is to be memcached://host:port or memcached:///path/socket")
    if parts.hostname and parts.path in ("", "/"):
        return parts.hostname, port
    if parts.netloc or len(parts.path) < 2:
        raise unusable(url, "it is to name a host, or the path of a socket")
    return parts.path
