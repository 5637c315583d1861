"""Redis in a cluster and behind sentinels keeps the same contract as one server."""

from __future__ import annotations

import pytest
from servers.redis_topologies import RedisCluster
from servers.trouble import failure

from stagecache.errors import SettingsError
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.redis import RedisShelf
from stagecache.testing.shelves import ShelfContract, put, take


class TestContractOfACluster(ShelfContract):
    @pytest.fixture
    def shelf(self, redis_cluster):
        shelf = RedisShelf(redis_cluster.url, limit=2_000_000)
        yield shelf
        shelf.close()


class TestContractBehindASentinel(ShelfContract):
    @pytest.fixture
    def shelf(self, redis_server, redis_sentinel):
        sentinel = redis_sentinel(redis_server)
        shelf = RedisShelf(f"redis+sentinel://127.0.0.1:{sentinel.port}/service", limit=2_000_000)
        yield shelf
        shelf.close()


def test_names_of_one_tag_are_asked_of_one_node(redis_cluster):
    shelf = open_shelf(redis_cluster.url)
    for number in range(20):
        put(shelf, f"{{tag}}:{number}", b"value")
    counts = [node.ask("DBSIZE") for node in redis_cluster.nodes]
    assert sorted(counts) == [b":0\r\n", b":0\r\n", b":20\r\n"]
    shelf.close()


def test_a_cluster_that_is_not_there_is_an_outage_not_an_error_of_settings(redis_cluster):
    shelf = open_shelf("redis+cluster://:s3cr3t@127.0.0.1:1")
    error, _ = failure(lambda: shelf.get(["a"]))
    assert error.is_outage
    assert "s3cr3t" not in str(error)


def test_a_node_that_dies_is_an_outage(tmp_path):
    cluster = RedisCluster(tmp_path)
    try:
        cluster.start()
        shelf = open_shelf(cluster.url)
        names = [str(number) for number in range(50)]
        for name in names:
            put(shelf, name, b"value")
        cluster.nodes[2].stop()
        assert failure(lambda: shelf.get(names))[0].is_outage
        assert failure(lambda: [shelf.get([name]) for name in names])[0].is_outage
        cluster.nodes[0].pause()
        cluster.nodes[1].pause()
        assert failure(lambda: [shelf.get([name]) for name in names])[0].is_outage
    finally:
        cluster.stop()


def test_the_password_is_that_of_the_nodes_and_is_checked(own_redis_server, redis_sentinel):
    server = own_redis_server("--requirepass", "s3cr3t")
    sentinel = redis_sentinel(server)
    place = f"127.0.0.1:{sentinel.port}/service/1"
    with pytest.raises(SettingsError, match="refuses the user or the password") as caught:
        open_shelf(f"redis+sentinel://:wr0ng@{place}")
    assert "wr0ng" not in str(caught.value)
    shelf = open_shelf(f"redis+sentinel://:s3cr3t@{place}")
    assert put(shelf, "a", b"value")
    assert take(open_shelf(f"redis://:s3cr3t@127.0.0.1:{server.port}/1"), "a") == b"value"
    assert shelf.name == f"redis+sentinel://{place}"


def test_a_wrong_password_of_a_cluster_is_refused_at_once(own_redis_server):
    server = own_redis_server("--cluster-enabled", "yes", "--requirepass", "s3cr3t")
    with pytest.raises(SettingsError, match="refuses the user or the password") as caught:
        open_shelf(f"redis+cluster://:wr0ng@127.0.0.1:{server.port}")
    assert "wr0ng" not in str(caught.value)


def test_a_master_behind_a_sentinel_that_dies_is_an_outage(own_redis_server, redis_sentinel):
    server = own_redis_server()
    shelf = open_shelf(f"redis+sentinel://127.0.0.1:{redis_sentinel(server).port}/service")
    put(shelf, "a", b"value")
    server.stop()
    assert failure(lambda: shelf.get(["a"]))[0].is_outage
    server.start()
    assert take(shelf, "a") is None


def test_silent_sentinels_are_an_outage(own_redis_server, redis_sentinel):
    server = own_redis_server()
    sentinel = redis_sentinel(server)
    sentinel.pause()
    shelf = open_shelf(f"redis+sentinel://127.0.0.1:{sentinel.port}/service")
    assert failure(lambda: shelf.get(["a"]))[0].is_outage
    sentinel.resume()
    assert put(shelf, "a", b"value")


def test_an_unknown_service_is_an_outage_that_names_it(own_redis_server, redis_sentinel):
    sentinel = redis_sentinel(own_redis_server())
    shelf = open_shelf(f"redis+sentinel://127.0.0.1:{sentinel.port}/other")
    assert "other" in str(failure(lambda: shelf.get(["a"]))[0])
