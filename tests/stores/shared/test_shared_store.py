"""What a team shares: entries and values on shelves, whoever else writes there."""

from __future__ import annotations

import pytest

from stagecache.stores.shared.keyring import Keyring
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.store import SharedStore
from stagecache.testing.shelves import MemoryShelf
from stagecache.testing.stores import StoreContract

KEYS = Keyring([b"k" * 32])
TEAM = {"namespace": "team", "keyring": KEYS, "allow_pickle": True}


class TestContractInMemory(StoreContract):
    @pytest.fixture
    def store(self):
        return SharedStore(MemoryShelf(), **TEAM)


class TestContractOnRedis(StoreContract):
    @pytest.fixture
    def store(self, redis_server):
        store = SharedStore(open_shelf(redis_server.url), **TEAM)
        yield store
        store.close()


class TestContractOnS3(StoreContract):
    @pytest.fixture
    def store(self, s3_server):
        return SharedStore(open_shelf(f"s3://{s3_server.bucket()}/prefix"), **TEAM)


class TestContractOnRedisAndS3(StoreContract):
    @pytest.fixture
    def store(self, redis_server, s3_server):
        blobs = open_shelf(f"s3://{s3_server.bucket()}")
        store = SharedStore(open_shelf(redis_server.url), blobs, **TEAM)
        yield store
        store.close()


class TestContractOnAFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return SharedStore(open_shelf(f"file://{tmp_path}/shelf"), **TEAM)
