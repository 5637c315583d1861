"""When a throttle lets in: as often as it says, and no later than it must."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.locks.times import FileTimes


class Machine:
    """A clock that all processes read, and a file."""

    def __init__(self, path, start=b"first"):
        self.path = path
        self.path.touch()
        self.now = 1000.0
        self.start = start

    def let_in(self, count, seconds):
        """Ask as a process that has just begun."""
        times = FileTimes(lambda: str(self.path), lambda: self.now, self.start)
        return times.let_in(count, seconds)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "times")


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(1, 5),
    steps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=40),
)
def test_it_lets_in_exactly_when_the_window_has_room(tmp_path_factory, count, steps):
    machine = Machine(tmp_path_factory.mktemp("times") / "times")
    let_in = []
    for step in steps:
        machine.now += step
        left = machine.let_in(count, 2.0)
        recent = sorted(let_in)[-count:]
        free_at = recent[0] + 2.0 if len(recent) == count else machine.now
        assert left == pytest.approx(max(0.0, free_at - machine.now))
        if not left:
            let_in.append(machine.now)


def test_who_says_another_number_keeps_the_last_times(machine):
    for _ in range(4):
        assert machine.let_in(4, 10.0) == 0.0
        machine.now += 1
    assert machine.let_in(2, 10.0) == pytest.approx(8.0)  # those of 2 and 3 s count
    assert machine.let_in(3, 10.0) == 0.0  # two are known
    assert machine.let_in(3, 10.0) == pytest.approx(8.0)


def test_times_of_another_start_of_the_machine_do_not_count(machine):
    assert machine.let_in(1, 10.0) == 0.0
    assert machine.let_in(1, 10.0) == 10.0
    machine.start, machine.now = b"second", 1.0
    assert machine.let_in(1, 10.0) == 0.0
    assert machine.let_in(1, 10.0) == 10.0


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"x" * 200,
        struct.pack("<36sII", b"first", 3, 7),
        struct.pack("<36sII", b"first", 0, 0),
    ],
)
def test_what_is_no_file_of_times_lets_in_and_counts_from_then_on(machine, data):
    machine.path.write_bytes(data)
    for _ in range(3):
        assert machine.let_in(3, 10.0) == 0.0
    assert machine.let_in(3, 10.0) == 10.0


def test_one_who_is_killed_while_noting_costs_a_turn_at_most(machine):
    assert machine.let_in(2, 10.0) == 0.0
    whole = machine.path.read_bytes()
    machine.now += 1
    assert machine.let_in(2, 10.0) == 0.0
    # The time is written first, and then where the next one goes.
    machine.path.write_bytes(whole[:44] + machine.path.read_bytes()[44:])
    assert 9.0 <= machine.let_in(2, 10.0) <= 10.0
