"""Time that stands still."""

import pytest

from stagecache.clock import Clock, SystemClock
from stagecache.testing.clock import FakeClock


def test_time_passes_only_when_told_to():
    clock = FakeClock(100)
    assert (clock.now(), clock.now()) == (100.0, 100.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_setting_the_clock_back_touches_no_duration():
    clock = FakeClock(100)
    clock.advance(1)
    clock.set(3)
    assert (clock.now(), clock.monotonic()) == (3.0, 1.0)


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match=r"FakeClock\.set"):
        FakeClock().advance(-1)


def test_both_clocks_have_one_face():
    for clock in (SystemClock(), FakeClock()):
        face: Clock = clock
        assert isinstance(face.now(), float)
        assert face.monotonic() <= face.monotonic()
