"""Who only takes from a team: nothing that it sends changes anything."""

from __future__ import annotations

import re
import threading
import warnings

import pytest

from stagecache import stage
from stagecache.errors import NotToldError


def written(server):
    """Return the commands that a server was asked and that may change something."""
    said = server.ask("INFO commandstats").decode()
    asked = set(re.findall(r"cmdstat_([\w|]+):calls", said))
    reading = {"get", "mget", "ping", "select", "hello", "info", "command", "auth", "config"}
    return {name for name in asked if name.partition("|")[0] not in {*reading, "client"}}


@pytest.mark.parametrize("settings", [{"role": "reader"}, {"read_only": True}])
def test_a_reader_sends_nothing_that_changes_anything(settings, host, own_redis_server, ran):
    server = own_redis_server()

    @stage(ttl="1h", tags=("fx",))
    def double(n: int) -> int:
        ran.append(n)
        return 2 * n

    @stage
    def large(n: int) -> bytes:
        ran.append(n)
        return bytes(n)

    with host("one", redis=server.url):
        double(1), large(200_000)
    host("reader").close()
    assert server.ask("CONFIG RESETSTAT").startswith(b"+OK")
    with host("reader", redis=server.url, **settings) as cache, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert double(1) == 2
        assert len(large(200_000)) == 200_000
        for n in range(100):
            double(n)
        if "role" in settings:
            double.refresh(1), double.forget(2), double.forget_all()
            with pytest.raises(NotToldError):
                cache.invalidate(tag="fx")
            cache.clear()
    assert written(server) == set()
    assert ran[:2] == [1, 200_000]


def test_a_hundred_and_fifty_threads_that_ask_at_once_are_no_outage(host, redis_server):
    @stage
    def double(n: int) -> int:
        return 2 * n

    with host("one", redis=redis_server.url) as one:
        shared = one._store._lower[1]
        together = threading.Barrier(150)
        asked = shared._entries._shelf._client.made().connection_pool
        held = []

        def ask():
            connection = asked.get_connection()
            together.wait(60)
            held.append(connection)

        threads = [threading.Thread(target=ask) for _ in range(150)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in held:
            asked.release(connection)
        assert len(held) == 150
        assert double(1) == 2
