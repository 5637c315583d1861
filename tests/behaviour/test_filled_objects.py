"""What a method fills by itself in an object that code holds costs no rerun, and hides no edit."""

from __future__ import annotations

import warnings

import pytest

import stagecache


class Table:
    def __init__(self, size):
        self.size = size
        self._rows = None

    def rows(self):
        if self._rows is None:
            self._rows = [self.size]
        return self._rows


TABLE = Table(2)
LIMIT = 1


@stagecache.stage
def first(x):
    return sum(TABLE.rows()) * x


@stagecache.stage
def second(x):
    return len(TABLE.rows()) + x


@stagecache.stage
def peeking(x):
    return TABLE._rows is None, x


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "TABLE", Table(2))
    with stagecache.Cache(tmp_path / "cache"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_second_call_and_a_second_stage_have_the_keys_of_a_fresh_process(monkeypatch):
    assert first(3) == 6
    assert second(3) == 4
    assert TABLE._rows == [2]
    assert first.is_cached(3)
    assert second.is_cached(3)
    monkeypatch.setitem(globals(), "TABLE", Table(2))
    assert first.is_cached(3)
    assert second.is_cached(3)


def test_what_others_put_there_counts():
    first(3)
    TABLE._rows = [7]
    assert not first.is_cached(3)
    assert first(3) == 21
    TABLE._rows = [2]
    assert first.is_cached(3)


def test_what_it_was_filled_from_counts_after_that():
    first(3)
    TABLE.size = 9
    assert not first.is_cached(3)


def test_a_stage_that_can_tell_whether_it_was_filled_has_another_key():
    assert peeking(3) == (True, 3)
    first(3)
    assert not peeking.is_cached(3)
    assert peeking(3) == (False, 3)


class Reader(Table):
    def rows(self):
        if self._rows is None:
            self._rows = [LIMIT]
        return self._rows


def test_a_global_that_it_was_filled_from_counts_after_that(monkeypatch):
    monkeypatch.setitem(globals(), "TABLE", Reader(2))
    first(3)
    assert first.is_cached(3)
    monkeypatch.setitem(globals(), "LIMIT", 5)
    assert not first.is_cached(3)
    assert first(3) == 3, "what is in the object is of before"
    monkeypatch.setitem(globals(), "TABLE", Reader(2))
    assert first(3) == 15, "and no result of a fresh one"


class Drawing(Table):
    def rows(self):
        if self._rows is None:
            self._rows = Hand()
        return self._rows.draw()


class Hand:
    def __init__(self):
        self.left = 0

    def draw(self):
        self.left += 1
        return [self.left]


def test_what_its_use_changes_is_told_and_not_kept(monkeypatch):
    monkeypatch.setitem(globals(), "TABLE", Drawing(2))
    assert first(3) == 3
    with pytest.warns(stagecache.ImpureStageWarning, match="each time it is used"):
        second(3)
    assert not second.is_cached(3)
