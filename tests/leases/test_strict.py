"""Bytes that must be had: nobody is let in without, and nothing is left behind."""

from __future__ import annotations

import threading

import pytest

from stagecache.clock import SystemClock
from stagecache.leases import lockfile
from stagecache.leases.lockfile import FairLockFile, LockFile
from stagecache.leases.strict import StrictSlots, Wish
from stagecache.testing.leases import KEY, PATIENCE

pytestmark = pytest.mark.skipif(not lockfile.IS_SUPPORTED, reason="no OFD locks here")


@pytest.fixture
def process(tmp_path):
    """Return what stands for the claims of another process."""
    made = []

    def make():
        made.append(StrictSlots(str(tmp_path / "locks"), SystemClock()))
        return made[-1]

    yield make
    for slots in made:
        slots.lose_all()


def wish():
    turn = threading.Event()
    return Wish(KEY, turn.set), turn


def is_had_soon(slots):
    asked, turn = wish()
    return (slots.enter(asked) or turn.wait(PATIENCE)) and not slots.has_lost(asked)


@pytest.mark.parametrize("ask", ["enter", "enter_nowait"])
@pytest.mark.parametrize("moment", [1, 2])
def test_ctrl_c_right_after_the_system_gave_a_byte_leaves_it_to_others(
    process, monkeypatch, ask, moment
):
    ours, theirs, calls = process(), process(), []

    def interrupted(self, byte, real=LockFile.try_lock):
        calls.append(byte)
        answer = real(self, byte)
        if len(calls) == moment:  # of the gate, or of the byte
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(LockFile, "try_lock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(ours, ask)(wish()[0])
    assert is_had_soon(theirs)
    theirs.lose_all()
    assert is_had_soon(ours)


def test_ctrl_c_while_a_thread_is_started_leaves_the_byte_to_others(process, monkeypatch):
    ours, theirs, others = process(), process(), process()
    held, _ = wish()
    assert theirs.enter(held)

    def interrupted(self, byte, slot, real=StrictSlots._start_fetching):
        real(self, byte, slot)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StrictSlots, "_start_fetching", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ours.enter(wish()[0])
    theirs.leave(held)
    assert is_had_soon(others)
    others.lose_all()
    assert is_had_soon(ours)


def test_ctrl_c_while_a_byte_is_given_back_gives_it_back(process, monkeypatch):
    ours, theirs = process(), process()
    held, _ = wish()
    assert ours.enter(held)

    def interrupted(self, byte, real=FairLockFile.unlock):
        patch.undo()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FairLockFile, "unlock", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ours.leave(held)
    assert is_had_soon(theirs)


def test_a_byte_that_cannot_be_waited_for_is_lost_not_granted(process, monkeypatch):
    ours, theirs = process(), process()
    assert theirs.enter(wish()[0])

    def refused(self, byte):
        raise OSError("no locks here")

    monkeypatch.setattr(FairLockFile, "lock", refused)
    asked, turn = wish()
    assert not ours.enter(asked)
    assert turn.wait(PATIENCE)
    assert asked.is_lost
    monkeypatch.setattr(FairLockFile, "try_lock", refused)
    with pytest.raises(OSError, match="no locks here"):
        ours.enter(wish()[0])
