"""A Queue is a queue.Queue that lasts: leases, redelivery, priorities, bounds, dead letters."""

from __future__ import annotations

import copy
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from stagecache import Cache
from stagecache.collections import DeadLetter
from stagecache.collections.queue import Queue
from stagecache.collections.queues import Queues
from stagecache.errors import (
    DecodeError,
    EncodeError,
    LeaseError,
    QueueClosedError,
    SettingsError,
    StagecacheWarning,
    StoreError,
)
from stagecache.testing.clock import FakeClock


@pytest.fixture
def jobs(cache):
    return cache.queue("jobs")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def timed(cache, clock):
    """Open queues on a clock that is set by hand; each call is another worker."""

    def open_(**settings):
        means = cache._means()._replace(clock=clock)
        queues = Queues(means)
        opened.append(queues)
        how = {"visibility": 60.0, "max_deliveries": 3, **settings}
        return Queue(queues.open("timed", {}), means, **how)

    opened = []
    yield open_
    for queues in opened:
        queues.close()


def drain(jobs):
    found = []
    while True:
        try:
            found.append(jobs.get_nowait())
        except queue.Empty:
            return found
        jobs.task_done()


BEGINS = """
import sys
from stagecache import Cache
jobs = Cache(sys.argv[1]).queue("jobs")
"""


@pytest.fixture
def worker(cache):
    """Start a process that runs lines of Python with the queue `jobs`; it ends with the test."""
    started = []

    def start(lines):
        program = f"{BEGINS}\n{lines}"
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, cache.directory],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


# --- a queue


def test_it_has_the_face_of_a_queue(jobs):
    plain = queue.Queue()
    for line in (jobs, plain):
        for value in ("a", [1], None):
            line.put(value)
        assert (line.qsize(), line.empty(), line.full(), line.maxsize) == (3, False, False, 0)
        assert [line.get(), line.get(True, 1), line.get_nowait()] == ["a", [1], None]
        with pytest.raises(queue.Empty):
            line.get_nowait()
        with pytest.raises(queue.Empty):
            line.get(timeout=0.001)
        with pytest.raises(ValueError, match="non-negative"):
            line.get(timeout=-1)
        for _ in range(3):
            line.task_done()
        with pytest.raises(ValueError, match="too many times"):
            line.task_done()
        line.join()
    assert list(jobs) == []


def test_it_lasts(tmp_path):
    with Cache(tmp_path / "c") as cache:
        cache.queue("jobs", maxsize=3).put_many([1, b"x" * 50_000])
    with Cache(tmp_path / "c") as cache:
        jobs = cache.queue("jobs")
        assert jobs.maxsize == 3
        assert drain(jobs) == [1, b"x" * 50_000]
        assert list((tmp_path / "c/v1/collections/blobs").rglob("*/*")) == []


def test_lower_priorities_are_taken_first_and_each_in_order(jobs):
    for number in range(3):
        for priority in (0, 7, -65_535, 65_535):
            jobs.put((priority, number), priority=priority)
    wanted = [(p, n) for p in (-65_535, 0, 7, 65_535) for n in range(3)]
    assert list(jobs) == wanted
    assert list(reversed(jobs)) == wanted[::-1]
    assert jobs.peek() == wanted[0]
    assert drain(jobs) == wanted
    with pytest.raises(queue.Empty):
        jobs.peek()


def test_what_was_put_off_is_taken_when_it_is_due(timed, clock):
    jobs = timed()
    jobs.put("later", delay="1m")
    jobs.put("now")
    assert jobs.stats()[:4] == (1, 0, 1, 0)
    assert drain(jobs) == ["now"]
    assert jobs.empty()
    clock.advance(60)
    assert not jobs.empty()
    assert drain(jobs) == ["later"]


