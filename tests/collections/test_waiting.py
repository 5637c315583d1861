"""Who waits for a queue is woken by what others do, in whatever process, and can be stopped."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from stagecache import Cache
from stagecache.collections import hearing
from stagecache.collections.hearing import Bell, Ear
from stagecache.errors import QueueClosedError, StoreError


@pytest.fixture
def jobs(cache):
    return cache.queue("jobs")


@pytest.fixture(params=["hearing", "deaf"])
def ears(request, monkeypatch):
    """With the system's notices, and where there are none."""
    if request.param == "deaf":
        monkeypatch.setattr(hearing, "_library", lambda: None)
    return request.param


BEGINS = """
import sys
from stagecache import Cache
cache = Cache(sys.argv[1])
jobs = cache.queue("jobs")
"""


def elsewhere(cache, lines):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BEGINS + lines, cache.directory],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def in_thread(work):
    """Start a thread; return what waits for its result, or its exception."""
    results = []

    def run():
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join()
        return results[0]

    return result


@pytest.fixture
def directory(cache):
    cache.queue("any").put(1)
    cache.queue("any").get()
    return cache._means().store.items.directory


def test_a_bell_is_heard_by_all_and_as_often_as_it_is_rung(directory):
    bell = Bell(directory, "a")
    bell.ring()
    ears = [Ear(bell, directory.holders) for _ in range(2)]
    for _ in range(2):
        bell.ring()
        for ear in ears:
            ear.wait(1_000)
    for ear in ears:
        assert ear.tick == 1.0
        ear.wait(0.0)
        ear.close()
    gone = Ear(bell, directory.holders)
    assert gone.is_current()
    os.unlink(bell.path)
    assert not gone.is_current()
    gone.close()


def test_what_is_put_elsewhere_wakes_who_waits(cache, jobs, ears):
    answers = cache.queue("answers")
    lines = "answers = cache.queue('answers')\nfor _ in range(20): answers.put(jobs.get() + 1)"
    with elsewhere(cache, lines):
        for number in range(20):
            jobs.put(number)
            assert answers.get() == number + 1


def test_room_and_the_end_wake_who_waits(cache, ears):
    jobs = cache.queue("jobs", maxsize=1)
    jobs.put(1)
    with pytest.raises(queue.Full):
        jobs.put(2, timeout=0.01)
    assert not jobs.join(timeout=0.01)
    put, joined = in_thread(lambda: jobs.put(2)), in_thread(jobs.join)
    with elsewhere(
        cache, "print(jobs.get(), jobs.get()); jobs.task_done(); jobs.task_done()"
    ) as other:
        assert other.stdout.read() == "1 2\n"
    assert (put(), joined()) == (None, True)


def test_many_who_wait_get_one_each(jobs, ears):
    waiting = [in_thread(jobs.take) for _ in range(6)]
    jobs.put_many(range(6))
    assert sorted(result().value for result in waiting) == list(range(6))


def test_to_close_ends_waiting(cache, jobs, ears):
    full = cache.queue("full", maxsize=1)
    full.put(1)
    waiting = [in_thread(jobs.get), in_thread(lambda: full.put(2)), in_thread(full.join)]
    for bell in (jobs._counter.came.bell, full._counter.left.bell, full._counter.ended.bell):
        while not os.path.exists(bell.path):
            pass
    cache.close()
    for result in waiting:
        assert isinstance(result(), QueueClosedError)


def test_ctrl_c_ends_waiting_at_once_and_takes_nothing(cache, jobs):
    lines = "print('ready', flush=True)\ntry: jobs.get()\nexcept KeyboardInterrupt: print('ended')"
    with elsewhere(cache, lines) as other:
        assert other.stdout.readline() == "ready\n"
        while not os.path.exists(jobs._counter.came.bell.path):
            pass
        other.send_signal(signal.SIGINT)
        assert other.stdout.read() == "ended\n"
    jobs.put(1)
    assert jobs.take().deliveries == 1


def test_a_forked_child_waits_puts_and_takes_for_itself(cache, jobs):
    answers = cache.queue("answers")
    answers.put("parent's")
    mine = answers.take()
    waits = in_thread(answers.get)
    child = os.fork()
    if not child:
        code = 1
        try:
            answers.put(answers.qsize())
            code = 0 if jobs.get() == "for the child" else 2
            jobs.task_done()
        finally:
            os._exit(code)
    assert waits() == 0
    jobs.put("for the child")
    assert os.waitpid(child, 0)[1] == 0
    assert mine.done()


