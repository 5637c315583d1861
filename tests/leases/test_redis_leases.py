"""Leases among machines, by a real server; two machines are two of everything but the server."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from stagecache.breaker import Breaker
from stagecache.errors import StagecacheWarning
from stagecache.leases.chain import Chain
from stagecache.leases.flight import Flight
from stagecache.leases.local import LocalLeases
from stagecache.leases.redis import RedisLeases
from stagecache.testing.leases import KEY, OTHER, PATIENCE, LeaseContract

SHORT = 0.5
"""Seconds of a lease whose end is waited for."""


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


class TestBehindSentinels(OnServer):
    @pytest.fixture(autouse=True)
    def _place(self, own_redis_server, redis_sentinel):
        sentinel = redis_sentinel(own_redis_server())
        self.url = f"redis+sentinel://127.0.0.1:{sentinel.port}/service"


class TestOnRedisBesideFiles(LeaseContract):
    """Processes of one machine, which also share a lock file."""

    @pytest.fixture(autouse=True)
    def _place(self, redis_server, tmp_path):
        self.url = redis_server.url
        self.path = tmp_path / "locks"

    def open(self):
        return Chain(LocalLeases(self.path), RedisLeases(self.url, ttl=30))


@pytest.fixture
def machine(request):
    """Return what makes the leases of another machine."""
    opened = []

    def make(server, **options):
        opened.append(RedisLeases(getattr(server, "url", server), **options))
        return opened[-1]

    yield make
    for leases in opened:
        leases.close()


@contextlib.contextmanager
def one_warning(of):
    """See that the block earns one warning, in whatever thread."""
    with pytest.warns(StagecacheWarning, match=of) as caught:
        yield
    assert len(caught) == 1, [str(each.message) for each in caught]


def in_thread(work):
    """Run `work` in a thread; return what ends and gives its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()

    def result():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return results[0]

    return result


class Waiter:
    """A thread that waits for a key on another machine."""

    def __init__(self, leases, key=KEY):
        self.waits, self.told = threading.Event(), []
        self._result = in_thread(lambda: leases.acquire(key, self._tell))
        assert self.waits.wait(PATIENCE)

    def _tell(self, holder, seconds):
        self.told.append((holder, seconds))
        self.waits.set()

    def lease(self):
        return self._result()


def listeners(server):
    """Return the ids of the connections that listen."""
    clients = server.ask("CLIENT LIST TYPE pubsub").decode().splitlines()
    return [line.split()[0].removeprefix("id=") for line in clients if line.startswith("id=")]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def lease_names(server):
    return [line for line in server.ask("KEYS *").decode().splitlines() if "/" in line]


def test_a_waiter_is_told_who_holds_the_key(redis_server, machine, monkeypatch):
    monkeypatch.setattr("stagecache.leases.redis_book.this_host", lambda: "node A")
    ours, theirs = machine(redis_server), machine(redis_server)
    lease = ours.acquire(KEY)
    waiter = Waiter(theirs)
    assert theirs.holder(KEY)[:2] == (os.getpid(), "node A")
    lease.release()
    waiter.lease().release()
    (holder, seconds), *_ = waiter.told
    assert holder[:2] == (os.getpid(), "node A")
    assert abs(holder.since - time.time()) < PATIENCE
    assert seconds == 0
    assert theirs.holder(KEY) is None


def test_a_lease_lasts_as_long_as_its_holder_lives(redis_server, machine):
    ours, theirs = machine(redis_server, ttl=SHORT), machine(redis_server, ttl=SHORT, tick=0.05)
    with ours.acquire(KEY) as lease:
        waiter = Waiter(theirs)
        until(lambda: waiter.told[-1][1] > 3 * SHORT)
        assert not lease.is_lost()
    assert not waiter.lease().is_lost()


def test_many_leases_are_renewed_together(redis_server, machine):
    ours, theirs = machine(redis_server, ttl=SHORT), machine(redis_server)
    keys = [n.to_bytes(16, "big") for n in range(250)]
    leases = [ours.acquire(key) for key in keys]
    with theirs.acquire(OTHER):
        time.sleep(2 * SHORT)
    assert not any(lease.is_lost() for lease in leases)
    assert not any(theirs.acquire_nowait(key) for key in keys)


HOLDER = """
    import sys, threading
    from stagecache.leases.redis import RedisLeases

    leases = RedisLeases(sys.argv[1], ttl=float(sys.argv[2]))
    lease = leases.acquire(bytes(range(16)))
    print("held", flush=True)
    for line in sys.stdin:
        print(lease.is_lost(), flush=True)
    lease.release()
    leases.close()
    """


