"""Single flight over threads and event loops of one process."""

import asyncio
import contextvars
import gc
import os
import queue
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.errors import LeaseError
from stagecache.leases import inflight
from stagecache.leases.base import Holder, this_host
from stagecache.leases.computing import Computation, computing, refuse_cycle
from stagecache.leases.flight import Flight
from stagecache.testing.sequencer import Sequencer

A, B, C = (bytes([n]) * 16 for n in range(3))
PATIENCE = 30


class Watched(Flight):
    """A flight that says when somebody begins to wait."""

    def __init__(self):
        super().__init__()
        self.waits = threading.Semaphore(0)

    def _join(self, call, outer):
        running = super()._join(call, outer)
        if running is not call or call.loop is not None:  # a task waits for its own, too
            self.waits.release()
        return running


def together(*works):
    """Run each in a thread; return their results or exceptions."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
        return [future.exception(PATIENCE) or future.result() for future in futures]


def test_who_waits_is_told_for_whom_and_who_computes_is_not():
    flight, told = Flight(), queue.SimpleQueue()

    def call(name):
        return flight.run(A, told.get, on_wait=lambda *said: told.put((name, *said)))

    holder, _ = together(lambda: call("one"), lambda: call("other"))[0][1:]
    assert holder == Holder(os.getpid(), this_host(), holder.since)


def test_a_task_that_waits_for_another_is_told_for_whom():
    flight, told = Flight(), []

    async def both():
        is_told = asyncio.Event()

        def on_wait(*said):
            told.append(said)
            is_told.set()

        calls = [flight.run_async(A, is_told.wait, on_wait=on_wait) for _ in range(2)]
        return await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)

    assert asyncio.run(both()) == [True, True]
    [(holder, seconds)] = told
    assert holder.pid == os.getpid()
    assert seconds >= 0


def test_of_many_threads_one_computes_and_all_get_the_very_result():
    flight, computed = Watched(), []

    def compute():
        for _ in range(7):
            assert flight.waits.acquire(timeout=PATIENCE)
        computed.append([])
        return computed[0]

    results = together(*[lambda: flight.run(A, compute)] * 8)
    assert len(computed) == 1
    assert all(result is computed[0] for result in results)


def test_an_exception_is_shared_with_the_waiters_and_kept_for_nobody():
    flight = Watched()

    def fail():
        for _ in range(3):
            assert flight.waits.acquire(timeout=PATIENCE)
        raise KeyError(A)

    errors = together(*[lambda: flight.run(A, fail)] * 4)
    assert isinstance(errors[0], KeyError)
    assert all(error is errors[0] for error in errors)
    assert flight.run(A, lambda: 1) == 1


def test_a_finished_computation_is_not_kept():
    flight = Flight()
    assert [flight.run(A, lambda n=n: n) for n in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_caller_leaves_the_work_to_a_waiter(interruption):
    flight = Watched()

    def interrupted():
        assert flight.waits.acquire(timeout=PATIENCE)
        raise interruption

    begun = threading.Event()

    def first():
        with pytest.raises(interruption):
            flight.run(A, lambda: (begun.set(), interrupted()))

    def second():
        assert begun.wait(PATIENCE)
        return flight.run(A, lambda: "done")

    assert together(first, second) == [None, "done"]


def test_different_keys_do_not_wait_for_each_other():
    flight, both = Flight(), threading.Barrier(2)
    works = [lambda key=key: flight.run(key, lambda: both.wait(PATIENCE)) for key in (A, B)]
    assert sorted(together(*works)) == [0, 1]


def test_a_computation_may_compute_other_keys():
    flight = Flight()
    assert flight.run(A, lambda: flight.run(B, lambda: flight.run(C, lambda: 3)) + 1) == 4
    assert computing.get() == ()


def test_recursion_is_an_error_that_names_the_cycle():
    flight = Flight()

    def inner():
        return flight.run(A, int, name="clean")

    def outer():
        return flight.run(B, inner, name="summary")

    with pytest.raises(LeaseError, match="clean -> summary -> clean"):
        flight.run(A, outer, name="clean")
    assert flight.run(A, lambda: 1) == 1


def test_recursion_is_found_through_another_flight_and_through_a_lost_context():
    flight = Flight()
    with pytest.raises(LeaseError):
        flight.run(A, lambda: Flight().run(A, int))
    with pytest.raises(LeaseError):
        flight.run(A, lambda: contextvars.Context().run(flight.run, A, int))


def test_recursion_through_a_thread_of_the_body_is_found():
    flight = Flight()

    def body():
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(context.run, flight.run, A, int).result(PATIENCE)

    with pytest.raises(LeaseError):
        flight.run(A, body)


def test_a_thread_that_a_body_leaves_behind_may_ask_for_its_key_again():
    flight, left = Flight(), []
    flight.run(A, lambda: left.append(contextvars.copy_context()))
    assert left[0].run(flight.run, A, lambda: 2) == 2


def test_two_threads_that_wait_for_each_other_get_an_error_instead_of_a_hang():
    flight, both = Flight(), threading.Barrier(2)

    def work(first, second):
        def body():
            both.wait(PATIENCE)
            return flight.run(second, int)

        return flight.run(first, body)

    results = together(lambda: work(A, B), lambda: work(B, A))
    assert any(isinstance(result, LeaseError) for result in results)


def test_a_deadlock_over_three_threads_and_two_flights_is_found():
    one, two, all_three = Flight(), Flight(), threading.Barrier(3)

    def work(first, flight, second, other):
        def body():
            all_three.wait(PATIENCE)
            return other.run(second, int)

        return flight.run(first, body)

    results = together(
        lambda: work(A, one, B, two), lambda: work(B, two, C, one), lambda: work(C, one, A, one)
    )
    assert any(isinstance(result, LeaseError) for result in results)


def test_two_bodies_that_share_what_they_need_are_no_deadlock():
    flight, both = Flight(), threading.Barrier(2)

    def work(key):
        def body():
            both.wait(PATIENCE)
            return flight.run(C, lambda: 7)

        return flight.run(key, body)

    assert together(lambda: work(A), lambda: work(B)) == [7, 7]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_in_any_interleaving_callers_get_what_the_computation_they_joined_returned(data):
    """Draw an order of (caller asks for a key) and (computation ends), then play it."""
    callers = data.draw(st.integers(2, 6))
    keys = [data.draw(st.sampled_from([A, B])) for _ in range(callers)]
    waiting_to_ask, leaders, order, expected = list(range(callers)), {}, [], {}
    while waiting_to_ask or leaders:
        choices = [("ask", n) for n in waiting_to_ask] + [("end", n) for n in leaders.values()]
        kind, caller = data.draw(st.sampled_from(choices))
        order.append((kind, caller))
        if kind == "ask":
            waiting_to_ask.remove(caller)
            expected[caller] = leaders.setdefault(keys[caller], caller)
        else:
            del leaders[keys[caller]]
    fails = data.draw(st.sets(st.sampled_from(range(callers))))

    sequencer = Sequencer()
    ask = {n: sequencer(step) for step, (kind, n) in enumerate(order) if kind == "ask"}
    end = {n: sequencer(step) for step, (kind, n) in enumerate(order) if kind == "end"}
    own_step = threading.local()

    class Stepping(Flight):
        def _join(self, call, outer):
            running = super()._join(call, outer)
            if running is not call:
                own_step.value.done()
            return running

    flight, gave = Stepping(), {}

    def compute(caller):
        own_step.value.done()
        end[caller].__enter__()
        if caller in fails:
            raise KeyError(caller)
        return caller

    def call(caller):
        with ask[caller] as own_step.value:
            try:
                gave[caller] = flight.run(keys[caller], lambda: compute(caller))
            except KeyError as error:
                gave[caller] = error.args[0]
        if caller in end:  # the step ends when everybody sees that the key is free
            end[caller].__exit__(None, None, None)

    together(*[lambda n=n: call(n) for n in range(callers)])
    assert gave == expected
    assert not flight._calls


# --- how those who wait are woken


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["waits", "gives up", "gives up when woken"]), max_size=8))
def test_whoever_leaves_the_line_wakes_the_next_one(line):
    """Nobody looks by itself here whether it is over."""
    flight, waiting, over = Flight(), threading.Semaphore(0), threading.Event()

    def compute():
        for _ in line:
            assert waiting.acquire(timeout=PATIENCE)
        return "result"

    def wait(how):
        def on_wait(*_):
            waiting.release()
            if how == "gives up when woken":
                assert over.wait(PATIENCE)
            if how != "waits":
                raise KeyboardInterrupt

        try:
            return flight.run(A, compute, on_wait=on_wait)
        except KeyboardInterrupt:
            return how

    def lead():
        result = flight.run(A, lambda: (begun.set(), compute())[1])
        over.set()
        return result

    begun = threading.Event()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(9) as pool:
        patch.setattr(inflight, "_TICK", PATIENCE)
        leader = pool.submit(lead)
        assert begun.wait(PATIENCE)
        waiters = [pool.submit(wait, how) for how in line]
        got = [waiter.result(PATIENCE / 2) for waiter in waiters]
        assert leader.result(PATIENCE) == "result"
    assert got == ["result" if how == "waits" else how for how in line]


def test_a_waiter_that_is_held_up_delays_the_others_a_moment_only(monkeypatch):
    monkeypatch.setattr(inflight, "_TICK", 0.02)
    flight, is_held_up, others_have_it = Flight(), threading.Event(), threading.Event()
    are_waiting = threading.Semaphore(0)

    def compute():
        for _ in range(3):
            assert are_waiting.acquire(timeout=PATIENCE)
        return "result"

    def first():
        def on_wait(*_):
            if not is_held_up.is_set():
                is_held_up.set()
                are_waiting.release()
            assert others_have_it.wait(PATIENCE)

        return flight.run(A, compute, on_wait=on_wait)

    def another():
        assert is_held_up.wait(PATIENCE)
        told = []
        return flight.run(
            A, compute, on_wait=lambda *_: told or (told.append(1), are_waiting.release())
        )

    begun = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        leader = pool.submit(flight.run, A, lambda: (begun.set(), compute())[1])
        assert begun.wait(PATIENCE)
        waits_first = pool.submit(first)
        others = [pool.submit(another) for _ in range(2)]
        assert [other.result(PATIENCE) for other in others] == ["result"] * 2
        others_have_it.set()
        assert [waits_first.result(PATIENCE), leader.result(PATIENCE)] == ["result"] * 2


def test_an_error_of_who_is_told_now_and_then_reaches_the_task_that_waits(monkeypatch):
    monkeypatch.setattr(inflight, "_TICK", 0.01)

    async def main():
        flight, gate, said = Flight(), asyncio.Event(), []

        def on_wait(holder, seconds):
            said.append(seconds)
            if len(said) == 3:
                raise KeyError(A)

        leader = asyncio.create_task(flight.run_async(A, gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(KeyError):
            await asyncio.wait_for(flight.run_async(A, gate.wait, on_wait=on_wait), PATIENCE)
        gate.set()
        assert await leader
        assert sorted(said) == said

    asyncio.run(main())


# --- event loops


def test_of_many_coroutines_one_computes():
    flight, computed = Flight(), []

    async def compute():
        await asyncio.sleep(0)
        computed.append([])
        return computed[0]

    async def main():
        return await asyncio.gather(*[flight.run_async(A, compute) for _ in range(20)])

    results = asyncio.run(main())
    assert len(computed) == 1
    assert all(result is computed[0] for result in results)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=50))
def test_cancelling_callers_harms_no_other_caller(cancelled):
    flight, computed = Watched(), []

    async def main():
        gate = asyncio.Event()

        async def compute():
            await gate.wait()
            computed.append(1)
            return "result"

        tasks = [asyncio.create_task(flight.run_async(A, compute)) for _ in cancelled]
        while not all(flight.waits.acquire(blocking=False) for _ in tasks[:1]):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task, is_cancelled in zip(tasks, cancelled, strict=True):
            if is_cancelled:
                task.cancel()
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

    results = asyncio.run(main())
    assert computed == [1]
    for result, is_cancelled in zip(results, cancelled, strict=True):
        if is_cancelled:
            assert isinstance(result, asyncio.CancelledError)
        else:
            assert result == "result"
    assert not flight._calls


def test_a_cancelled_computation_is_taken_over_by_a_waiter_on_another_loop():
    flight, begun = Watched(), threading.Event()

    async def endless():
        begun.set()
        await asyncio.Event().wait()

    async def leader():
        asyncio.create_task(flight.run_async(A, endless))  # noqa: RUF006 - ends with the loop
        while not begun.is_set():
            await asyncio.sleep(0)
        assert flight.waits.acquire(timeout=PATIENCE)  # our own
        assert await asyncio.to_thread(flight.waits.acquire, timeout=PATIENCE)  # the other's

    async def other():
        assert await asyncio.to_thread(begun.wait, PATIENCE)

        async def quick():
            return "mine"

        return await flight.run_async(A, quick)

    assert together(lambda: asyncio.run(leader()), lambda: asyncio.run(other())) == [None, "mine"]


def test_a_computation_that_cancels_itself_does_not_go_on_for_ever():
    async def cancelled():
        raise asyncio.CancelledError

    async def main():
        flight = Flight()
        return await asyncio.gather(
            *[flight.run_async(A, cancelled) for _ in range(3)], return_exceptions=True
        )

    assert all(isinstance(error, asyncio.CancelledError) for error in asyncio.run(main()))


def test_a_task_that_is_cancelled_before_its_first_step_leaves_nothing_behind():
    async def never():
        raise AssertionError

    async def main():
        flight = Flight()
        caller = asyncio.create_task(flight.run_async(A, never))
        await asyncio.sleep(0)
        flight._calls[A].task.cancel()
        await asyncio.wait([caller], timeout=PATIENCE)
        assert caller.cancelled()
        assert not flight._calls

    asyncio.run(main())


def test_threads_and_loops_share_one_computation():
    flight, computed = Watched(), []

    def compute():
        for _ in range(2):
            assert flight.waits.acquire(timeout=PATIENCE)
        computed.append(1)
        return "result"

    begun = threading.Event()

    async def ask():
        async def wrong():
            raise AssertionError

        return await flight.run_async(A, wrong)

    def later(work):
        assert begun.wait(PATIENCE)
        return work()

    results = together(
        lambda: flight.run(A, lambda: (begun.set(), compute())[1]),
        lambda: later(lambda: asyncio.run(ask())),
        lambda: later(lambda: flight.run(A, lambda: "wrong")),
    )
    assert results == ["result"] * 3
    assert computed == [1]


def test_a_thread_waits_for_a_coroutine():
    flight = Watched()

    async def main():
        async def compute():
            while not flight.waits.acquire(blocking=False):
                await asyncio.sleep(0)
            return "result"

        asking = asyncio.create_task(flight.run_async(A, compute))
        await asyncio.sleep(0)
        assert flight.waits.acquire(blocking=False)
        assert await asyncio.to_thread(flight.run, A, lambda: "wrong") == "result"
        return await asking

    assert asyncio.run(main()) == "result"


def test_blocking_the_loop_that_computes_means_computing_a_second_time():
    async def main():
        flight, gate = Flight(), asyncio.Event()

        async def compute():
            await gate.wait()
            return "first"

        asking = asyncio.create_task(flight.run_async(A, compute))
        await asyncio.sleep(0)
        assert flight.run(A, lambda: "second") == "second"
        gate.set()
        assert await asking == "first"

    asyncio.run(main())


def test_a_computation_on_a_loop_that_has_stopped_is_not_waited_for():
    flight, loop = Flight(), asyncio.new_event_loop()

    async def main():
        asyncio.create_task(flight.run_async(A, asyncio.Event().wait))  # noqa: RUF006
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert flight.run(A, lambda: "mine") == "mine"
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_coroutines_nest_and_their_recursion_is_an_error():
    async def main():
        flight = Flight()

        async def leaf():
            return 1

        async def both():
            return sum(await asyncio.gather(flight.run_async(B, leaf), flight.run_async(C, leaf)))

        assert await flight.run_async(A, both) == 2

        async def again():
            return await flight.run_async(A, leaf)

        with pytest.raises(LeaseError):
            await flight.run_async(A, again)
        assert not flight._calls

    asyncio.run(main())


def test_a_failure_that_nobody_waits_for_any_more_is_silent():
    async def main():
        flight, gate = Flight(), asyncio.Event()

        async def fail():
            await gate.wait()
            raise KeyError(A)

        caller = asyncio.create_task(flight.run_async(A, fail))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        caller.cancel()
        gate.set()
        while flight._calls:
            await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()


# --- memory and fork


def test_a_failed_computation_keeps_nothing_alive():
    class Big:
        pass

    import weakref

    flight, seen = Flight(), []

    def fail():
        big = Big()
        seen.append(weakref.ref(big))
        raise KeyError(A)

    gc.disable()
    try:
        with pytest.raises(KeyError):
            flight.run(A, fail)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_forked_child_waits_for_no_thread_of_its_parent():
    forking = """
        import os, sys, threading
        from stagecache.leases.flight import Flight

        flight, key, begun, over = Flight(), bytes(16), threading.Event(), threading.Event()
        work = lambda: flight.run(key, lambda: (begun.set(), over.wait()))
        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        child = os.fork()
        if child == 0:
            os._exit(flight.run(key, lambda: 42))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        over.set()
        thread.join()
        sys.exit(code)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(forking)], timeout=60)
    assert done.returncode == 42