def test_many_are_put_at_once_or_not_at_all(jobs):
    with pytest.raises(EncodeError, match="lock"):
        jobs.put_many([1, threading.Lock()])
    with pytest.raises(EncodeError, match="lock"):
        jobs.put(threading.Lock())
    with pytest.raises(ZeroDivisionError):
        jobs.put_many(1 / n for n in (1, 0))
    jobs.put_many([])
    assert jobs.empty()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda jobs: jobs.put(1, priority="high"), lambda jobs: jobs.put(1, priority=True),
        lambda jobs: jobs.put(1, priority=1.0), lambda jobs: jobs.put(1, priority=65_536),
        lambda jobs: jobs.put(1, timeout="soon"), lambda jobs: jobs.put(1, timeout=-1),
        lambda jobs: jobs.put(1, delay="soon"), lambda jobs: jobs.put(1, delay=-1),
        lambda jobs: jobs.get(timeout=True), lambda jobs: jobs.get(timeout=float("nan")),
        lambda jobs: jobs.get(visibility="soon"), lambda jobs: jobs.join(timeout="soon"),
        lambda jobs: jobs.retry("all"), lambda jobs: jobs.discard(1),
    ],
)  # fmt: skip
def test_wrong_types_are_errors_at_the_call(jobs, wrong):
    with pytest.raises((TypeError, ValueError, SettingsError)):
        wrong(jobs)
    assert jobs.empty()


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxsize": -1}, {"maxsize": True}, {"maxsize": "1"}, {"visibility": "soon"},
        {"max_deliveries": 0}, {"max_deliveries": 1.5},
    ],
)  # fmt: skip
def test_wrong_settings_are_errors_at_the_call(cache, wrong):
    with pytest.raises(SettingsError):
        cache.queue("jobs", **wrong)


def test_what_it_was_made_with_is_kept_and_another_one_refused(cache, tmp_path):
    cache.queue("jobs", maxsize=2).put(1)
    with Cache(tmp_path / "cache") as other:
        with pytest.raises(SettingsError, match=r"maxsize=2.*maxsize=3"):
            other.queue("jobs", maxsize=3)
        with pytest.raises(SettingsError, match="no deque"):
            other.deque("jobs")
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="by its name"):
            copied(cache.queue("jobs"))


def test_a_bound_holds_for_who_opened_it_before_it_was_made(cache, tmp_path):
    with Cache(tmp_path / "cache") as other:
        early, early_deque = other.queue("jobs"), other.deque("line")
        cache.queue("jobs", maxsize=1).put(1)
        cache.deque("line", maxlen=1).append(1)
        with pytest.raises(queue.Full):
            early.put_nowait(2)
        early_deque.append(2)
        assert (early.maxsize, list(early_deque)) == (1, [2])


# --- leases


def test_what_is_not_finished_in_time_is_taken_by_another_one(timed, clock):
    one, other = timed(), timed()
    one.put_many("ab")
    slow = one.take()
    assert (slow.value, slow.deliveries) == ("a", 1)
    clock.advance(59)
    assert other.get() == "b"
    clock.advance(1)
    again = other.take()
    assert (again.value, again.deliveries) == ("a", 2)
    assert not slow.done()
    assert not slow.extend()
    assert not slow.fail("too late")
    assert again.done()
    one.put("c")
    with pytest.warns(StagecacheWarning, match="lease of 60 s"), one.take():  # noqa: PT031
        clock.advance(60)
        assert [other.get_nowait(), other.get_nowait()] == ["b", "c"]


def test_a_lease_is_extended(timed, clock):
    one, other = timed(), timed()
    one.put("a")
    with one.take(visibility=10) as item:
        for _ in range(5):
            clock.advance(9)
            assert item.extend()
            assert other.empty()
        assert item.extend("1h")
        clock.advance(3_599)
        assert other.empty()
    assert not one._line.is_unfinished()


def test_an_item_that_comes_back_comes_to_its_own_place(timed, clock):
    jobs = timed()
    jobs.put_many([1, 2, 3])
    jobs.put("high", priority=-1)
    held = [jobs.take() for _ in range(3)]
    assert held[2].release()
    jobs.put(4)
    assert held[1].fail("no")
    assert held[0].release()
    assert list(jobs) == ["high", 1, 2, 3, 4]
    assert jobs.take().deliveries == 1
    assert jobs.take().deliveries == 2


