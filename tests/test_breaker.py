"""What is out of reach is left alone, and tried again by one caller at a time."""

from __future__ import annotations

import os
import threading

from stagecache.breaker import Breaker
from stagecache.testing.clock import FakeClock


def test_an_outage_is_told_of_once_and_ends_once():
    breaker = Breaker(FakeClock())
    assert [breaker.failed(), breaker.failed(), breaker.failed()] == [True, False, False]
    assert breaker.is_open
    assert [breaker.worked(), breaker.worked()] == [True, False]
    assert not breaker.is_open
    assert breaker.failed()


def test_pauses_double_from_five_seconds_to_sixty():
    clock = FakeClock()
    breaker = Breaker(clock)
    breaker.failed()
    pauses = []
    for _ in range(7):
        waited = 0
        while not breaker.allows():
            clock.advance(1)
            waited += 1
        pauses.append(waited)
        breaker.failed()
    assert pauses == [5, 10, 20, 40, 60, 60, 60]


def test_after_an_outage_pauses_are_short_again():
    clock = FakeClock()
    breaker = Breaker(clock)
    breaker.failed()
    for _ in range(5):
        clock.advance(60)
        assert breaker.allows()
    breaker.worked()
    breaker.failed()
    clock.advance(5)
    assert breaker.allows()


def test_calls_that_fail_late_do_not_make_the_pause_longer():
    clock = FakeClock()
    breaker = Breaker(clock)
    assert all(breaker.allows() for _ in range(50))
    for _ in range(50):
        breaker.failed()
    clock.advance(5)
    assert breaker.allows()


def test_of_many_callers_after_a_pause_one_tries():
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(20):
        breaker.failed()
        clock.advance(60)
        start = threading.Barrier(16)
        allowed = []

        def call(start=start, allowed=allowed):
            start.wait()
            allowed.append(breaker.allows())

        threads = [threading.Thread(target=call) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert allowed.count(True) == 1


def test_a_try_whose_caller_was_killed_keeps_nobody_from_the_next():
    clock = FakeClock()
    breaker = Breaker(clock)
    breaker.failed()
    clock.advance(5)
    assert breaker.allows()  # and is never heard of again
    assert not breaker.allows()
    clock.advance(10)
    assert breaker.allows()


def test_a_child_that_was_forked_in_the_middle_of_a_note_does_not_hang():
    breaker = Breaker(FakeClock())
    with breaker._lock:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if breaker.failed() and not breaker.allows() and breaker.worked() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
