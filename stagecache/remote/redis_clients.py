"""What a Redis URL means: a client for one server, for a master behind sentinels, or a cluster.

redis-py's own defaults let a GET on a silent server block for minutes. Here nothing is tried
twice, and a server that is silent for the time-out is out of reach.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import (
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from stagecache.remote.address import unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Client: TypeAlias = "redis.Redis | RedisCluster"

PORT = 6379
SENTINEL_PORT = 26379
_OPTIONS = ("ssl_", "socket_", "client_name")
"""What options that a URL may have begin with; others would change what a shelf does."""
_QUOTE = "it cannot be read; write special characters of user and password as %2F, %3F, %23, %40"
_MANY = {"max_connections": 1 << 20}
"""By itself redis-py has 100 at most, and calls it an outage when as many threads ask at once."""
_CUT = 256 << 10
"""Bytes sent at once."""


class _Place(NamedTuple):
    """A URL, taken apart."""

    hosts: list[tuple[str, int]]
    path: list[str]
    settings: dict[str, Any]
    """User, password and options, as redis-py names them."""


def client_maker(url: str, timeout: float) -> Callable[[], Client]:
    """Return what makes a client for `url`.

    A client of a single server or of sentinels connects when it is first used, that of a cluster
    when it is made.

    Parameters
    ----------
    url : str
        ``redis://user:password@host:6379/0``, ``unix://user:password@/path/socket?db=0``,
        ``redis+sentinel://user:password@host:26379,host:26379/service/0`` or
        ``redis+cluster://user:password@host:6379,host:6379``; ``rediss`` in place of ``redis``
        for TLS. User and password are those of the servers. Options in the query: ``socket_…``,
        ``ssl_…`` and ``client_name``, as redis-py knows them.
    timeout : float
        Seconds.

    Raises
    ------
    SettingsError
        If the URL is none of these.
    """
    scheme = url.partition("://")[0]
    secure = scheme.startswith("rediss")
    patience = {"socket_timeout": timeout, "protocol": 2}
    if scheme == "unix":
        return functools.partial(_of_socket, _socket_settings(url), patience)
    patience["socket_connect_timeout"] = timeout
    topology = scheme.partition("+")[2]
    place = _parse(url, SENTINEL_PORT if topology == "sentinel" else PORT)
    settings = patience | place.settings
    if topology == "cluster":
        if place.path:
            raise unusable(url, "a cluster has no databases, so nothing may follow the hosts")
        return functools.partial(_of_cluster, place.hosts, settings, secure=secure)
    if topology == "sentinel":
        if len(place.path) not in (1, 2):
            raise unusable(url, "after the sentinels comes /service, or /service/database")
        service, *database = place.path
        settings["db"] = _database(url, database)
        return functools.partial(_of_sentinels, place.hosts, service, settings, secure=secure)
    if len(place.hosts) != 1 or len(place.path) > 1:
        raise unusable(url, "it is to be one host, and the number of a database if not 0")
    host, port = place.hosts[0]
    settings |= {"host": host, "port": port, "db": _database(url, place.path)}
    return functools.partial(_of_server, settings, secure=secure)


def _parse(url: str, port: int) -> _Place:
    """Take a URL with one or more hosts apart."""
    rest = url.partition("://")[2]
    before, at, after = rest.rpartition("@")
    if set(before) & set("/?#"):
        raise unusable(url, _QUOTE)
    where, question, query = after.partition("?")
    hosts, *path = where.split("/")
    # One host at a time, so that redis-py's parser sees no more than it knows.
    parsed = [
        _kwargs(url, f"redis://{before}{at}{host}{question}{query}") for host in hosts.split(",")
    ]
    settings = {
        name: value
        for name, value in parsed[0].items()
        if name in ("username", "password") or _is_option(url, name)
    }
    places = [(one.get("host", "localhost"), one.get("port", port)) for one in parsed]
    return _Place(places, [part for part in path if part], settings)


def _is_option(url: str, name: str) -> bool:
    if name in ("host", "port"):
        return False
    if not name.startswith(_OPTIONS):
        raise unusable(url, f"the option {name!r} is not for a URL")
    return True


def _kwargs(url: str, one: str) -> dict[str, Any]:
    """Return what redis-py makes of `one`; its own messages can quote a password."""
    try:
        parsed = urlsplit(one)
        readable = parsed.port is None or parsed.port > 0
        settings = dict(parse_url(one))
    except ValueError:
        readable = False
        settings = {}
    if not readable:
        raise unusable(url, _QUOTE)
    return settings


def _database(url: str, path: list[str]) -> int:
    if path and not path[0].isdecimal():
        raise unusable(url, "a database is a number")
    return int(path[0]) if path else 0


def _socket_settings(url: str) -> dict[str, Any]:
    before, slash, _ = url.removeprefix("unix://").partition("/")
    if not slash or not (before == "" or before.endswith("@")):
        raise unusable(url, f"{_QUOTE}, and the path from / on")
    settings = _kwargs(url, url)
    settings.pop("connection_class", None)
    if not settings.get("path"):
        raise unusable(url, "it names no socket")
    for name in settings.keys() - {"path", "username", "password", "db"}:
        _is_option(url, name)
    return settings


class _Cutting:
    """Sends what is large bit by bit.

    A socket's time-out is for all of one ``sendall``: in one, a value of 64 MB would have to pass
    within it, and a slow network would look like an outage.
    """

    def pack_command(self, *words: object) -> list[bytes | memoryview]:
        """Return what is to be sent, in pieces that a time-out each is right for."""
        packed = super().pack_command(*words)  # type: ignore[misc]
        return [piece for whole in packed for piece in _cut(whole)]


def _cut(whole: bytes | memoryview) -> Iterator[bytes | memoryview]:
    if len(whole) <= _CUT:
        yield whole
        return
    view = memoryview(whole)
    for start in range(0, len(view), _CUT):
        yield view[start : start + _CUT]


class _Server(_Cutting, Connection):  # type: ignore[misc]
    pass


class _SecureServer(_Cutting, SSLConnection):  # type: ignore[misc]
    pass


class _Socket(_Cutting, UnixDomainSocketConnection):  # type: ignore[misc]
    pass


class _Master(_Cutting, SentinelManagedConnection):  # type: ignore[misc]
    pass


class _SecureMaster(_Cutting, SentinelManagedSSLConnection):  # type: ignore[misc]
    pass


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


def _of_server(settings: dict[str, Any], *, secure: bool) -> Client:
    kind = _SecureServer if secure else _Server
    return _pooled(ConnectionPool(connection_class=kind, retry=_once(), **_MANY | settings))


def _of_socket(settings: dict[str, Any], patience: dict[str, Any]) -> Client:
    settings = patience | settings
    return _pooled(ConnectionPool(connection_class=_Socket, retry=_once(), **_MANY | settings))


def _pooled(pool: ConnectionPool) -> Client:
    return redis.Redis(connection_pool=pool)


def _of_sentinels(
    hosts: list[tuple[str, int]], service: str, settings: dict[str, Any], *, secure: bool
) -> Client:
    # The sentinels are asked without the password, which is that of the servers they watch.
    waits = {name: value for name, value in settings.items() if name.startswith("socket_")}
    sentinel = Sentinel(hosts, sentinel_kwargs=waits | {"protocol": 2, "retry": _once()})
    kind = _SecureMaster if secure else _Master
    client: redis.Redis = sentinel.master_for(
        service, connection_class=kind, retry=_once(), **_MANY | settings
    )
    return client


def _of_cluster(
    hosts: list[tuple[str, int]], settings: dict[str, Any], *, secure: bool
) -> RedisCluster:
    (host, port), *others = hosts
    return RedisCluster(
        url=f"redis://{host}:{port}",  # with a URL it takes a class for its connections
        startup_nodes=[ClusterNode(*other) for other in others],
        connection_class=_SecureServer if secure else _Server,
        retry=_once(),
        **_MANY | settings,
    )
