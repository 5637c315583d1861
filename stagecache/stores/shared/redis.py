"""Redis and Valkey as a shelf: a server, a master that sentinels know, or a cluster.

Only plain commands (GET, MGET, SET, UNLINK), so that any server from 6.2 on will do, and users
may be kept from all others. What a URL means is for ``remote.redis_clients``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from stagecache.errors import SettingsError, ShelfError
from stagecache.remote.address import shown, unusable
from stagecache.remote.lasting import Lasting
from stagecache.remote.redis_clients import client_maker
from stagecache.remote.redis_errors import OUTAGES, TROUBLE, is_refused_password
from stagecache.stores.shared.shelf import TIMEOUT, size_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from stagecache.remote.redis_clients import Client

LIMIT = 64 << 20
MOST = 512 << 20
"""Bytes that Redis takes in one value; more breaks the connection, which looks like an outage."""


class RedisShelf:
    """A shelf on Redis 6.2 or later, or Valkey.

    Parameters
    ----------
    url : str
        See :func:`~stagecache.remote.redis_clients.client_maker`.
    limit : int, optional
        Bytes that one value may have at most, up to 512 MiB.
    timeout : float, optional
        Seconds that the server may be silent.

    Raises
    ------
    SettingsError
        If the URL cannot be used, or the server refuses the password or the database. A server
        that is out of reach is no error here: it may come.
    """

    def __init__(self, url: str, *, limit: int = LIMIT, timeout: float = TIMEOUT) -> None:
        if not 0 < limit <= MOST:
            raise SettingsError(f"limit is to be from 1 to {MOST} bytes, not {limit}")
        self.name = shown(url)
        self.limit: int | None = limit
        self._client: Lasting[Client] = Lasting(client_maker(url, timeout))
        problem = self._refusal()
        if problem:
            raise unusable(url, problem)

    def __repr__(self) -> str:
        return f"RedisShelf({self.name!r})"

    def get(self, names: Sequence[str]) -> dict[str, bytes | memoryview]:
        """Return the values under those of `names` that there are."""
        try:
            client = self._client.current or self._client.made()
            if len(names) == 1:
                value = _get(client, names[0])
                return {} if value is None else {names[0]: value}
            if not names:
                return {}
            if isinstance(client, RedisCluster):
                values = client.mget_nonatomic(names)
            else:
                values = client.mget(names)
        except TROUBLE as error:
            raise self._error(error) from error
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def put(
        self, name: str, pieces: Sequence[Buffer], *, seconds: float | None, replace: bool
    ) -> bool:
        """Keep a value, and tell whether it is kept now."""
        size_within(self, pieces)
        milliseconds = None if seconds is None else max(1, round(seconds * 1000))
        try:
            client = self._client.current or self._client.made()
            return bool(client.set(name, b"".join(pieces), px=milliseconds, nx=not replace))
        except TROUBLE as error:
            raise self._error(error) from error

    def remove(self, names: Sequence[str]) -> int:
        """Remove values; return how many there were."""
        if not names:
            return 0
        try:
            return int((self._client.current or self._client.made()).unlink(*names))
        except TROUBLE as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        client = self._client.let_go()
        if client is not None:
            client.close()

    def _refusal(self) -> str:
        """Return why the server will never serve us as we are, as far as it can be told now."""
        try:
            self._client.made().ping()
        except ResponseError as error:
            # Not every user may ask for a PING; a database that is not there is said by SELECT.
            return str(error) if "DB index" in str(error) else ""
        except TROUBLE as error:
            refused = "the server refuses the user or the password"
            return refused if is_refused_password(error) else ""
        except (TypeError, ValueError):
            return "one of its options is unknown, has an unusable value, or is for TLS only"
        return ""

    def _error(self, error: Exception) -> ShelfError:
        is_outage = isinstance(error, OUTAGES)
        return ShelfError(self.name, str(error) or type(error).__name__, is_outage=is_outage)


def _get(client: Client, name: str) -> bytes | None:
    """Return one value.

    A lookup is this and little else, so it is spared what a client does around a command: 8 of
    40 us. Nothing is lost by that, because the client does not try again and nobody observes it.
    """
    found: bytes | None
    if isinstance(client, RedisCluster):
        found = client.get(name)
        return found
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command("GET", name)
        found = connection.read_response()
    except ResponseError:
        raise
    except BaseException:  # the answer may be on its way: it must not be taken for another's
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    return found