@contextlib.contextmanager
def other_process(text, *arguments):
    """Run a program, which ends with its input, or by force."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def test_the_key_of_a_killed_holder_is_free_when_its_lease_ends(redis_server, machine):
    leases = machine(redis_server)
    with other_process(HOLDER, redis_server.url, SHORT) as holder:
        assert holder.stdout.readline() == "held\n"
        waiter = Waiter(leases)
        killed = time.monotonic()
        holder.kill()
        assert not waiter.lease().is_lost()
        assert time.monotonic() - killed < SHORT + 1
    assert waiter.told[0][0].pid == holder.pid


def test_a_holder_that_was_stopped_too_long_knows_and_takes_nothing_from_the_next(
    redis_server, machine
):
    leases = machine(redis_server)
    with other_process(HOLDER, redis_server.url, SHORT) as holder:
        assert holder.stdout.readline() == "held\n"
        waiter = Waiter(leases)
        holder.send_signal(signal.SIGSTOP)
        lease = waiter.lease()
        holder.send_signal(signal.SIGCONT)
        holder.stdin.write("\n")
        assert holder.stdout.readline() == "True\n"
        holder.stdin.close()
        assert holder.wait(PATIENCE) == 0
        assert not lease.is_lost()
        assert leases.holder(KEY).pid == os.getpid()


def test_a_lease_that_the_server_evicts_is_lost_at_the_next_beat(redis_server, machine):
    ours, theirs = machine(redis_server, ttl=SHORT), machine(redis_server)
    lease, other = ours.acquire(KEY), ours.acquire(OTHER)
    redis_server.ask(f"DEL stagecache/lease/{{{KEY.hex()}}}")
    second = theirs.acquire(KEY)
    until(lease.is_lost)
    assert not other.is_lost()
    lease.release()
    assert not second.is_lost()
    assert theirs.holder(KEY) is not None


# --- what is lost on the way


def test_a_waiter_whose_connection_breaks_hears_the_next_notice(own_redis_server, machine):
    server = own_redis_server()
    ours, theirs = machine(server, ttl=60), machine(server, tick=60)
    with ours.acquire(KEY):
        waiter = Waiter(theirs)
        until(lambda: len(listeners(server)) == 1)
        (first,) = listeners(server)
        server.ask("CLIENT KILL TYPE pubsub")
        until(lambda: listeners(server) not in ([], [first]))
    assert not waiter.lease().is_lost()


def test_a_waiter_who_is_told_nothing_looks_for_itself(own_redis_server, machine):
    server = own_redis_server()
    server.ask("ACL SETUSER default resetchannels")
    ours, theirs = machine(server, ttl=60), machine(server, tick=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        with ours.acquire(KEY) as lease:
            waiter = Waiter(theirs)
            assert not lease.is_lost()
        assert not waiter.lease().is_lost()


def test_one_connection_listens_for_all_who_wait(own_redis_server, machine):
    server = own_redis_server()
    ours, theirs = machine(server), machine(server)
    keys = [n.to_bytes(16, "big") for n in range(9)]
    leases = [ours.acquire(key) for key in keys]
    waiters = [Waiter(theirs, key) for key in keys]
    until(lambda: len(listeners(server)) == 1)
    for lease in leases:
        lease.release()
    assert not any(waiter.lease().is_lost() for waiter in waiters)
    assert len(listeners(server)) <= 1


# --- a server in trouble


def test_a_server_that_is_silent_costs_one_wait_and_one_warning(own_redis_server, machine):
    server = own_redis_server()
    leases = machine(server)
    leases.acquire(KEY).release()
    server.pause()
    with one_warning(f"{server.port}/0.* is out of reach"):
        started = time.monotonic()
        for _ in range(200):
            with leases.acquire(KEY) as lease:
                assert lease.is_lost()
            assert leases.acquire_nowait(KEY).is_lost()
            assert leases.holder(KEY) is None
        assert time.monotonic() - started < 5
    server.resume()


def test_a_server_that_is_back_is_asked_again(own_redis_server, machine):
    server = own_redis_server()
    ours = machine(server, breaker=Breaker(shortest=0.1, longest=0.1))
    server.stop()
    with pytest.warns(StagecacheWarning, match="out of reach"):
        assert ours.acquire(KEY).is_lost()
    server.start()

    def is_held():
        with ours.acquire(KEY) as lease:
            return not lease.is_lost()

    until(is_held)


def test_who_waits_is_let_go_when_the_server_is_gone(own_redis_server, machine):
    server, breaker = own_redis_server(), Breaker()
    ours = machine(server, ttl=60, breaker=breaker)
    theirs = machine(server, tick=0.05, breaker=breaker)
    lease = ours.acquire(KEY)
    waiter = Waiter(theirs)
    with one_warning("out of reach"):
        server.stop()
        assert waiter.lease().is_lost()
        lease.release()


def test_a_lease_outlives_a_short_silence_and_no_long_one(own_redis_server, machine):
    server = own_redis_server()
    leases = machine(server, ttl=6 * SHORT)
    lease = leases.acquire(KEY)
    with one_warning("out of reach"):
        server.pause()
        time.sleep(3 * SHORT)
        server.resume()
        time.sleep(6 * SHORT)
    assert not lease.is_lost()
    with one_warning("out of reach"):
        server.pause()
        until(lease.is_lost)
        server.resume()


def test_a_server_that_refuses_costs_one_warning(own_redis_server, machine):
    server = own_redis_server("--maxmemory", "1", "--maxmemory-policy", "noeviction")
    leases = machine(server)
    with one_warning("refused"):
        for _ in range(10):
            with leases.acquire(KEY) as lease:
                assert lease.is_lost()


def test_a_new_master_that_knows_of_no_lease_costs_exclusion_only(
    own_redis_server, redis_sentinel, machine
):
    master = own_redis_server()
    sentinel = redis_sentinel(master)
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/service"
    patient = {"breaker": Breaker(shortest=0.05, longest=0.05)}
    ours, theirs = machine(url, ttl=SHORT, **patient), machine(url, tick=0.05, **patient)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagecacheWarning)
        lease = ours.acquire(KEY)
        other = own_redis_server()
        sentinel.ask("SENTINEL REMOVE service")
        sentinel.ask(f"SENTINEL MONITOR service 127.0.0.1 {other.port} 1")
        master.stop()
        until(lease.is_lost)

        def is_taken():
            second = theirs.acquire(KEY)
            return not second.is_lost() and second

        until(is_taken)
        lease.release()


# --- waiting for each other


def test_machines_that_wait_for_each_other_compute_twice_rather_than_hang(redis_server):
    both_hold, lost = threading.Barrier(2), []

    def work(first, second):
        flight = Flight()
        leases = Chain(LocalLeases(None), RedisLeases(redis_server.url, tick=0.05))

        def inner():
            with leases.acquire(second) as lease:
                lost.append(lease.is_lost())

        def outer():
            with leases.acquire(first):
                both_hold.wait(PATIENCE)
                flight.run(second, inner)

        flight.run(first, outer)
        leases.close()

    results = [in_thread(lambda keys=keys: work(*keys)) for keys in ((KEY, OTHER), (OTHER, KEY))]
    for result in results:
        result()
    assert len(lost) == 2
    assert True in lost


THIRD = bytes(16)


def test_a_ring_over_files_threads_and_machines_has_an_end(redis_server, tmp_path):
    """X computes KEY and waits for its machine's Y; Y's OTHER waits for Z; and Z for KEY.

    X's thread does not even wait for a lease: another thread of its process does.
    """
    all_hold, flights, lost = threading.Barrier(3), {}, []

    def process(name, path):
        flights[name] = Flight()
        near = LocalLeases(path, tick=0.05)
        return flights[name], Chain(near, RedisLeases(redis_server.url, tick=0.05))

    x, y, z = process("x", tmp_path / "a"), process("y", tmp_path / "a"), process("z", None)

    def work(place, first, second):
        flight, leases = place

        def inner():
            with leases.acquire(second) as lease:
                lost.append(lease.is_lost())

        def outer():
            with leases.acquire(first):
                all_hold.wait(PATIENCE)
                flight.run(second, inner)

        flight.run(first, outer)

    results = [
        in_thread(lambda: work(x, KEY, OTHER)),
        in_thread(lambda: work(y, OTHER, THIRD)),
        in_thread(lambda: work(z, THIRD, KEY)),
    ]
    for result in results:
        result()
    for _, leases in (x, y, z):
        leases.close()
    assert True in lost


def test_a_thread_that_waits_for_another_thread_is_part_of_the_ring(redis_server):
    """One thread of X waits for another one's OTHER, which waits for Z's THIRD, and Z for KEY."""
    others_hold, lost = threading.Barrier(3), []
    x_flight, z_flight = Flight(), Flight()
    x_leases, z_leases = (
        Chain(LocalLeases(None), RedisLeases(redis_server.url, tick=0.05)) for _ in range(2)
    )

    def nested(flight, leases, second):
        def inner():
            with leases.acquire(second) as lease:
                lost.append(lease.is_lost())

        return lambda: flight.run(second, inner)

    def work(flight, leases, first, then):
        def outer():
            with leases.acquire(first):
                others_hold.wait(PATIENCE)
                then()

        flight.run(first, outer)

    joins = nested(x_flight, x_leases, OTHER)
    results = [
        in_thread(lambda: work(x_flight, x_leases, KEY, joins)),
        in_thread(lambda: work(x_flight, x_leases, OTHER, nested(x_flight, x_leases, THIRD))),
        in_thread(lambda: work(z_flight, z_leases, THIRD, nested(z_flight, z_leases, KEY))),
    ]
    for result in results:
        result()
    x_leases.close()
    z_leases.close()
    assert True in lost


def test_waiting_for_somebody_who_waited_is_no_ring(redis_server, machine):
    """A note of what is waited for goes when the waiting ends."""
    flight, ours, theirs = Flight(), machine(redis_server, tick=0.02), machine(redis_server)
    held = theirs.acquire(OTHER)
    waits, go = threading.Event(), threading.Event()

    def inner():
        with ours.acquire(OTHER, lambda *_: waits.set()) as lease:
            assert not lease.is_lost()

    def outer():
        with ours.acquire(KEY):
            flight.run(OTHER, inner)
            assert go.wait(PATIENCE)

    result = in_thread(lambda: flight.run(KEY, outer))
    assert waits.wait(PATIENCE)
    until(lambda: any("waits" in name for name in lease_names(redis_server)))
    held.release()
    until(lambda: not any("waits" in name for name in lease_names(redis_server)))
    go.set()
    result()


# --- what a process leaves behind


def test_ctrl_c_ends_waiting_for_another_machine(redis_server, machine):
    program = """
        import sys
        from stagecache.leases.redis import RedisLeases

        leases, say = RedisLeases(sys.argv[1], tick=1000), lambda text: print(text, flush=True)
        try:
            leases.acquire(bytes(range(16)), lambda *_: say("waiting"))
        except KeyboardInterrupt:
            say("interrupted")
        leases.close()
        """
    with machine(redis_server).acquire(KEY), other_process(program, redis_server.url) as waiter:
        assert waiter.stdout.readline() == "waiting\n"
        waiter.send_signal(signal.SIGINT)
        assert waiter.stdout.readline() == "interrupted\n"
        assert waiter.wait(PATIENCE) == 0


def test_a_forked_child_holds_nothing_and_frees_nothing(redis_server):
    program = """
        import os, sys
        from stagecache.leases.redis import RedisLeases

        key = bytes(range(16))
        leases = RedisLeases(sys.argv[1], tick=0.05)
        lease = leases.acquire(key)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            assert lease.is_lost()
            lease.release()
            told = []
            def on_wait(holder, seconds):
                assert holder.pid == os.getppid()
                if not told:
                    os.write(write, b"w")
                told.append(holder)
            with leases.acquire(key, on_wait) as mine:
                assert told and not mine.is_lost()
            leases.close()
            os._exit(0)
        assert os.read(read, 1) == b"w"
        assert not lease.is_lost()
        lease.release()
        code = os.waitpid(child, 0)[1]
        leases.close()
        sys.exit(code != 0)
        """
    with other_process(program, redis_server.url) as process:
        assert process.wait(60) == 0


def test_closing_leaves_no_thread_no_connection_and_no_name(own_redis_server, machine):
    server = own_redis_server()
    ours, theirs = RedisLeases(server.url), RedisLeases(server.url)
    kept = [ours.acquire(KEY), ours.acquire(OTHER)]
    waiter = Waiter(theirs)
    theirs.close()
    ours.close()
    assert waiter.lease().is_lost()
    assert all(lease.is_lost() for lease in kept)
    names = [thread.name for thread in threading.enumerate()]
    assert "stagecache-leases" not in names
    assert lease_names(server) == []
    until(lambda: len(server.ask("CLIENT LIST").decode().splitlines()) <= 3)


def test_leases_that_are_not_used_any_more_leave_no_thread(redis_server, machine):
    leases = machine(redis_server, ttl=SHORT)
    leases.acquire(KEY).release()
    until(lambda: "stagecache-leases" not in [each.name for each in threading.enumerate()])
    with leases.acquire(KEY) as lease:
        assert not lease.is_lost()