def test_who_does_not_wait_computes_only_what_nobody_computes():
    flight, entered, go = Flight(), threading.Event(), threading.Event()

    def compute():
        entered.set()
        assert go.wait(PATIENCE)
        return "first"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight.run_nowait, A, compute)
        assert entered.wait(PATIENCE)
        assert flight.run_nowait(A, lambda: "second") is None
        assert asyncio.run(flight.run_async_nowait(A, None)) is None
        assert flight.run_nowait(B, lambda: "other") == "other"
        joined = pool.submit(flight.run, A, lambda: "third")
        go.set()
        assert first.result(PATIENCE) == "first"
        assert joined.result(PATIENCE) in ("first", "third")
    assert flight.run_nowait(A, lambda: "later") == "later"


def test_who_does_not_wait_is_told_of_a_recursion_and_leaves_nothing_after_an_error():
    flight = Flight()
    with pytest.raises(LeaseError, match="waits for its own result"):
        flight.run_nowait(A, lambda: flight.run_nowait(A, int))
    with pytest.raises(ZeroDivisionError):
        flight.run_nowait(A, lambda: 1 / 0)
    assert flight.run(A, lambda: 1) == 1


def test_a_coroutine_that_does_not_wait_is_waited_for_and_outlives_its_caller():
    async def main():
        flight, entered, go = Flight(), asyncio.Event(), asyncio.Event()

        async def compute():
            entered.set()
            await go.wait()
            return "first"

        first = asyncio.create_task(flight.run_async_nowait(A, compute))
        await asyncio.wait_for(entered.wait(), PATIENCE)
        assert await flight.run_async_nowait(A, compute) is None
        joined = asyncio.create_task(flight.run_async(A, compute))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert await flight.run_async_nowait(A, compute) is None
        go.set()
        assert await asyncio.wait_for(joined, PATIENCE) == "first"

    asyncio.run(main())


def test_a_thread_that_has_finished_what_others_still_wake_from_is_not_what_they_wait_for():
    running, done = Computation(A), Computation(B)
    running.thread = -1
    running.needs.append(done)  # its thread goes on before the waiter has parted from it
    with pytest.raises(LeaseError):
        refuse_cycle(running, Computation(C))
    done.is_done = True
    refuse_cycle(running, Computation(C))
