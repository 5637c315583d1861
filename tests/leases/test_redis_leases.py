"""Leases among machines, by a real server; two machines are two of everything but the server."""

import pytest

from stagecache.leases.chain import Chain
from stagecache.leases.local import LocalLeases
from stagecache.leases.redis import RedisLeases
from stagecache.testing.leases import LeaseContract


class OnServer(LeaseContract):
    """Callers who share nothing but a server."""

    def open(self):
        return Chain(LocalLeases(None), RedisLeases(self.url, ttl=30))


class TestOnRedis(OnServer):
    @pytest.fixture(autouse=True)
    def _place(self, redis_server):
        self.url = redis_server.url


class TestOnCluster(OnServer):
    @pytest.fixture(autouse=True)
    def _place(self, redis_cluster):
        self.url = redis_cluster.url


class TestOnRedisBesideFiles(LeaseContract):
    """Processes of one machine, which also share a lock file."""

    @pytest.fixture(autouse=True)
    def _place(self, redis_server, tmp_path):
        self.url = redis_server.url
        self.path = tmp_path / "locks"

    def open(self):
        return Chain(LocalLeases(self.path), RedisLeases(self.url, ttl=30))
