"""A property that a body works out once is no change of its argument, and no other input."""

from __future__ import annotations

import functools
import warnings

import pytest

import stagecache


class Model:
    def __init__(self, size):
        self.size = size

    @functools.cached_property
    def table(self):
        return [self.size] * 3


@stagecache.stage
def total(model):
    return sum(model.table)


@stagecache.stage
def first(model):
    return model.table[0]


def test_a_body_may_work_out_a_cached_property_of_its_argument(tmp_path):
    with stagecache.Cache(tmp_path / "cache"), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Model(2)
        assert total(model) == 6
        assert first.is_cached(model) is False
        assert first(model) == 2
        for other in (model, Model(2)):
            assert total.is_cached(other)
            assert first.is_cached(other)
        assert not total.is_cached(Model(3))


def test_what_others_worked_out_or_assigned_is_an_input(tmp_path):
    with stagecache.Cache(tmp_path / "cache"):
        total(Model(2))
        assigned, worked_out = Model(2), Model(2)
        assigned.table = [7]
        assert worked_out.table
        assert not total.is_cached(assigned)
        assert not total.is_cached(worked_out)
        assert total(assigned) == 7


@pytest.mark.filterwarnings("ignore::stagecache.errors.ImpureStageWarning")
def test_what_a_file_was_read_for_is_an_input(tmp_path):
    path = tmp_path / "sizes.txt"

    class Reader(Model):
        @functools.cached_property
        def table(self):
            return [int(line) for line in path.read_text().split()]

    with stagecache.Cache(tmp_path / "cache"):
        for text, expected in (("1 2", (1, 3)), ("5 6", (5, 11))):
            path.write_text(text)
            reader = Reader(2)
            assert (first(reader), total(reader)) == expected


def test_a_model_that_a_stage_returns_is_kept_with_what_was_worked_out(tmp_path):
    @stagecache.stage
    def warmed(model):
        assert model.table
        return model

    with stagecache.Cache(tmp_path / "cache"), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Model(2)
        assert warmed(model) is model
        assert "table" in vars(warmed(Model(2)))