WORKERS = {
    "killed": "jobs.get(); print('has it', flush=True); sys.stdin.read()",
    "ended": "jobs.get(); print('has it', flush=True)",
    "killed in a block": ("with jobs.take(): print('has it', flush=True); sys.stdin.read()"),
}


@pytest.mark.parametrize("what", WORKERS)
def test_what_a_dead_worker_had_is_taken_by_who_waits(jobs, worker, what):
    jobs.put_many(["a", "b"])
    process = worker(WORKERS[what])
    assert process.stdout.readline() == "has it\n"
    if what != "ended":
        assert jobs.get_nowait() == "b"
        jobs.task_done()
        got = []
        waiting = threading.Thread(target=lambda: got.append(jobs.take()))
        waiting.start()
        process.kill()
        waiting.join()
        assert (got[0].value, got[0].deliveries) == ("a", 2)
    else:
        process.wait()
        assert sorted([jobs.get(), jobs.get()]) == ["a", "b"]


def test_a_live_child_of_a_dead_worker_keeps_nothing(jobs, worker):
    jobs.put("a")
    process = worker(
        "import os, time\njobs.get()\n"
        "if not os.fork():\n    print(os.getpid(), flush=True); time.sleep(60)\n"
        "sys.stdin.read()"
    )
    orphan = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        assert jobs.get(timeout=30) == "a"
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_who_closes_gives_back_what_was_taken(tmp_path):
    one, other = Cache(tmp_path / "c"), Cache(tmp_path / "c")
    jobs = one.queue("jobs")
    jobs.put_many("ab")
    assert jobs.get() == "a"
    assert one.queue("jobs").get() == "b"
    jobs.close()
    assert other.queue("jobs").get(timeout=30) == "a"
    other.close()
    with pytest.raises(QueueClosedError):
        jobs.put(1)
    one.close()


def test_thousands_may_be_taken_and_not_finished(jobs):
    jobs.put_many(range(1_000))
    held = [jobs.take() for _ in range(500)]
    assert [each.value for each in held] == list(range(500))
    for each in held[::2]:
        assert each.done()
    for each in held[1::2]:
        assert each.extend()
        assert each.release()
    assert drain(jobs) == [*range(1, 500, 2), *range(500, 1_000)]
    assert jobs.join(0)


# --- failures


def test_who_has_many_finishes_each_once_wherever_it_stands_by_then(jobs):
    jobs.put_many(range(200))
    taken = [jobs.take() for _ in range(150)]  # some are moved aside
    assert all(item.done() for item in reversed(taken))
    assert not any(item.done() for item in taken)
    assert (jobs.stats().taken, jobs.qsize(), jobs.get()) == (0, 50, 150)


def test_what_fails_again_and_again_is_given_up_with_its_error(timed, clock):
    jobs = timed()
    jobs.put("bad", priority=3)
    jobs.put("good", priority=4)
    for number in range(3):
        with pytest.raises(ValueError, match="bad"), jobs.take() as item:  # noqa: PT012
            assert (item.value, item.deliveries) == ("bad", number + 1)
            int(item.value)
    assert drain(jobs) == ["good"]
    assert jobs.join(timeout=0)
    assert jobs.stats()[:4] == (0, 0, 0, 1)
    (letter,) = jobs.dead_letters()
    assert (letter.value, letter.deliveries, letter.when) == ("bad", 3, clock.now())
    assert str(letter.error).startswith("ValueError: invalid literal")
    assert "int(item.value)" in letter.error.traceback
    assert str(os.getpid()) in letter.error.where
    assert jobs.retry(letter) == 1
    assert jobs.retry(letter) == 0
    assert jobs.dead_letters() == []
    with jobs.take() as item:
        assert (item.value, item.deliveries) == ("bad", 1)


