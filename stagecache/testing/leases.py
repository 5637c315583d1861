"""What every kind of lease must do: a contract to subclass in a test of one's own."""
# ruff: noqa: D102 - the names are the promises

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING

from stagecache.model import Key

if TYPE_CHECKING:
    from stagecache.leases.base import Holder, Leases

KEY = Key(bytes(range(16)))
OTHER = Key(bytes(range(16, 32)))
PATIENCE = 30.0


class _Asker(threading.Thread):
    """A thread that asks for a key, holds it, and gives it back when told to."""

    def __init__(self, leases: Leases, key: Key, *, hears: bool = False) -> None:
        super().__init__(daemon=True)
        self.leases = leases
        self.key = key
        self.hears = hears
        self.has_heard = False
        self.holders: list[Holder | None] = []
        self.waits = threading.Event()
        self.got = threading.Event()
        self.may_go = threading.Event()
        self.was_lost: bool | None = None
        self.start()

    def run(self) -> None:
        def on_wait(holder: Holder | None, seconds: float) -> None:
            assert seconds >= 0
            self.holders.append(holder)
            self.waits.set()

        acquire = self.leases.acquire_or_hear if self.hears else self.leases.acquire
        lease = acquire(self.key, on_wait)
        if lease is None:
            self.has_heard = True
            self.got.set()
            return
        with lease:
            self.was_lost = lease.is_lost()
            self.got.set()
            self.may_go.wait(PATIENCE)

    def finish(self) -> None:
        self.may_go.set()
        self.join(PATIENCE)
        assert not self.is_alive()


