"""Stages inside stages, in a small pool, in rings and cancelled, while leases are on a server: each
goes on or raises an error that says why."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from stagecache import pipeline, stage
from stagecache.errors import LeaseError
from stagecache.fingerprint.reads import recording

PATIENCE = 60


@pytest.fixture(autouse=True)
def gives_all_leases_back(redis_server):
    """Whatever a test does, in the end nobody holds anything on the server."""
    yield
    with redis.Redis.from_url(redis_server.url) as client:
        assert [name for name in client.scan_iter() if b"lease" in name] == []


@pytest.fixture
def tree(ran):
    """A stage that asks for others, which ask for others again; two ask for the same."""

    @stage
    def leaf(n: int) -> int:
        ran.append(f"leaf {n}")
        return n

    @stage
    def middle(n: int) -> int:
        ran.append(f"middle {n}")
        return leaf(n % 3) + leaf(n % 2)

    @stage
    def top(n: int) -> int:
        ran.append(f"top {n}")
        return middle(n) + middle(n - 1)

    return top


def at_once(*works):
    """Run each in a thread of its own; return their results or errors."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
        return [future.exception(PATIENCE) or future.result() for future in futures]


def test_stages_inside_stages_run_once_each_for_all_machines(host, redis_server, tree, ran):
    with host("one", redis=redis_server.url):
        assert tree(5) == 4
    once = ["top 5", "middle 5", "leaf 2", "leaf 1", "middle 4", "leaf 0"]
    assert ran == once
    with host("other", redis=redis_server.url):
        assert tree(5) == 4
        assert ran == once
        assert tree(6) == 3
    assert ran == [*once, "top 6", "middle 6"]


def test_a_stage_may_ask_for_itself_with_other_arguments(host, redis_server, ran):
    @stage
    def count(n: int) -> int:
        ran.append(n)
        return 0 if n == 0 else 1 + count(n - 1)

    with host("one", redis=redis_server.url):
        assert count(3) == 3
    with host("other", redis=redis_server.url):
        assert count(5) == 5
    assert ran == [3, 2, 1, 0, 5, 4]


def test_a_stage_that_needs_its_own_result_is_an_error_that_names_the_ring(host, redis_server, ran):
    @stage
    def ring(n: int) -> int:
        ran.append(n)
        return ring((n + 1) % 3)

    for name in ("one", "other"):  # an error is kept for nobody
        with host(name, redis=redis_server.url), pytest.raises(LeaseError, match="ring"):
            ring(0)
    assert ran == [0, 1, 2] * 2


def test_a_pool_of_two_gets_through_stages_inside_stages(host, redis_server, tree, ran):
    @pipeline(executor="threads", jobs=2)
    def job(numbers: list[int]):
        return [tree(n) for n in numbers]

    def on(name):
        with host(name, redis=redis_server.url):
            return job(list(range(1, 9)))

    wanted = [sum(m % 3 + m % 2 for m in (n, n - 1)) for n in range(1, 9)]
    names = [f"top {n}" for n in range(1, 9)]
    names += [f"middle {n}" for n in range(9)] + [f"leaf {n}" for n in range(3)]
    assert at_once(lambda: on("one"), lambda: on("other")) == [wanted] * 2
    assert sorted(ran) == sorted(names)
    assert on("third") == wanted
    assert sorted(ran) == sorted(names)


def test_rings_in_a_pool_of_two_are_errors_on_every_machine(host, redis_server, ran):
    @stage
    def ring(n: int) -> int:
        ran.append(n)
        return ring((n + 1) % 4)

    @pipeline(executor="threads", jobs=2)
    def job():
        return [ring(n) for n in range(4)]

    def on(name):
        with host(name, redis=redis_server.url):
            return job()

    errors = at_once(lambda: on("one"), lambda: on("other"))
    assert [type(error) for error in errors] == [LeaseError] * 2
    assert set(ran) == {0, 1, 2, 3}


def test_machines_that_wait_for_each_other_both_go_on(host, redis_server, ran):
    both = threading.Barrier(2)

    @stage(ignore=("is_first",))
    def left(is_first: bool) -> str:
        ran.append("left")
        if is_first:
            both.wait(PATIENCE)
            right(False)
        return "left"

    @stage(ignore=("is_first",))
    def right(is_first: bool) -> str:
        ran.append("right")
        if is_first:
            both.wait(PATIENCE)
            left(False)
        return "right"

    def on(name, work):
        with host(name, redis=redis_server.url):
            return work(True)

    assert at_once(lambda: on("one", left), lambda: on("other", right)) == ["left", "right"]
    # One of them saw that it would wait for ever, and computed what the other one was at.
    assert sorted(ran) in (["left", "left", "right"], ["left", "right", "right"])


@pytest.fixture
def slow(ran):
    """An async stage inside of another; `step` is awaited by the inner one."""

    @stage(ignore=("step",))
    async def inner(n: int, step: object) -> int:
        ran.append("inner")
        await step()
        return n

    @stage(ignore=("step",))
    async def outer(n: int, step: object) -> int:
        ran.append("outer")
        return 2 * await inner(n, step)

    return outer


@pytest.fixture
def another_machine(host, redis_server):
    """Return what calls an async stage on another machine, and sets an event while it waits."""

    def call(work, waits):
        # What it does is seen by nobody's body, as it would not be on another machine.
        with recording(None), host("other", redis=redis_server.url) as other:
            other.listen(lambda event: waits.set() if event.kind == "waiting" else None)
            return asyncio.run(work())

    return lambda work, waits: asyncio.create_task(asyncio.to_thread(call, work, waits))


@pytest.mark.parametrize("cancelled", ["the first", "one who waits", "all but one", "all"])
def test_who_is_cancelled_takes_no_other_caller_along(
    host, redis_server, slow, another_machine, ran, cancelled
):
    victims = {
        "the first": [0], "one who waits": [3], "all but one": [0, 1, 2, 3], "all": [*range(5)],
    }[cancelled]  # fmt: skip
    entered, waits = threading.Event(), threading.Event()

    async def main():
        go = asyncio.Event()

        async def step():
            entered.set()
            await go.wait()

        with host("one", redis=redis_server.url):
            tasks = [asyncio.create_task(slow(4, step)) for _ in range(5)]
            assert await asyncio.to_thread(entered.wait, PATIENCE)
            far = another_machine(lambda: slow(4, step), waits)
            assert await asyncio.to_thread(waits.wait, PATIENCE)
            for victim in victims:
                tasks[victim].cancel()
            await asyncio.sleep(0)
            go.set()
            ends = asyncio.gather(*tasks, far, return_exceptions=True)
            return await asyncio.wait_for(ends, PATIENCE)

    ends = asyncio.run(main())
    assert [type(ends[n]) for n in victims] == [asyncio.CancelledError] * len(victims)
    assert {end for n, end in enumerate(ends) if n not in victims} == {8}
    assert ran == ["outer", "inner"]


def test_an_error_is_shared_by_those_who_wait_here_and_kept_for_nobody(
    host, redis_server, slow, ran
):
    async def main(name):
        entered, go = asyncio.Event(), asyncio.Event()

        async def step():
            entered.set()
            await go.wait()
            raise ValueError(name)

        with host(name, redis=redis_server.url):
            tasks = [asyncio.create_task(slow(4, step)) for _ in range(3)]
            await asyncio.wait_for(entered.wait(), PATIENCE)
            tasks[0].cancel()
            go.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    for name in ("one", "other"):
        ends = asyncio.run(main(name))
        assert [type(end) for end in ends] == [asyncio.CancelledError, ValueError, ValueError]
    assert ran == ["outer", "inner"] * 2
