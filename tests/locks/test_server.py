"""Locks among machines, by a real server; two machines are two of everything but the server."""

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import stagecache
from stagecache.errors import LockLostError, LockUnavailableError, SettingsError
from stagecache.leases.redis import RedisLeases
from stagecache.locks.locks import Locks
from stagecache.testing.locks import PATIENCE, LockContract, Other

outage = pytest.mark.filterwarnings("ignore::stagecache.StagecacheWarning")
SHORT = 0.5
"""Seconds of a lease whose end is waited for."""


class OfTeam(Locks):
    """Locks whose default is the team."""

    def lock(self, name, **how):
        return super().lock(name, **{"team": True, **how})

    def rlock(self, name, **how):
        return super().rlock(name, **{"team": True, **how})

    def semaphore(self, name, value, **how):
        return super().semaphore(name, value, **{"team": True, **how})

    def throttle(self, count, seconds, name, **how):
        return super().throttle(count, seconds, name, **{"team": True, **how})


class TestLocksOfTheTeam(LockContract):
    @pytest.fixture(autouse=True)
    def _place(self, redis_server):
        self.url = redis_server.url

    def open(self):
        return OfTeam(None, leases=RedisLeases(self.url, ttl=30))


class TestLocksOfTheTeamOnOneMachine(TestLocksOfTheTeam):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path):
        from stagecache.stores.disk import DiskStore

        self.store = DiskStore(tmp_path / "cache")
        yield
        self.store.close()

    def open(self):
        return OfTeam(self.store, leases=RedisLeases(self.url, ttl=30))


@pytest.fixture
def machine(redis_server):
    """Return what makes the locks of another machine."""
    made = []

    def make(url=None, ttl=30.0):
        made.append(OfTeam(None, leases=RedisLeases(url or redis_server.url, ttl=ttl)))
        return made[-1]

    yield make
    for locks in made:
        locks.close()


HOLDER = """
    import sys, threading
    from stagecache.leases.redis import RedisLeases
    from stagecache.locks.locks import Locks

    locks = Locks(None, leases=RedisLeases(sys.argv[1], ttl=0.5))
    lock = eval(sys.argv[2])
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
    print(lock.is_lost(), flush=True)
    """


def holder(url, expression):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(HOLDER), url, expression],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(
    "expression", ["locks.lock('a', team=True)", "locks.semaphore('a', 1, team=True)"]
)
def test_what_a_killed_process_has_is_free_on_another_machine(redis_server, machine, expression):
    process = holder(redis_server.url, expression)
    lock = eval(expression, {"locks": machine()})
    assert lock.holder().pid == process.pid
    waiting = Other(lock)
    assert not waiting.has.wait(3 * SHORT)  # it is renewed
    process.kill()
    assert waiting.has.wait(PATIENCE)
    waiting.finish()
    process.communicate()


def test_who_stood_still_for_too_long_sees_that_the_lock_is_lost(redis_server, machine):
    process = holder(redis_server.url, "locks.lock('a', team=True)")
    process.send_signal(signal.SIGSTOP)
    with machine().lock("a"):
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate("\n", timeout=PATIENCE)
    assert out == "True\n"


def test_a_lock_that_the_server_forgot_is_told_of_at_the_release(redis_server, machine):
    ours, theirs = machine(), machine()
    lock = ours.lock("a")
    lock.acquire()
    redis_server.ask("FLUSHALL")
    assert theirs.lock("a").acquire(blocking=False)
    with pytest.raises(LockLostError, match="lost"):
        lock.release()
    assert theirs.lock("a").locked()
    theirs.lock("a").release()


@outage
def test_nobody_is_let_in_while_the_server_is_out_of_reach(own_redis_server, machine):
    server = own_redis_server()
    locks = machine(server.url, ttl=SHORT)
    lock, permits = locks.lock("a"), locks.semaphore("a", 2)
    lock.acquire()
    strangers = [machine(server.url).lock("a") for _ in range(2)]
    server.stop()

    for ask in (
        strangers[0].acquire,
        lambda: asyncio.run(strangers[1].aacquire()),
        permits.acquire,
        lambda: permits.acquire(blocking=False),
        permits.locked,
        locks.throttle(1, 1, "a").wait_turn,
        lambda: asyncio.run(locks.throttle(1, 1, "a").await_turn()),
    ):
        with pytest.raises(LockUnavailableError, match="server"):
            ask()
    while not lock.is_lost():
        time.sleep(0.01)
    with pytest.raises(LockLostError):
        lock.release()


@outage
def test_who_waits_when_the_server_goes_is_told(own_redis_server, machine):
    server = own_redis_server()
    machine(server.url).lock("a").acquire()
    lock = machine(server.url).lock("a")
    answers = []

    def wait():
        try:
            lock.acquire()
        except LockUnavailableError as error:
            answers.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not lock._grounds[1].leases.keeper._waiting:
        time.sleep(0.01)
    server.stop()
    thread.join(PATIENCE)
    assert [error.name for error in answers] == ["a"]


def test_who_waits_for_one_of_many_permits_takes_one(machine):
    ours, theirs = machine(), machine()
    full = [ours.semaphore("a", 3) for _ in range(3)]
    for each in full:
        each.acquire()
    waiting = Other(theirs.semaphore("a", 3))
    assert not waiting.has.wait(0.05)
    for each in full:
        each.release()
    assert waiting.has.wait(PATIENCE)
    assert ours.semaphore("a", 3).acquire(timeout=PATIENCE)
    assert ours.semaphore("a", 3).acquire(timeout=PATIENCE)
    assert not ours.semaphore("a", 3).acquire(timeout=0.01)
    waiting.finish()


def test_caches_on_two_machines_share_the_locks_of_their_team(redis_server, tmp_path):
    places = [tmp_path / "a", ":memory:"]
    ours, theirs = [stagecache.Cache(place, redis=redis_server.url) for place in places]
    with ours, theirs:
        with ours.lock("a", team=True), ours.semaphore("b", 2, team=True):
            assert theirs.lock("a", team=True).locked()
            assert not theirs.rlock("a", team=True).acquire(timeout=0.01)
            assert theirs.semaphore("b", 2, team=True).acquire()
            assert not theirs.semaphore("b", 2, team=True).acquire(blocking=False)
            theirs.semaphore("b", 2, team=True).release()
        assert theirs.barrier("a", team=True)(lambda: 1)() == 1
        with pytest.raises(SettingsError, match="directory"):
            theirs.lock("a")
    with (
        stagecache.Cache(":memory:", redis=redis_server.url, role="reader") as reader,
        pytest.raises(SettingsError, match="writer"),
    ):
        reader.lock("a", team=True)


def test_a_lock_of_the_team_needs_a_team(tmp_path):
    with stagecache.Cache(tmp_path / "cache") as cache:
        for make in (
            lambda: cache.lock("a", team=True),
            lambda: cache.rlock("a", team=True),
            lambda: cache.semaphore("a", team=True),
            lambda: cache.throttle(1, 1, team=True),
            cache.barrier(team=True)(print),
        ):
            with pytest.raises(SettingsError, match="redis"):
                make()


def test_the_same_name_of_the_machine_and_of_the_team_are_two_locks(redis_server, tmp_path):
    from stagecache.stores.disk import DiskStore

    store = DiskStore(tmp_path / "cache")
    locks = Locks(store, leases=RedisLeases(redis_server.url))
    with locks.lock("a"), locks.lock("a", team=True), locks.rlock("b"):
        assert locks.lock("a").locked()
        assert locks.lock("a", team=True).locked()
        assert not locks.lock("b", team=True).locked()
    locks.close()
    store.close()
