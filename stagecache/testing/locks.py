"""What locks of every ground must do: a contract to subclass in a test of one's own."""
# ruff: noqa: D102 - the names are the promises

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from stagecache.errors import LockError, LockLostError, NotHeldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.locks.acquiring import Acquirable
    from stagecache.locks.locks import Locks

PATIENCE = 30.0

Raised = TypeVar("Raised", bound=Exception)


class Other(threading.Thread):
    """A thread that acquires something, and releases it when told to.

    Parameters
    ----------
    lock : Acquirable
        What.
    """

    def __init__(self, lock: Acquirable) -> None:
        super().__init__(daemon=True)
        self.lock = lock
        self.has = threading.Event()
        self.may_go = threading.Event()
        self.start()

    def run(self) -> None:
        with self.lock:
            self.has.set()
            self.may_go.wait(PATIENCE)

    def finish(self) -> None:
        self.may_go.set()
        self.join(PATIENCE)
        assert not self.is_alive()


def elsewhere(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, or the exception that it raises, in another thread."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(work())
        except Exception as error:  # noqa: BLE001 - it is the answer
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    return answers[0]


def _raised(kind: type[Raised], work: Callable[[], object]) -> Raised:
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was to be raised")


class LockContract(ABC):
    """Promises of what :class:`~stagecache.locks.locks.Locks` makes.

    Subclass it in a test file, name the class ``Test...``, and say how locks are made.
    """

    names_others = True
    """Whether it is known which process has something."""

    @abstractmethod
    def open(self) -> Locks:
        """Return the locks of the same place, each time as if another process asked for them."""

    def test_one_process_at_a_time_has_a_lock(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lock, same = ours.lock("a"), theirs.lock("a")
            assert lock.acquire()
            assert lock.locked()
            assert same.locked()
            assert not same.acquire(blocking=False)
            assert not same.acquire(timeout=0.01)
            other = Other(same)
            assert not other.has.wait(0.05)
            lock.release()
            assert other.has.wait(PATIENCE)
            assert lock.locked()
            assert not lock.acquire(blocking=False)
            other.finish()
            assert not lock.locked()
            assert not same.locked()
            assert same.acquire(blocking=False)
            same.release()

    def test_one_thread_at_a_time_has_a_lock_whoever_made_it(self) -> None:
        with closing(self.open()) as locks:
            with locks.lock("a"):
                others = [Other(locks.lock("a")) for _ in range(3)]
                assert elsewhere(lambda: locks.lock("a").acquire(timeout=0.01)) is False
            for _ in range(3):
                having: list[Other] = []
                while not having:
                    having = [other for other in others if other.has.wait(0.01)]
                assert len(having) == 1
                others.remove(having[0])
                having[0].finish()

    def test_locks_of_other_names_and_kinds_do_not_wait_for_each_other(self) -> None:
        with closing(self.open()) as locks:
            made = locks.lock("a"), locks.lock("b"), locks.semaphore("a", 1)
            for each in made:
                assert each.acquire(blocking=False)
            locks.throttle(1, 60, "a").wait_turn()

    def test_only_who_acquired_a_lock_can_release_it(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lock = ours.lock("a")
            with lock:
                assert isinstance(elsewhere(lock.release), NotHeldError)
                assert isinstance(elsewhere(theirs.lock("a").release), NotHeldError)
                assert _raised(NotHeldError, theirs.lock("a").release).name == "a"
                assert not lock.is_lost()
                assert theirs.lock("a").is_lost()
                assert not theirs.lock("a").acquire(blocking=False)
            assert isinstance(elsewhere(lock.release), NotHeldError)

    def test_a_lock_that_is_not_of_a_thread_is_released_by_any_thread_of_its_process(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lock = ours.lock("a", thread_local=False)
            lock.acquire()
            assert isinstance(elsewhere(theirs.lock("a", thread_local=False).release), NotHeldError)
            assert elsewhere(lock.release) is None
            assert theirs.lock("a").acquire(blocking=False)

    def test_an_exception_releases(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            try:
                with ours.lock("a"), ours.semaphore("a", 1):
                    raise KeyError  # noqa: TRY301 - the block is what is tested
            except KeyError:
                pass
            assert theirs.lock("a").acquire(blocking=False)
            assert theirs.semaphore("a", 1).acquire(blocking=False)

    def test_who_would_wait_for_itself_is_told_so(self) -> None:
        with closing(self.open()) as locks, locks.lock("a") as lock:
            assert "rlock" in str(_raised(LockError, lock.acquire))
            assert not lock.acquire(blocking=False)
            assert not lock.acquire(timeout=0.01)

    def test_who_has_an_rlock_acquires_it_again_and_releases_it_as_often(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lock = ours.rlock("a")
            for _ in range(3):
                assert ours.rlock("a").acquire()
            for _ in range(3):
                assert not theirs.rlock("a").acquire(blocking=False)
                assert elsewhere(lambda: lock.acquire(blocking=False)) is False
                assert isinstance(elsewhere(lock.release), NotHeldError)
                lock.release()
            assert theirs.rlock("a").acquire(blocking=False)
            assert isinstance(elsewhere(lock.release), NotHeldError)
            theirs.rlock("a").release()

    def test_a_semaphore_has_as_many_permits_as_it_was_given(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            mine, same = ours.semaphore("a", 3), theirs.semaphore("a", 3)
            assert mine.acquire()
            assert not mine.locked()
            assert same.acquire()
            assert mine.acquire(blocking=False)
            assert mine.locked()
            assert same.locked()
            assert not mine.acquire(blocking=False)
            assert not same.acquire(timeout=0.01)
            other = Other(same)
            assert not other.has.wait(0.05)
            assert elsewhere(mine.release) is None  # any thread of a process
            assert other.has.wait(PATIENCE)
            mine.release()
            assert isinstance(elsewhere(mine.release), NotHeldError)
            same.release()
            other.finish()
            assert isinstance(elsewhere(same.release), NotHeldError)
            for _ in range(3):
                assert mine.acquire(timeout=PATIENCE)
            assert not mine.acquire(blocking=False)

    def test_a_permit_is_for_one_of_those_who_wait(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            mine, same = ours.semaphore("a", 2), theirs.semaphore("a", 2)
            with mine, mine:
                others = [Other(same), Other(mine), Other(same)]
            for _ in range(3):
                having: list[Other] = []
                while not having:
                    having = [other for other in others if other.has.wait(0.01)]
                assert len(having) <= 2
                others.remove(having[0])
                having[0].finish()

    def test_the_holder_is_named(self) -> None:
        import os

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            assert theirs.lock("a").holder() is None
            with ours.lock("a"):
                for locks in (ours, theirs):
                    holder = locks.lock("a").holder()
                    assert holder is not None
                    assert holder.pid in ((os.getpid(),) if self.names_others else (os.getpid(), 0))
            assert theirs.lock("a").holder() is None
            with ours.semaphore("a", 2) as semaphore:
                assert theirs.semaphore("a", 2).holder() is None
                with semaphore:
                    holder = theirs.semaphore("a", 2).holder()
                    assert holder is not None
                    assert holder.pid in ((os.getpid(),) if self.names_others else (os.getpid(), 0))

    def test_what_is_closed_is_lost_and_that_is_told(self) -> None:
        with closing(self.open()) as theirs:
            ours = self.open()
            lock = ours.lock("a")
            lock.acquire()
            waiting = Other(theirs.lock("a"))
            assert not waiting.has.is_set()
            ours.close()
            assert waiting.has.wait(PATIENCE)
            assert lock.is_lost()
            assert _raised(LockLostError, lock.release).name == "a"
            waiting.finish()

    def test_an_error_in_the_block_is_not_hidden_by_that_of_a_lost_lock(self) -> None:
        locks = self.open()

        def block() -> None:
            with locks.lock("a"):
                locks.close()
                raise KeyError("the user's")

        assert "lost" in _raised(KeyError, block).__notes__[0]

    def test_coroutines_wait_without_blocking_their_loop(self) -> None:
        async def main(ours: Locks, theirs: Locks) -> None:
            steps: list[str] = []
            may_go = asyncio.Event()

            async def work(locks: Locks, name: str) -> None:
                async with locks.lock("a"):
                    steps.append(name)
                    await may_go.wait()
                    steps.append(name)

            tasks = [
                asyncio.create_task(work(locks, name))
                for locks, name in ((ours, "x"), (theirs, "y"), (ours, "z"))
            ]
            while not steps:
                await asyncio.sleep(0.001)
            assert not await theirs.lock("a").aacquire(blocking=False)
            assert not await ours.lock("a").aacquire(timeout=0.01)
            may_go.set()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
            assert steps[0::2] == steps[1::2]
            assert await theirs.lock("a").aacquire(blocking=False)
            await theirs.lock("a").arelease()

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            asyncio.run(main(ours, theirs))

    def test_a_lock_belongs_to_the_task_that_acquired_it(self) -> None:
        async def main(locks: Locks) -> None:
            lock = locks.rlock("a")
            async with lock, lock:

                async def other() -> list[bool]:
                    taken = await lock.aacquire(blocking=False)
                    try:
                        await lock.arelease()
                    except NotHeldError:
                        return [taken, False]
                    return [taken, True]

                assert await asyncio.create_task(other()) == [False, False]

                async def blocking() -> LockError:
                    return _raised(LockError, lock.acquire)

                assert "async with" in str(await asyncio.create_task(blocking()))
            assert not lock.locked()

        with closing(self.open()) as locks:
            asyncio.run(main(locks))

    def test_a_cancelled_coroutine_keeps_nothing(self) -> None:
        async def main(ours: Locks, theirs: Locks) -> None:
            makes: list[Callable[[Locks], Acquirable]]
            makes = [lambda locks: locks.lock("a"), lambda locks: locks.semaphore("a", 1)]
            for make in makes:
                async with make(ours):
                    task = asyncio.create_task(make(theirs).aacquire())
                    await asyncio.sleep(0.05)
                    task.cancel()
                    await asyncio.wait([task])
                    assert task.cancelled()
                assert await make(ours).aacquire(timeout=PATIENCE)
                await make(ours).arelease()

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            asyncio.run(main(ours, theirs))

    def test_a_throttle_counts_the_calls_of_all(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            slept: list[float] = []
            throttles = [locks.throttle(3, 60.0, "a") for locks in (ours, theirs, ours, theirs)]
            for throttle in throttles[:3]:
                throttle._sleep = slept.append
                throttle.wait_turn()
            assert slept == []

            def sleep(seconds: float) -> None:
                slept.append(seconds)
                raise KeyError

            throttles[3]._sleep = sleep
            for _ in range(2):  # who sleeps and goes away costs nobody anything
                _raised(KeyError, throttles[3].wait_turn)
            assert all(0 < seconds <= 60 for seconds in slept)

    def test_what_cannot_be_meant_is_an_error_at_the_call(self) -> None:
        with closing(self.open()) as locks:
            wrongs: list[tuple[Callable[[], object], type[Exception]]] = [
                (lambda: locks.lock(""), TypeError),
                (lambda: locks.lock(3), TypeError),  # type: ignore[arg-type]
                (lambda: locks.semaphore("a", 0), ValueError),
                (lambda: locks.semaphore("a", 2.0), ValueError),  # type: ignore[arg-type]
                (lambda: locks.semaphore("a", 100_000), ValueError),
                (lambda: locks.throttle(0, 1, "a"), ValueError),
                (lambda: locks.throttle(1, 1, ""), TypeError),
                (lambda: locks.lock("a").acquire(timeout=-2), ValueError),
                (lambda: locks.lock("a").acquire(blocking=False, timeout=1), ValueError),
            ]
            for wrong, kind in wrongs:
                _raised(kind, wrong)
            assert not locks.lock("a").locked()