def test_got_items_fail_too_after_a_while_perhaps(timed, clock):
    jobs = timed()
    jobs.put("a")
    jobs.get()
    jobs.fail("the server is busy", delay=30)
    assert jobs.empty()
    clock.advance(30)
    jobs.get()
    jobs.fail(OSError("gone"))
    jobs.get()
    jobs.fail(OSError("gone for good"))
    (letter,) = jobs.dead_letters()
    assert str(letter.error) == "OSError: gone for good"
    with pytest.raises(ValueError, match="too many times"):
        jobs.fail("nothing")
    jobs.put("b")
    with pytest.raises(TypeError, match="exception or a text"):
        jobs.take().fail(5)


def test_an_item_that_kills_its_workers_is_given_up(cache, worker):
    jobs = cache.queue("jobs", max_deliveries=2)
    jobs.put("poison")
    for _ in range(2):
        process = worker(WORKERS["killed"])
        assert process.stdout.readline()
        process.kill()
        process.wait()
    assert jobs.empty()
    (letter,) = jobs.dead_letters()
    assert (letter.value, letter.deliveries) == ("poison", 2)
    assert str(letter.error) == "its worker ended before it was finished"


def test_a_lease_that_ends_too_often_gives_up_as_well(timed, clock):
    jobs = timed()
    jobs.put("slow")
    for _ in range(3):
        jobs.take()
        clock.advance(60)
    assert jobs.empty()
    assert "its lease ended" in str(jobs.dead_letters()[0].error)


def test_dead_letters_are_tried_again_or_let_go(timed):
    jobs = timed(max_deliveries=1)
    jobs.put_many(range(4))
    for number in range(4):
        jobs.get()
        jobs.fail(f"error {number}")
    letters = jobs.dead_letters()
    assert [letter.value for letter in letters] == [0, 1, 2, 3]
    assert isinstance(letters[0], DeadLetter)
    assert jobs.discard(letters[0]) == 1
    assert jobs.retry(letters[2], letters[0]) == 1
    assert drain(jobs) == [2]
    assert jobs.retry() == 2
    assert drain(jobs) == [1, 3]
    assert jobs.discard() == 0


def test_what_ends_the_program_gives_an_item_back_as_it_was(jobs):
    jobs.put("a")
    for _ in range(7):
        with pytest.raises(KeyboardInterrupt), jobs.take():
            raise KeyboardInterrupt
    assert jobs.take().deliveries == 1


def test_an_item_that_cannot_be_decoded_here_has_failed(cache, monkeypatch):
    jobs = cache.queue("jobs", max_deliveries=2)
    jobs.put_many([np.arange(3), "next"])

    def refuse(*_, **__):
        raise ImportError("not here")

    monkeypatch.setattr(pickle, "loads", refuse)
    for _ in range(2):
        with pytest.raises(DecodeError, match="'jobs'"):
            jobs.get()
    assert jobs.get() == "next"
    (letter,) = jobs.dead_letters()
    with pytest.raises(DecodeError):
        letter.value
    monkeypatch.undo()
    assert letter.value.tolist() == [0, 1, 2]


def test_a_damaged_item_is_told_of_and_keeps_nobody_from_the_others(cache):
    jobs = cache.queue("jobs", max_deliveries=1)
    jobs.put_many(["a", "b"])
    items = jobs._line.collection
    items.change(
        f"UPDATE {items.table} SET seal = 7 WHERE id = (SELECT min(id) FROM {items.table})"
    )
    with pytest.raises(StoreError, match="damaged"):
        jobs.get()
    assert jobs.get() == "b"
    assert "damaged" in str(jobs.dead_letters()[0].error)
    assert [problem.kind for problem in cache.verify(repair=True)] == ["item"]
    assert jobs.dead_letters() == []


def test_task_done_is_of_the_thread_that_got_it(jobs):
    jobs.put_many("ab")
    assert jobs.get() == "a"
    refused = []

    def other():
        try:
            jobs.task_done()
        except ValueError as error:
            refused.append(error)
        refused.append(jobs.get())
        jobs.task_done()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "another thread" in str(refused[0])
    assert refused[1] == "b"
    jobs.task_done()
    assert jobs.join(0)