class LeaseContract(ABC):
    """Promises of :class:`~stagecache.leases.base.Leases`.

    Subclass it in a test file, name the class ``Test...``, and say how leases are made.
    """

    @abstractmethod
    def open(self) -> Leases:
        """Return leases of the same place, each time as if another process asked for them."""

    def test_a_key_is_held_by_one_process_at_a_time(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lease = ours.acquire(KEY)
            asker = _Asker(theirs, KEY)
            assert asker.waits.wait(PATIENCE)
            assert not asker.got.is_set()
            lease.release()
            assert asker.got.wait(PATIENCE)
            asker.finish()
            assert asker.was_lost is False

    def test_who_hears_of_a_result_can_have_the_key_all_the_same(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lease = ours.acquire(KEY)
            asker = _Asker(theirs, KEY, hears=True)
            assert asker.waits.wait(PATIENCE)
            lease.say_published()
            lease.release()
            assert asker.got.wait(PATIENCE)
            asker.finish()
            with theirs.acquire(KEY) as again:
                assert not again.is_lost()

    def test_nobody_hears_what_its_holder_did_not_say(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            with ours.acquire(KEY) as earlier:
                earlier.say_published()
            lease = ours.acquire(KEY)
            asker = _Asker(theirs, KEY, hears=True)
            assert asker.waits.wait(PATIENCE)
            assert not asker.got.is_set()
            lease.release()
            assert asker.got.wait(PATIENCE)
            asker.finish()
            assert not asker.has_heard
            assert asker.was_lost is False

    def test_a_task_can_hear_of_a_result_too(self) -> None:
        async def ask(leases: Leases, says: bool) -> bool:
            waits = asyncio.Event()
            held = ours.acquire(KEY)
            asking = asyncio.create_task(leases.acquire_or_hear_async(KEY, lambda *_: waits.set()))
            await asyncio.wait_for(waits.wait(), PATIENCE)
            if says:
                held.say_published()
            held.release()
            lease = await asyncio.wait_for(asking, PATIENCE)
            if lease is not None:
                assert not lease.is_lost()
                lease.release()
            return lease is None

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            assert not asyncio.run(ask(theirs, says=False))
            asyncio.run(ask(theirs, says=True))

    def test_a_key_is_held_by_one_thread_at_a_time(self) -> None:
        with closing(self.open()) as leases:
            lease = leases.acquire(KEY)
            askers = [_Asker(leases, KEY) for _ in range(3)]
            assert all(asker.waits.wait(PATIENCE) for asker in askers)
            lease.release()
            for _ in range(len(askers)):
                holding: list[_Asker] = []
                while not holding:
                    holding = [each for each in askers if each.got.wait(0.01)]
                assert len(holding) == 1
                askers.remove(holding[0])
                holding[0].finish()

    def test_different_keys_do_not_wait_for_each_other(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            with ours.acquire(KEY), ours.acquire(OTHER):
                pass
            with ours.acquire(KEY), theirs.acquire(OTHER) as lease:
                assert not lease.is_lost()

    def test_an_exception_gives_the_key_back(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            try:
                with ours.acquire(KEY):
                    raise KeyError  # noqa: TRY301 - the block is what is tested
            except KeyError:
                pass
            with theirs.acquire(KEY) as lease:
                assert not lease.is_lost()

    def test_releasing_twice_takes_nothing_from_the_next_holder(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            first = ours.acquire(KEY)
            first.release()
            with ours.acquire(KEY):
                first.release()
                asker = _Asker(theirs, KEY)
                assert asker.waits.wait(PATIENCE)
                assert not asker.got.is_set()
            asker.finish()

    def test_a_dropped_lease_is_given_back(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lease = ours.acquire(KEY)
            del lease
            with theirs.acquire(KEY) as lease:
                assert not lease.is_lost()

    def test_asking_again_for_a_held_key_does_not_hang(self) -> None:
        with closing(self.open()) as leases, leases.acquire(KEY) as outer:
            with leases.acquire(KEY) as inner:
                assert inner.is_lost()
            assert not outer.is_lost()

    def test_who_does_not_wait_gets_only_a_key_that_nobody_has(self) -> None:
        with closing(self.open()) as ours, closing(self.open()) as theirs:
            lease = ours.acquire_nowait(KEY)
            assert lease is not None
            assert not lease.is_lost()
            assert ours.acquire_nowait(KEY) is None
            assert theirs.acquire_nowait(KEY) is None
            asker = _Asker(theirs, KEY)
            assert asker.waits.wait(PATIENCE)
            assert theirs.acquire_nowait(KEY) is None  # not past those who wait
            lease.release()
            assert asker.got.wait(PATIENCE)
            assert ours.acquire_nowait(KEY) is None
            asker.finish()
            with theirs.acquire(OTHER):
                assert ours.acquire_nowait(OTHER) is None
            again = ours.acquire_nowait(OTHER)
            assert again is not None
            del again
            with theirs.acquire(OTHER) as other:
                assert not other.is_lost()

    def test_a_coroutine_that_does_not_wait_lets_others_wait_for_it(self) -> None:
        async def main(leases: Leases) -> None:
            waits = asyncio.Event()
            lease = leases.acquire_nowait(KEY, is_async=True)
            assert lease is not None
            asker = asyncio.create_task(leases.acquire_async(KEY, lambda *_: waits.set()))
            await asyncio.wait_for(waits.wait(), PATIENCE)
            assert leases.acquire_nowait(KEY, is_async=True) is None
            lease.release()
            with await asyncio.wait_for(asker, PATIENCE) as other:
                assert not other.is_lost()

        with closing(self.open()) as leases:
            asyncio.run(main(leases))

    def test_a_waiter_whose_callback_fails_waits_no_longer(self) -> None:
        def fail(holder: Holder | None, seconds: float) -> None:  # noqa: ARG001
            raise KeyError

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            with ours.acquire(KEY):
                try:
                    theirs.acquire(KEY, fail)
                except KeyError:
                    pass
                else:
                    raise AssertionError("it was granted")
            with ours.acquire(KEY) as lease:
                assert not lease.is_lost()

    def test_closing_frees_the_keys_and_lets_nobody_wait(self) -> None:
        with closing(self.open()) as theirs:
            ours = self.open()
            lease = ours.acquire(KEY)
            local, foreign = _Asker(ours, KEY), _Asker(theirs, KEY)
            assert local.waits.wait(PATIENCE)
            assert foreign.waits.wait(PATIENCE)
            ours.close()
            assert lease.is_lost()
            for asker in (local, foreign):
                assert asker.got.wait(PATIENCE)
                asker.finish()
            assert local.was_lost is True
            lease.release()

    def test_waiting_in_a_coroutine_leaves_the_loop_to_others(self) -> None:
        async def main(ours: Leases, theirs: Leases) -> None:
            waits = asyncio.Event()
            lease = await ours.acquire_async(KEY)
            asker = asyncio.create_task(theirs.acquire_async(KEY, lambda *_: waits.set()))
            neighbour = asyncio.create_task(ours.acquire_async(KEY, lambda *_: waits.set()))
            await asyncio.wait_for(waits.wait(), PATIENCE)
            assert not asker.done()
            assert not neighbour.done()
            lease.release()
            for task in asyncio.as_completed([asker, neighbour], timeout=PATIENCE):
                (await task).release()

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            asyncio.run(main(ours, theirs))

    def test_a_cancelled_coroutine_keeps_nothing(self) -> None:
        async def main(ours: Leases, theirs: Leases) -> None:
            waits = asyncio.Event()
            with await ours.acquire_async(KEY):
                asker = asyncio.create_task(theirs.acquire_async(KEY, lambda *_: waits.set()))
                await asyncio.wait_for(waits.wait(), PATIENCE)
                asker.cancel()
                await asyncio.wait([asker])
                assert asker.cancelled()
            with await ours.acquire_async(KEY) as lease:
                assert not lease.is_lost()

        with closing(self.open()) as ours, closing(self.open()) as theirs:
            asyncio.run(main(ours, theirs))
