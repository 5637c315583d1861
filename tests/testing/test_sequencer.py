"""Threads in the order that a test says."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.testing.sequencer import Sequencer


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_steps_happen_in_order_whatever_thread_they_are_in(owners):
    sequencer, seen = Sequencer(), []

    def work(owner):
        for step, whose in enumerate(owners):
            if whose == owner:
                with sequencer(step):
                    seen.append(step)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(len(owners)))


def test_a_step_that_is_going_to_wait_lets_the_next_one_begin():
    sequencer, gate, seen = Sequencer(), threading.Event(), []

    def waits():
        with sequencer(0) as step:
            step.done()
            gate.wait(30)
            seen.append("waited")

    thread = threading.Thread(target=waits)
    thread.start()
    with sequencer(1):
        seen.append("went on")
    gate.set()
    thread.join()
    assert seen == ["went on", "waited"]


def test_a_step_is_used_once():
    sequencer = Sequencer()
    sequencer(0)
    with pytest.raises(ValueError, match="twice"):
        sequencer(0)


def test_a_step_that_never_comes_is_an_error():
    with pytest.raises(TimeoutError, match="step 0 has not ended"), Sequencer(timeout=0.01)(1):
        pass


def test_a_failed_step_ends_the_sequence_for_everybody():
    sequencer, errors = Sequencer(), []

    def work():
        try:
            with sequencer(1):
                pass
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(KeyError), sequencer(0):
        raise KeyError
    thread.join()
    assert errors == ["step 1 cannot begin: step 0 failed"]
