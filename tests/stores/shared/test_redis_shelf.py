"""Redis as a shelf: what a URL means, what it refuses, and what it does when nobody answers."""

from __future__ import annotations

import pickle
import time

import pytest
import redis
from servers.trouble import everything_said, failure

from stagecache.errors import SettingsError, ShelfError
from stagecache.stores.shared.opening import open_shelf
from stagecache.stores.shared.redis import MOST, RedisShelf
from stagecache.testing.shelves import ShelfContract, put, take

SECRET = "s3cr3t"


class TestContractOverTcp(ShelfContract):
    @pytest.fixture
    def shelf(self, redis_server):
        shelf = RedisShelf(redis_server.url, limit=2_000_000)
        yield shelf
        shelf.close()


class TestContractOverASocket(ShelfContract):
    @pytest.fixture
    def shelf(self, redis_server):
        shelf = RedisShelf(redis_server.socket_url, limit=2_000_000)
        yield shelf
        shelf.close()


@pytest.fixture
def shelf(redis_server):
    shelf = open_shelf(redis_server.url)
    yield shelf
    shelf.close()


# What is kept


def test_the_server_lets_go_of_a_value_after_its_seconds(shelf, redis_server):
    shelf.put("a", [b"value"], seconds=100, replace=False)
    shelf.put("b", [b"value"], seconds=0.0001, replace=False)
    with redis.Redis.from_url(redis_server.url) as client:
        assert 99_000 < client.pttl("a") <= 100_000
    deadline = time.monotonic() + 5
    while take(shelf, "b") is not None:
        assert time.monotonic() < deadline
    assert put(shelf, "b", b"new")


def test_of_many_removed_those_that_were_there_count(shelf):
    put(shelf, "a", b"value")
    assert shelf.remove(["a", "b"]) == 1


def test_many_values_are_asked_for_in_one_command(shelf, redis_server):
    put(shelf, "a", b"value")
    with redis.Redis.from_url(redis_server.url) as client:
        before = client.info("stats")["total_commands_processed"]
        shelf.get([str(number) for number in range(100)])
        assert client.info("stats")["total_commands_processed"] - before == 2  # and this INFO


def test_no_value_may_be_larger_than_the_server_takes(redis_server):
    assert open_shelf(redis_server.url).limit == 64 << 20
    with pytest.raises(SettingsError, match="limit"):
        RedisShelf(redis_server.url, limit=MOST + 1)


def test_what_is_too_large_never_reaches_the_server(redis_server):
    shelf = RedisShelf(redis_server.url, limit=1000)
    with redis.Redis.from_url(redis_server.url) as client:
        before = client.info("stats")["total_net_input_bytes"]
        with pytest.raises(ShelfError, match=r"1,001 bytes is larger than 1,000"):
            put(shelf, "a", bytes(1001))
        assert client.info("stats")["total_net_input_bytes"] - before < 100


# URLs and passwords


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:s3cr3t@host/notanumber",
        "redis://:s3cr3t@host:port",
        "redis://:s3cr3t@host:0",
        "redis://:a/s3cr3t@host",
        "redis://:12/s3cr3t@host",
        "redis://:a?s3cr3t@host",
        "redis://:a#s3cr3t@host",
        "redis://:s3cr3t@[host",
        "redis://:s3cr3t@one,two",
        "redis://:s3cr3t@host/0/1",
        "redis://:s3cr3t@host?db=1&password=s3cr3t",
        "redis://:s3cr3t@host?retry=s3cr3t",
        "redis://:s3cr3t@host?socket_timeout=s3cr3t",
        "unix://:s3cr3t@",
        "unix://:1/s3cr3t@/path",
        "unix://:s3cr3t@/path?host=s3cr3t",
        "redis+sentinel://:s3cr3t@host:26379",
        "redis+sentinel://:s3cr3t@host:26379/service/zero",
        "redis+cluster://:s3cr3t@host/0",
        "redis+carrier://:s3cr3t@host",
        "s3cr3t",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_telling_what_is_secret(url):
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_shelf(url)
    assert SECRET not in everything_said(caught.value)


def test_a_wrong_password_is_refused_at_once_and_never_told(own_redis_server):
    server = own_redis_server("--requirepass", "right")
    for user in ("", "nobody"):
        with pytest.raises(SettingsError, match="refuses the user or the password") as caught:
            open_shelf(f"redis://{user}:{SECRET}@127.0.0.1:{server.port}/0")
        assert SECRET not in everything_said(caught.value)
    with pytest.raises(SettingsError, match="refuses the user or the password"):
        open_shelf(server.url)
    shelf = open_shelf(f"redis://:right@127.0.0.1:{server.port}/0")
    assert put(shelf, "a", b"value")
    assert "right" not in shelf.name + repr(shelf)


