"""What is known of marks: when others are asked, and who waits for the answer."""

from __future__ import annotations

import threading

import pytest

from stagecache.marks import Log, tag_scope
from stagecache.stores.book import LONGEST, SHORTEST, Book, Said
from stagecache.testing.clock import FakeClock

PATIENCE = 60
FX = Said((tag_scope("fx"),), soft=False, by="nodeB", at=0.0)


class Team:
    """A log that is read slowly, if that is wanted."""

    def __init__(self, clock=None):
        self.log = Log("t1")
        self.asked = 0
        self.entered, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.takes, self.clock = 0.0, clock

    def read(self, known):
        self.asked += 1
        self.entered.set()
        assert self.go.wait(PATIENCE)
        if self.takes:
            self.clock.advance(self.takes)
        return known if known == self.log else self.log

    def append(self, known, change):
        self.log = change(self.log)
        return self.log


def started(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.fixture
def clock():
    return FakeClock()


def test_the_team_is_asked_once_in_a_while(clock):
    team = Team()
    book = Book(team=team, coherence=1.0, clock=clock)
    for _ in range(3):
        for _ in range(5):
            book.check()
        clock.advance(1.0)
    assert team.asked == 3


def test_the_farther_it_is_the_less_often_it_is_asked(clock):
    team = Team(clock)
    book = Book(team=team, clock=clock)
    for takes, pause in ((0.0, SHORTEST), (0.01, 1.0), (0.25, LONGEST), (0.0, SHORTEST)):
        team.takes = takes
        clock.advance(LONGEST)
        book.check()
        assert book._pause == pytest.approx(pause)


def test_while_one_thread_asks_the_others_go_on(clock):
    team = Team()
    book = Book(team=team, coherence=1.0, clock=clock)
    book.check()
    clock.advance(1.0)
    team.entered.clear()
    team.go.clear()
    asking = started(book.check)
    assert team.entered.wait(PATIENCE)
    book.check()  # does not wait
    team.go.set()
    asking.join(PATIENCE)
    assert team.asked == 2


@pytest.mark.parametrize("idle", [None, 3600.0])
def test_whoever_has_heard_nothing_for_long_waits_for_who_is_asking(clock, idle):
    team = Team()
    book = Book(team=team, coherence=1.0, clock=clock)
    if idle is not None:
        book.check()
        clock.advance(idle)
    team.log = FX.on(team.log)
    team.entered.clear()
    team.go.clear()
    asking = started(book.check)
    assert team.entered.wait(PATIENCE)
    known = []

    def look():
        book.check()
        known.append(book.standing(None).team.number)

    looking = [started(look) for _ in range(4)]
    assert not known
    team.go.set()
    for thread in (asking, *looking):
        thread.join(PATIENCE)
    assert known == [1] * 4
    assert team.asked == (1 if idle is None else 2)


def test_a_mark_is_known_here_before_anybody_is_asked(clock):
    team = Team()
    book = Book(team=team, coherence=3600.0, clock=clock)
    book.check()
    assert book.mark(FX)
    assert book.standing(None).team.number == 1
