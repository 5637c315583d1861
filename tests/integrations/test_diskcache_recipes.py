"""Locks of diskcache have an owner here, and wake who waits; what calls in is let in fairly."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from stagecache.errors import LockError
from stagecache.integrations import diskcache as dc


@pytest.fixture
def cache(tmp_path):
    with dc.Cache(tmp_path / "cache") as cache:
        yield cache


def in_a_thread(work):
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return found[0]


@pytest.mark.parametrize("kind", [dc.Lock, dc.RLock])
def test_only_who_has_a_lock_releases_it(cache, kind):
    lock = kind(cache, "a")
    with pytest.raises(AssertionError, match="un-acquired"):
        lock.release()
    with lock:
        assert isinstance(in_a_thread(kind(cache, "a").release), AssertionError)
        assert dc.Lock(cache, "a").locked()
    assert not dc.Lock(cache, "a").locked()


def test_handles_of_a_directory_have_one_lock_and_keys_of_other_types_others(cache):
    other = dc.Cache(cache.directory)
    with dc.RLock(cache, 1), dc.RLock(other, 1), dc.RLock(other, "1"), dc.RLock(other, (1,)):
        pass
    other.close()


def test_who_would_wait_for_himself_is_told_so(cache):
    with dc.Lock(cache, "a"), pytest.raises(LockError):
        dc.Lock(cache, "a").acquire()


def test_a_lock_of_a_process_that_was_killed_is_free(cache):
    code = """
import sys
from stagecache.integrations import diskcache as dc
cache = dc.Cache(sys.argv[1])
dc.Lock(cache, "a").acquire()
dc.BoundedSemaphore(cache, "b").acquire()
print("locked", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, cache.directory],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    assert dc.Lock(cache, "a").locked()
    process.kill()
    process.communicate()
    with dc.Lock(cache, "a"), dc.BoundedSemaphore(cache, "b"):
        pass


def test_a_semaphore_lets_so_many_in_and_is_not_released_too_often(cache):
    semaphore = dc.BoundedSemaphore(cache, "a", value=2)
    inside, most = [], []

    def work():
        with semaphore:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 2
    with pytest.raises(AssertionError, match="semaphore"):
        semaphore.release()


def test_a_lock_does_not_give_way_with_items(cache):
    with dc.Lock(cache, "a") as lock:
        cache.clear()
        assert lock.locked()
        assert len(cache) == 0


def test_a_throttle_is_not_begun_anew_by_who_decorates_again(cache):
    moments = []
    for _ in range(3):

        @dc.throttle(cache, 1, 0.05, name="ask")
        def ask():
            moments.append(time.monotonic())

        ask()
    assert all(later - earlier >= 0.045 for earlier, later in pairwise(moments))
    with pytest.raises(TypeError):
        dc.throttle(cache, 1, 1, time_func=time.monotonic)


@pytest.mark.parametrize("kind", [dc.Lock, dc.RLock, dc.BoundedSemaphore])
def test_a_barrier_lets_one_call_in_at_a_time(cache, kind):
    inside = []

    @dc.barrier(cache, kind)
    def work():
        inside.append(1)
        time.sleep(0.01)
        assert inside == [1]
        inside.pop()
        return True

    found = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3


def test_threads_that_add_to_an_average_lose_nothing(cache):
    average = dc.Averager(cache, "a")

    def add():
        for number in range(20):
            average.add(number)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache["a"] == (760.0, 80)
    assert average.pop() == 9.5
    assert average.get() is None
