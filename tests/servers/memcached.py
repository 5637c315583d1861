"""A memcached: that of the machine, else a small server of its verbs."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.process import Server


class MemcachedServer(Server):
    """A server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"memcached://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        path = shutil.which("memcached")
        if path:
            return [path, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-u", "nobody"]
        verbs = str(Path(__file__).with_name("memcached_verbs.py"))
        return [sys.executable, "-S", verbs, str(self.port)]

    def clear(self) -> None:
        """Remove everything."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"flush_all\r\n")
            assert connection.recv(100) == b"OK\r\n"


@pytest.fixture(scope="session")
def _memcached_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemcachedServer]:
    server = MemcachedServer(tmp_path_factory.mktemp("memcached"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def memcached(_memcached_of_all: MemcachedServer) -> MemcachedServer:
    """An empty server, shared with other tests."""
    _memcached_of_all.clear()
    return _memcached_of_all


@pytest.fixture
def own_memcached(tmp_path: Path) -> Iterator[MemcachedServer]:
    """A server of the test's own."""
    (tmp_path / "memcached").mkdir()
    server = MemcachedServer(tmp_path / "memcached")
    try:
        server.start()
        yield server
    finally:
        server.stop()
