"""Several Redis servers together: a cluster of three nodes, and sentinels that watch a master."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.process import Server
from servers.redis import RedisServer, binary

SLOTS = 16384


class RedisCluster:
    """Three nodes that share the slots, without replicas."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[RedisServer] = []
        for number in range(3):
            (folder / str(number)).mkdir()
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
            self.nodes.append(RedisServer(folder / str(number), *options))
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://{hosts}"

    def start(self) -> None:
        """Start the nodes, and return when each knows all of them."""
        share = SLOTS // 3 + 1
        for number, node in enumerate(self.nodes):
            node.start()
            slots = range(number * share, min(SLOTS, (number + 1) * share))
            assert node.ask("CLUSTER ADDSLOTS " + " ".join(map(str, slots))) == b"+OK\r\n"
            assert node.ask(f"CLUSTER MEET 127.0.0.1 {self.nodes[0].port}") == b"+OK\r\n"
        deadline = time.monotonic() + 60
        while not all(self._is_whole(node) for node in self.nodes):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _is_whole(self, node: RedisServer) -> bool:
        info = node.ask("CLUSTER INFO")
        return b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info

    def clear(self) -> None:
        """Remove all keys."""
        for node in self.nodes:
            assert node.ask("FLUSHALL") == b"+OK\r\n"

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


class Sentinel(Server):
    """Watches a master under the name ``service``."""

    ask = RedisServer.ask

    def __init__(self, folder: Path, master: RedisServer) -> None:
        super().__init__(folder)
        (folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor service 127.0.0.1 {master.port} 1\n"
        )

    def command(self) -> list[str]:
        return [binary(), str(self.folder / "sentinel.conf"), "--sentinel"]


@pytest.fixture(scope="session")
def _redis_cluster_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def redis_cluster(_redis_cluster_of_all: RedisCluster) -> RedisCluster:
    """An empty cluster, shared with other tests."""
    _redis_cluster_of_all.clear()
    return _redis_cluster_of_all


@pytest.fixture
def redis_sentinel(tmp_path: Path) -> Iterator[Callable[[RedisServer], Sentinel]]:
    """Return what starts sentinels of the test's own."""
    sentinels: list[Sentinel] = []

    def start(master: RedisServer) -> Sentinel:
        folder = tmp_path / f"sentinel-{len(sentinels)}"
        folder.mkdir()
        sentinels.append(Sentinel(folder, master))
        sentinels[-1].start()
        return sentinels[-1]

    yield start
    for sentinel in sentinels:
        sentinel.stop()