def test_what_a_forked_child_took_comes_back_when_it_dies(jobs):
    jobs.put("a")
    child = os.fork()
    if not child:
        try:
            jobs.get()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    taken = jobs.take()
    assert (taken.value, taken.deliveries) == ("a", 2)


@pytest.mark.parametrize("wait", ["get", "aget"])
def test_who_waits_where_nothing_ever_was_hears_too(tmp_path, wait):
    with Cache(tmp_path / "new") as cache:
        jobs = cache.queue("jobs")
        path = jobs._counter.came.bell.path
        work = jobs.get if wait == "get" else lambda: asyncio.run(jobs.aget())
        got = in_thread(work)
        ears: list[hearing.Ear] = []
        while not ears:
            with suppress(RuntimeError):  # another one came while they were looked through
                ears = [ear for ear in hearing._ears if path in ear._paths and ear._inodes]
        assert [ear.tick for ear in ears] == [1.0]
        jobs.put(1)
        assert got() == 1


def test_a_read_only_cache_looks_and_takes_nothing(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.queue("jobs").put_many("ab")
    with Cache(tmp_path / "c", read_only=True) as cache:
        jobs = cache.queue("jobs")
        assert (list(jobs), jobs.qsize(), jobs.peek()) == (["a", "b"], 2, "a")
        for use in (lambda: jobs.put("c"), jobs.get, jobs.clear):
            with pytest.raises(StoreError, match="read_only"):
                use()


# --- coroutines


def test_coroutines_wait_beside_each_other(cache, jobs, ears):
    full = cache.queue("full", maxsize=1)

    async def worker(done):
        while (item := await jobs.aget()) is not None:
            done.append(item)
            await jobs.atask_done()
        await jobs.atask_done()

    async def main():
        done = []
        workers = [asyncio.create_task(worker(done)) for _ in range(3)]
        for number in range(10):
            await jobs.aput(number)
        assert await jobs.ajoin()
        await jobs.aput_many([None] * 3, priority=1)
        await asyncio.gather(*workers)
        await full.aput(1)
        with pytest.raises(queue.Full):
            await full.aput(2, timeout=0.01)
        with pytest.raises(queue.Empty):
            await jobs.aget(timeout=0.01)
        with pytest.raises(queue.Empty):
            await jobs.aget(False)
        waits = asyncio.create_task(full.aput(2))
        async with await full.atake() as item:
            assert item.value == 1
        await waits
        await full.aget()
        await full.afail("no")
        assert not await full.ajoin(timeout=0.01)
        return done

    assert sorted(asyncio.run(main())) == list(range(10))


def test_task_done_is_of_the_task_that_got_it(jobs):
    async def main():
        await jobs.aput_many("ab")
        values = {}

        async def work(name, got, ends):
            values[name] = await jobs.aget()
            got.set()
            await ends.wait()
            await jobs.atask_done()

        events = {name: (asyncio.Event(), asyncio.Event()) for name in "xy"}
        tasks = {name: asyncio.create_task(work(name, *events[name])) for name in "xy"}
        for got, _ in events.values():
            await got.wait()
        events["y"][1].set()
        await tasks["y"]
        (held,) = jobs._counter.outstanding.take_all()
        assert (held.value, sorted(values.values())) == (values["x"], ["a", "b"])
        events["x"][1].set()
        with pytest.raises(ValueError, match="too many"):
            await tasks["x"]

    asyncio.run(main())


def test_who_is_cancelled_has_taken_nothing(jobs):
    async def main():
        for number in range(20):
            waits = asyncio.create_task(jobs.aget())
            await asyncio.sleep(0.001 * (number % 4))
            jobs.put(number)
            waits.cancel()
            try:
                assert await waits == number
            except asyncio.CancelledError:
                assert await jobs.aget(timeout=30) == number
            await jobs.atask_done()

    asyncio.run(main())
    assert jobs.join(0)


def test_the_first_waiter_of_a_queue_that_nobody_made_yet_is_woken(tmp_path):
    with Cache(tmp_path / "one") as one, Cache(tmp_path / "one") as other:
        got = in_thread(one.queue("new").get)
        other.queue("new").put(1)
        assert got() == 1
