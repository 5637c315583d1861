"""Locks among the processes of one machine."""

import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

import stagecache
from stagecache.errors import LockLostError, LockUnavailableError, SettingsError
from stagecache.leases import lockfile, strict
from stagecache.locks.locks import Locks
from stagecache.stores.disk import DiskStore
from stagecache.testing.locks import PATIENCE, LockContract, Other

needs_lock_file = pytest.mark.skipif(not lockfile.IS_SUPPORTED, reason="no OFD locks here")


class TestLocksOfTheMachine(LockContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.store = DiskStore(tmp_path / "cache")
        yield
        self.store.close()

    def open(self):
        return Locks(self.store)


class TestLocksOfTheMachineWithoutByteLocks(TestLocksOfTheMachine):
    names_others = False

    @pytest.fixture(autouse=True)
    def _other_system(self, monkeypatch):
        monkeypatch.setattr(strict, "IS_SUPPORTED", False)


def python(text, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLDER = """
    import os, sys, threading
    from stagecache import Cache

    cache = Cache(sys.argv[1])
    lock = eval(sys.argv[2])
    lock.acquire()
    if sys.argv[3] == "orphan" and os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
    print("held", flush=True)
    threading.Event().wait()
    """


@needs_lock_file
@pytest.mark.parametrize("orphan", ["alone", "orphan"])
@pytest.mark.parametrize(
    "expression", ["cache.lock('a')", "cache.rlock('a')", "cache.semaphore('a', 1)"]
)
def test_what_a_killed_process_has_is_free_even_if_it_left_a_child(tmp_path, expression, orphan):
    holder = python(HOLDER, tmp_path / "cache", expression, orphan)
    assert holder.stdout.readline() == "held\n"
    with stagecache.Cache(tmp_path / "cache") as cache:
        lock = eval(expression, {"cache": cache})
        assert lock.holder().pid == holder.pid
        waiting = Other(lock)
        assert not waiting.has.wait(0.05)
        holder.kill()
        assert waiting.has.wait(PATIENCE)
        waiting.finish()
    holder.stdin.close()
    holder.stdout.close()
    assert holder.wait() == -signal.SIGKILL


def test_a_forked_child_has_nothing_and_frees_nothing(tmp_path):
    process = python(
        """
        import os, sys, warnings
        from stagecache import Cache
        from stagecache.errors import NotHeldError

        warnings.simplefilter("ignore")
        with Cache(sys.argv[1]) as cache:
            lock, rlock, permits = cache.lock("a"), cache.rlock("b"), cache.semaphore("c", 1)
            all_three = lock, rlock, permits
            for each in all_three:
                each.acquire()
            child = os.fork()
            if child == 0:
                for each in all_three:
                    assert each.is_lost() and each.locked()
                    assert each.holder().pid == os.getppid()
                    assert not each.acquire(blocking=False)
                    try:
                        each.release()
                    except NotHeldError:
                        pass
                    else:
                        os._exit(1)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            for each in all_three:
                assert not each.is_lost()
                each.release()
            child = os.fork()
            if child == 0:
                for each in all_three:
                    assert each.acquire(blocking=False)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert not any(each.locked() for each in all_three)
        """,
        tmp_path / "cache",
    )
    process.communicate(timeout=60)
    assert process.returncode == 0


@needs_lock_file
def test_threads_of_one_process_do_not_keep_a_lock_among_themselves(tmp_path):
    crowd = python(
        """
        import sys, threading
        from stagecache import Cache

        cache, told = Cache(sys.argv[1]), threading.Event()
        def work():
            while True:
                with cache.lock("a"):
                    if not told.is_set():
                        told.set()
                        print("busy", flush=True)
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        sys.stdin.readline()
        """,
        tmp_path / "cache",
    )
    with stagecache.Cache(tmp_path / "cache") as cache:
        assert crowd.stdout.readline() == "busy\n"
        for _ in range(20):
            assert cache.lock("a").acquire(timeout=PATIENCE)
            cache.lock("a").release()
    crowd.communicate("\n", timeout=PATIENCE)
    assert crowd.returncode == 0


@needs_lock_file
def test_ctrl_c_ends_waiting(tmp_path):
    with stagecache.Cache(tmp_path / "cache") as cache:
        with cache.lock("a"), cache.semaphore("a", 1):
            waiter = python(
                """
                import os, sys
                from stagecache import Cache

                with Cache(sys.argv[1]) as cache:
                    for lock in (cache.lock("a"), cache.semaphore("a", 1)):
                        try:  # not print: a stream that is interrupted may repeat itself
                            os.write(1, b"waiting\\n")
                            lock.acquire()
                        except KeyboardInterrupt:
                            os.write(1, b"interrupted\\n")
                """,
                tmp_path / "cache",
            )
            for _ in range(2):
                assert waiter.stdout.readline() == "waiting\n"
                waiter.send_signal(signal.SIGINT)
                assert waiter.stdout.readline() == "interrupted\n"
            waiter.communicate(timeout=PATIENCE)
        assert waiter.returncode == 0
        assert cache.lock("a").acquire(blocking=False)
        cache.lock("a").release()


@needs_lock_file
def test_who_has_a_lock_whose_file_was_removed_is_told_that_it_is_lost(tmp_path):
    with (
        stagecache.Cache(tmp_path / "cache") as cache,
        stagecache.Cache(tmp_path / "cache") as other,
    ):
        lock, waiting = cache.lock("a"), []
        lock.acquire()
        waiting = Other(cache.lock("a"))
        shutil.rmtree(tmp_path / "cache")
        assert lock.is_lost()
        with other.lock("a") as theirs:
            assert not theirs.is_lost()
            with pytest.raises(LockLostError, match="removed"):
                lock.release()
            assert not waiting.has.wait(0.05)  # it waits for the new file's
        assert waiting.has.wait(PATIENCE)
        waiting.finish()


def test_without_a_place_to_lock_in_there_is_no_lock(tmp_path):
    with stagecache.Cache(":memory:") as cache:
        for make in (
            lambda: cache.lock("a"),
            lambda: cache.rlock("a"),
            lambda: cache.semaphore("a"),
            lambda: cache.throttle(1, "1s"),
        ):
            with pytest.raises(SettingsError, match="directory"):
                make()
    (tmp_path / "there").mkdir()
    with (
        stagecache.Cache(tmp_path / "there", read_only=True) as cache,
        pytest.raises(SettingsError, match="read_only"),
    ):
        cache.lock("a")


def test_a_directory_that_cannot_be_made_is_an_error_not_a_lock(tmp_path):
    (tmp_path / "file").write_text("")
    with stagecache.Cache(tmp_path / "file") as cache:
        for ask in (
            cache.lock("a").acquire,
            cache.lock("a").locked,
            lambda: cache.lock("a").acquire(blocking=False),
            cache.semaphore("a", 2).acquire,
            cache.throttle(1, 1, "a").wait_turn,
        ):
            with pytest.raises(LockUnavailableError, match=r"(?s)Lock 'a'.*directory"):
                ask()


def test_a_lock_makes_the_directory_like_a_result_does(tmp_path):
    with stagecache.Cache(tmp_path / "cache") as cache:
        assert not cache.lock("a").locked()
        assert not (tmp_path / "cache").exists()
        with cache.lock("a"):
            assert (tmp_path / "cache" / "CACHEDIR.TAG").exists()

        @stagecache.stage
        def made() -> list[int]:
            return [1]

        assert made() == [1]
        assert made.is_cached()


def test_who_locks_while_the_directory_is_made_does_not_make_it_suspect(tmp_path):
    layout = tmp_path / "cache" / "v1"
    layout.mkdir(parents=True, mode=0o700)
    with stagecache.Cache(tmp_path / "cache") as early, early.lock("a"):
        assert (layout / "locks").stat().st_size
        with stagecache.Cache(tmp_path / "cache") as cache, cache.lock("b"):
            cache.index("numbers")["one"] = 1  # that makes the token
            assert cache.private


def test_one_at_a_time_passes_a_barrier_and_may_call_itself(tmp_path):
    inside, most = [], []

    with stagecache.Cache(tmp_path / "cache") as cache:

        @cache.barrier("b")
        def rebuild(depth):
            inside.append(threading.get_ident())
            most.append(len(set(inside)))
            if depth:
                rebuild(depth - 1)
            inside.pop()

        threads = [threading.Thread(target=rebuild, args=(3,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert max(most) == 1
        assert len(most) == 16
        assert not cache.rlock("b").locked()

        @cache.barrier(value=2)
        def pair():
            return cache.semaphore(f"{__name__}:{pair.__qualname__}", 2).acquire(blocking=False)

        assert pair()
        assert not pair()


def test_a_barrier_and_a_throttle_are_for_coroutine_functions_and_not_for_generators(tmp_path):
    import asyncio

    with stagecache.Cache(tmp_path / "cache") as cache:
        steps = []

        @cache.throttle(100, "1s")
        @cache.barrier()
        async def work(name):
            steps.append(name)
            await asyncio.sleep(0)
            steps.append(name)

        async def main():
            await asyncio.gather(*map(work, "abcd"))

        asyncio.run(main())
        assert steps[0::2] == steps[1::2]

        def rows():
            yield 1

        for decorate in (cache.barrier(), cache.throttle(1, 1)):
            with pytest.raises(TypeError, match="rows"):
                decorate(rows)


def test_processes_together_are_not_let_in_more_often_than_a_throttle_says(tmp_path):
    caller = """
        import sys, time
        from stagecache import Cache

        with Cache(sys.argv[1]) as cache:
            ask = cache.throttle(4, 0.2, "api")(time.monotonic)
            print("ready", flush=True)
            sys.stdin.readline()
            print(*[ask() for _ in range(5)])
        """
    processes = [python(caller, tmp_path / "cache") for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    times = []
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        times += map(float, out.split())
    times.sort()
    # A caller may be held up after it was let in, so only long distances prove something: from
    # the first to the last of n calls at least (n - 1) // count windows lie, less one such delay.
    assert times[-1] - times[0] >= (len(times) - 1) // 4 * 0.2 - 0.15
