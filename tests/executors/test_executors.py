"""Executors: by name, inline, and the pool of threads."""

import contextvars
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from stagecache.errors import SettingsError
from stagecache.executors.base import make
from stagecache.executors.inline import InlineExecutor
from stagecache.executors.pools import ThreadsExecutor, available_processors

PATIENCE = 30


def test_names_make_executors_that_the_caller_owns():
    for name, kind in (("inline", InlineExecutor), ("threads", ThreadsExecutor)):
        executor, is_owned = make(name, 2)
        assert isinstance(executor, kind)
        assert is_owned
        executor.shutdown()


def test_an_executor_of_the_users_stays_the_users():
    with ThreadPoolExecutor(1) as mine:
        assert make(mine, 4) == (mine, False)


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("thread", "Did you mean 'threads'"),
        ("processes", "Known names: inline, threads"),
        (ProcessPoolExecutor(1), "other processes, which is not possible yet"),
        ("dask://localhost:8786", "Known names: inline, threads"),
        (7, "not int"),
    ],
)
def test_an_unknown_executor_is_an_error_that_lists_the_known_ones(given, answer):
    with pytest.raises(SettingsError, match=answer.replace("?", r"\?")):
        make(given)


@pytest.mark.parametrize("jobs", [0, -1, "2"])
def test_jobs_below_one_are_an_error(jobs):
    with pytest.raises(SettingsError, match="jobs"):
        make("threads", jobs)


def test_nothing_of_concurrent_futures_is_imported_before_an_executor_is_made():
    code = "import sys, stagecache.executors.base; sys.exit('concurrent.futures' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_as_many_jobs_as_processors_by_default():
    assert 1 <= available_processors() <= (os.cpu_count() or 1)


@pytest.fixture(params=["inline", "threads"])
def executor(request):
    executor, _ = make(request.param, 2)
    with executor:
        yield executor


def test_results_and_exceptions_arrive_in_futures(executor):
    assert executor.submit(divmod, 7, 2).result(PATIENCE) == (3, 1)
    assert isinstance(executor.submit(divmod, 7, 0).exception(PATIENCE), ZeroDivisionError)
    assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))


def test_a_task_sees_the_context_of_its_submitter_and_changes_only_a_copy(executor):
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("submitter")
    assert executor.submit(variable.get).result(PATIENCE) == "submitter"
    if isinstance(executor, ThreadsExecutor):
        executor.submit(variable.set, "task").result(PATIENCE)
        assert variable.get() == "submitter"


def test_nothing_is_taken_after_shutdown(executor):
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


def test_an_interruption_inline_reaches_the_submitter():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        InlineExecutor().submit(interrupt)


def test_an_exit_in_a_thread_stays_in_its_future():
    with ThreadsExecutor(1) as pool:
        assert isinstance(pool.submit(sys.exit).exception(PATIENCE), SystemExit)
        assert pool.submit(int).result(PATIENCE) == 0


def test_jobs_run_at_the_same_time_and_never_more_than_asked_for():
    at_work, lock, most = set(), threading.Lock(), []
    pair = threading.Barrier(2)

    def work(number):
        with lock:
            at_work.add(number)
            most.append(len(at_work))
        pair.wait(PATIENCE)
        with lock:
            at_work.discard(number)

    with ThreadsExecutor(2) as pool:
        list(pool.map(work, range(20)))
    assert max(most) == 2


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_tasks_that_wait_for_tasks_of_their_own_never_starve(jobs):
    with ThreadsExecutor(jobs) as pool:

        def tree(depth):
            if not depth:
                return 1
            both = [pool.submit(tree, depth - 1) for _ in range(2)]
            return sum(future.result(PATIENCE) for future in both)

        assert [future.result(PATIENCE) for future in [pool.submit(tree, 4) for _ in range(6)]] == [
            16
        ] * 6


def test_a_nested_task_uses_an_idle_thread():
    with ThreadsExecutor(2) as pool:
        here = threading.get_ident
        own, nested = pool.submit(lambda: (here(), pool.submit(here).result(PATIENCE))).result()
        assert own != nested


def test_shutdown_waits_for_what_was_submitted():
    done, pool = [], ThreadsExecutor(1)
    for n in range(10):
        pool.submit(done.append, n)
    pool.shutdown()
    assert done == list(range(10))


def test_shutdown_can_cancel_what_has_not_begun():
    begun, gate, pool = threading.Event(), threading.Event(), ThreadsExecutor(1)
    running = pool.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
    waiting = [pool.submit(int) for _ in range(5)]
    assert begun.wait(PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    gate.set()
    assert running.result(PATIENCE) == (None, True)
    pool.shutdown()


def test_a_cancelled_task_does_not_run():
    gate, ran = threading.Event(), []
    with ThreadsExecutor(1) as pool:
        pool.submit(gate.wait, PATIENCE)
        future = pool.submit(ran.append, 1)
        assert future.cancel()
        gate.set()
    assert ran == []


def test_an_idle_pool_keeps_no_result_alive():
    import weakref

    class Result:
        pass

    with ThreadsExecutor(1) as pool:
        future = pool.submit(Result)
        seen = weakref.ref(future.result(PATIENCE))
        del future
        pool.submit(int).result(PATIENCE)  # the worker has put the first task away
        assert seen() is None


def test_the_block_of_an_interrupted_pool_waits_for_no_body():
    begun, gate = threading.Event(), threading.Event()
    queued: list[Future[int]] = []
    with pytest.raises(KeyboardInterrupt), ThreadsExecutor(1) as pool:  # noqa: PT012
        running = pool.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
        queued.append(pool.submit(int))
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt
    assert queued[0].cancelled()
    assert not running.done()
    gate.set()
    running.result(PATIENCE)


def exit_code_of(text):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(text)], timeout=60).returncode


def test_an_interrupted_process_ends_while_bodies_run():
    assert (
        exit_code_of(
            """
            import sys, threading
            from stagecache.executors.pools import ThreadsExecutor, available_processors
            begun = threading.Event()
            try:
                with ThreadsExecutor(2) as pool:
                    pool.submit(lambda: (begun.set(), threading.Event().wait()))
                    begun.wait()
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                sys.exit(5)
            """
        )
        == 5
    )


def test_a_pool_works_in_a_forked_child():
    assert (
        exit_code_of(
            """
            import os, sys
            from stagecache.executors.pools import ThreadsExecutor, available_processors
            pool = ThreadsExecutor(2)
            assert pool.submit(abs, -3).result() == 3
            child = os.fork()
            if child == 0:
                with pool:
                    os._exit(pool.submit(abs, -7).result())
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            """
        )
        == 7
    )
