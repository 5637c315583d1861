"""A tier that is slow, gone or refuses what it is sent: the job goes on, and is told once."""

from __future__ import annotations

import contextlib
import warnings

import pytest

from stagecache import pipeline, stage
from stagecache.errors import StagecacheWarning


@pytest.fixture
def double(ran):
    @stage
    def double(n: int) -> int:
        ran.append(n)
        return 2 * n

    return double


@contextlib.contextmanager
def warned():
    """Collect the warnings of a block."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told


@pytest.mark.parametrize("trouble", ["stop", "pause"])
def test_an_outage_in_the_middle_of_a_job_costs_one_warning_and_no_result(
    trouble, host, own_redis_server, double, ran
):
    server = own_redis_server()

    @pipeline
    def main(n: int) -> list[int]:
        return double.map(range(n))

    # It asks for marks at every lookup: a server that was started anew has lost them.
    with host("one", redis=server.url, coherence=0) as one:
        assert main(5) == [0, 2, 4, 6, 8]
        getattr(server, trouble)()
        with warned() as told:
            assert main(50) == [2 * n for n in range(50)]
            assert double(1_000) == 2_000
        assert len(told) == 1
        assert "redis://127.0.0.1" in str(told[0].message)
        assert len(ran) == 51
        if trouble == "stop":
            server.start()
        else:
            server.resume()
        clock = one.engine.context.clock
        later(clock)
        with warned() as told:
            double(2_000)
            double(3_000)
        assert told == []
    with host("other", redis=server.url):
        double(3_000)
    assert ran.count(3_000) == 1


def later(clock):
    """Let the next try of what is left alone be due."""
    shift = 3600.0
    monotonic = clock.monotonic
    clock.monotonic = lambda: monotonic() + shift


def test_a_thousand_calls_of_which_each_is_new_go_on_without_the_server(
    host, own_redis_server, double, ran
):
    server = own_redis_server()
    with host("one", redis=server.url), warned() as told:
        server.stop()
        assert [double(n) for n in range(1_000)] == [2 * n for n in range(1_000)]
    assert len(told) == 1
    assert len(ran) == 1_000


@pytest.mark.parametrize("why", ["full", "replica"])
def test_what_a_server_refuses_stays_here_while_reads_go_on(
    why, host, own_redis_server, double, ran
):
    server = own_redis_server()
    with host("one", redis=server.url):
        double(1)
    if why == "full":
        assert server.ask("CONFIG SET maxmemory 1") == b"+OK\r\n"
        url = server.url
    else:
        replica = own_redis_server("--replicaof", "127.0.0.1", str(server.port))
        wait_for_replica(replica)
        url = replica.url
    with host("other", redis=url), warned() as told:
        assert double(1) == 2
        assert [double(n) for n in range(10, 20)] == [2 * n for n in range(10, 20)]
    assert ran == [1, *range(10, 20)]
    assert [w.category for w in told] == [StagecacheWarning], [str(w.message) for w in told]
    assert "not shared" in str(told[0].message)
    assert "twice" in str(told[0].message)


def wait_for_replica(replica):
    import time

    deadline = time.monotonic() + 60
    while b"master_link_status:up" not in replica.ask("INFO replication"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_value_that_no_server_takes_is_a_hit_here_and_trips_nothing(host, redis_server, ran):
    @stage
    def huge(n: int) -> bytes:
        ran.append(n)
        return bytes(n)

    @stage
    def little(n: int) -> int:
        ran.append(n)
        return n

    size = (64 << 20) + 1
    with host("one", redis=redis_server.url):
        with warned() as told:
            huge(size)
        assert len(told) == 1
        assert "Such results are kept on this machine only" in str(told[0].message)
        assert len(huge(size)) == size
        little(1)
    with host("other", redis=redis_server.url):
        little(1)
    assert ran == [size, 1]