def test_a_password_that_is_wrong_later_on_is_an_outage(own_redis_server):
    server = own_redis_server("--requirepass", SECRET)
    shelf = open_shelf(f"redis://:{SECRET}@127.0.0.1:{server.port}/0")
    server.stop()
    server.options = ("--requirepass", "other")
    server.start()
    with pytest.raises(ShelfError) as caught:
        shelf.get(["a"])
    assert caught.value.is_outage
    assert SECRET not in everything_said(caught.value)


def test_a_database_that_is_not_there_is_refused(redis_server):
    with pytest.raises(SettingsError, match="DB index is out of range"):
        open_shelf(f"redis://127.0.0.1:{redis_server.port}/99")


def test_databases_are_apart(redis_server):
    put(open_shelf(f"redis://127.0.0.1:{redis_server.port}/1"), "a", b"value")
    assert take(open_shelf(f"redis://127.0.0.1:{redis_server.port}/2"), "a") is None
    assert take(open_shelf(f"{redis_server.socket_url}?db=1"), "a") == b"value"


# Trouble


@pytest.mark.parametrize("place", ["url", "socket_url"])
def test_a_killed_server_is_an_outage_until_it_is_back(own_redis_server, place):
    server = own_redis_server()
    shelf = open_shelf(getattr(server, place))
    put(shelf, "a", b"value")
    server.stop()
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.remove(["a"])):
        error, _ = failure(work)
        assert error.is_outage
        assert pickle.loads(pickle.dumps(error)).shelf == shelf.name
    server.start()
    assert take(shelf, "a") is None
    assert put(shelf, "a", b"value")


def test_a_silent_server_is_an_outage_after_one_time_out(own_redis_server):
    server = own_redis_server()
    shelf = open_shelf(server.url)
    server.pause()
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.get(["a", "b"])):
        error, seconds = failure(work)
        assert error.is_outage
        assert seconds >= 0.25 * 0.9
    server.resume()
    assert take(shelf, "a") in (None, b"")


def test_a_server_that_is_not_there_yet_is_no_error_at_configuration(own_redis_server):
    server = own_redis_server()
    server.stop()
    shelf = open_shelf(server.url)
    assert failure(lambda: shelf.get(["a"]))[0].is_outage
    server.start()
    assert put(shelf, "a", b"value")


def test_a_restarted_server_is_no_outage(own_redis_server):
    server = own_redis_server()
    shelf = open_shelf(server.url)
    put(shelf, "a", b"value")
    server.stop()
    server.start()
    assert take(shelf, "a") is None


def test_a_connection_that_the_server_dropped_is_no_outage(shelf, redis_server):
    put(shelf, "a", b"value")
    assert redis_server.ask("CLIENT KILL TYPE normal SKIPME yes").startswith(b":")
    assert take(shelf, "a") == b"value"


def test_a_full_server_refuses_and_is_read_all_the_same(own_redis_server):
    server = own_redis_server()
    shelf = open_shelf(server.url)
    put(shelf, "a", b"value")
    server.ask("CONFIG SET maxmemory 1")
    error, _ = failure(lambda: put(shelf, "b", b"value"))
    assert not error.is_outage
    assert "memory" in str(error)
    assert take(shelf, "a") == b"value"


def test_a_replica_refuses_writes_and_is_read(own_redis_server):
    server, master = own_redis_server(), own_redis_server()
    shelf = open_shelf(server.url)
    server.ask(f"REPLICAOF 127.0.0.1 {master.port}")
    error, _ = failure(lambda: put(shelf, "b", b"value"))
    assert not error.is_outage
    assert take(shelf, "b") is None


def test_what_a_user_may_not_do_is_refused_not_an_outage(own_redis_server):
    server = own_redis_server()
    server.ask("ACL SETUSER reader on >pass ~* +get +mget")
    shelf = open_shelf(f"redis://reader:pass@127.0.0.1:{server.port}/0")
    assert take(shelf, "a") is None
    error, _ = failure(lambda: put(shelf, "a", b"value"))
    assert not error.is_outage


def test_a_name_that_holds_something_else_is_refused(shelf, redis_server):
    redis_server.ask("LPUSH a item")
    assert not failure(lambda: shelf.get(["a"]))[0].is_outage
    assert put(shelf, "b", b"value")
