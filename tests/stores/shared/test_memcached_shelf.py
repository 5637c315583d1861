"""memcached as a shelf: the contract is small enough for a small server."""

from __future__ import annotations

import pytest
from servers.trouble import everything_said, failure

from stagecache.errors import SettingsError
from stagecache.stores.shared.memcached import LIMIT, MemcachedShelf
from stagecache.stores.shared.opening import open_shelf
from stagecache.testing.shelves import ShelfContract, put, take


class TestContract(ShelfContract):
    @pytest.fixture
    def shelf(self, memcached):
        shelf = open_shelf(memcached.url)
        yield shelf
        shelf.close()


@pytest.fixture
def shelf(memcached):
    shelf = open_shelf(memcached.url)
    yield shelf
    shelf.close()


def test_the_largest_value_that_is_sent_is_one_that_the_server_takes(shelf):
    assert put(shelf, "x" * 200, bytes(LIMIT))
    assert take(shelf, "x" * 200) == bytes(LIMIT)


def test_what_the_server_finds_too_large_is_refused_and_no_outage(memcached):
    shelf = MemcachedShelf(memcached.url, limit=4 << 20)
    error, _ = failure(lambda: put(shelf, "a", bytes(2 << 20)))
    assert not error.is_outage
    assert put(shelf, "a", b"value")
    shelf.close()


def test_of_many_removed_those_that_were_there_count(shelf):
    put(shelf, "a", b"value")
    assert shelf.remove(["a", "b"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "memcached://user:s3cr3t@host",
        "memcached://host:s3cr3t",
        "memcached://host/s3cr3t",
        "memcached://host?s3cr3t",
        "memcached://",
        "memcached:///",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url):
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_shelf(url)
    if "@" in url or "?" in url:
        assert "s3cr3t" not in everything_said(caught.value)


def test_a_killed_server_is_an_outage_until_it_is_back(own_memcached):
    shelf = open_shelf(own_memcached.url)
    put(shelf, "a", b"value")
    own_memcached.stop()
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.remove(["a"])):
        assert failure(work)[0].is_outage
    own_memcached.start()
    assert take(shelf, "a") is None
    shelf.close()


def test_a_restarted_server_is_no_outage(own_memcached):
    shelf = open_shelf(own_memcached.url)
    put(shelf, "a", b"value")
    own_memcached.stop()
    own_memcached.start()
    assert put(shelf, "a", b"value")
    shelf.close()


def test_a_silent_server_is_an_outage_after_one_time_out(own_memcached):
    shelf = open_shelf(own_memcached.url)
    put(shelf, "a", b"value")
    own_memcached.pause()
    for work in (lambda: shelf.get(["a"]), lambda: put(shelf, "a"), lambda: shelf.remove(["a"])):
        error, seconds = failure(work)
        assert error.is_outage
        assert seconds >= 0.2
    own_memcached.resume()
    assert take(shelf, "b") is None
    shelf.close()