# --- together with others


def test_an_item_and_its_result_are_one(cache, jobs):
    results = cache.index("results")
    jobs.put(3)
    item = jobs.take()
    with pytest.raises(ZeroDivisionError), jobs.transact():  # noqa: PT012
        results[item.value] = 9
        item.done()
        jobs.put("follows")
        raise ZeroDivisionError
    assert (dict(results), jobs.empty()) == ({}, True)
    with jobs.transact():
        results[item.value] = 9
        assert item.done()
        jobs.put("follows")
    assert (dict(results), drain(jobs)) == ({3: 9}, ["follows"])


def test_nobody_waits_inside_of_a_transaction(cache, jobs):
    full = cache.queue("full", maxsize=1)
    full.put(1)
    with jobs.transact():
        for wait in (jobs.get, lambda: full.put(2), full.join):
            with pytest.raises(LeaseError, match="transaction"):
                wait()
        with pytest.raises(queue.Empty):
            jobs.get_nowait()
        with pytest.raises(queue.Full):
            full.put_nowait(2)


def test_all_of_it_can_be_forgotten_and_is_counted(cache, jobs):
    small = cache.queue("small", max_deliveries=1)
    small.put_many(["a", "b", "c"])
    small.put("later", delay=60)
    small.get()
    small.get()
    small.fail("no")
    assert small.stats() == (1, 1, 1, 1, 8)
    assert [tuple(each) for each in cache.collections()] == [("small", "queue", 4, 8)]
    assert cache.verify() == []
    small.clear()
    assert small.stats() == (0, 0, 0, 0, 0)
    assert repr(small) == "Queue('small')"


def test_what_is_saved_of_a_damaged_file_is_where_it_was(tmp_path):
    values = [b"%d" % number * 200 for number in range(900)]
    with Cache(tmp_path / "c") as cache:
        jobs = cache.queue("jobs", max_deliveries=1)
        jobs.put_many(values[:300], priority=-2)
        jobs.put_many(values[300:600], priority=5)
        jobs.put_many(values[600:700], delay="1d")
        jobs.put_many(values[700:750], priority=-3)
        held = [jobs.take() for _ in range(50)]
        for item in held:
            item.fail("no")
    path = tmp_path / "c" / "v1" / "collections" / "items.db"
    pages = path.read_bytes()
    with path.open("r+b") as stream:
        for value in (values[150], values[450]):
            stream.seek(pages.index(value) // 4096 * 4096)
            stream.write(os.urandom(4096))
    with Cache(tmp_path / "c") as cache:
        jobs = cache.queue("jobs")
        with pytest.warns(StagecacheWarning, match=r"'jobs': \d+ items saved"):  # noqa: PT031
            list(jobs)
            jobs.put(b"new", priority=100)
        found = list(jobs)
        assert found == [value for value in [*values[:600], b"new"] if value in found]
        assert len(found) > 560
        assert jobs.stats()[1:4] == (0, 100, 50)
        assert cache.verify() == []


def test_each_item_is_taken_once_in_the_order_of_its_producer(jobs, worker, cache):
    producers = [worker(f"for n in range(150): jobs.put(({name}, n))") for name in range(2)]
    consumers = [
        worker(
            "import queue\n"
            "while (item := jobs.get()) is not None:\n"
            "    print(*item); jobs.task_done()\n"
            "jobs.task_done()"
        )
        for _ in range(2)
    ]
    for producer in producers:
        assert producer.wait() == 0, producer.stderr.read()
    jobs.put_many([None, None])
    outputs = [consumer.communicate()[0].splitlines() for consumer in consumers]
    taken = [tuple(map(int, line.split())) for output in outputs for line in output]
    assert sorted(taken) == [(name, n) for name in range(2) for n in range(150)]
    for output in outputs:
        for name in range(2):
            mine = [line for line in output if line.startswith(f"{name} ")]
            assert mine == sorted(mine, key=lambda line: int(line.split()[1]))
    assert jobs.join(0)
    assert cache.verify() == []
