"""Containers of large values: what did not change is on disk once, what comes back is the same."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import stagecache
from stagecache import Cache


def frame(seed: int, rows: int = 20_000) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    return pd.DataFrame({"x": numbers.random(rows), "n": numbers.integers(9, size=rows)})


def on_disk(cache: Cache) -> int:
    files = [path for path in Path(cache.directory, "v1/blobs").rglob("*") if path.is_file()]
    return sum(file.stat().st_size for file in files)


@stagecache.stage
def frames(seeds: tuple) -> dict:
    return {f"month {seed}": frame(seed) for seed in seeds}


def test_a_dict_of_frames_shares_what_did_not_change(cache):
    frames((1, 2, 3))
    before = on_disk(cache)
    frames((1, 2, 4))
    assert on_disk(cache) - before < 0.4 * before
    again = frames((1, 2, 4))
    assert list(again) == ["month 1", "month 2", "month 4"]
    pd.testing.assert_frame_equal(again["month 4"], frame(4))
    assert cache.stats().entries == 2


def test_equal_elements_of_one_result_are_kept_once_and_come_back_apart(cache):
    @stagecache.stage
    def copies() -> list:
        return [frame(1), frame(1), frame(1)]

    copies()
    assert cache.stats().blobs == 2  # the frame and the list
    one, other, _ = copies()
    one.loc[0, "x"] = 99.0
    pd.testing.assert_frame_equal(other, frame(1))
    pd.testing.assert_frame_equal(copies()[0], frame(1))


def test_an_object_that_stands_in_two_places_is_one_object_again(cache):
    class Model:
        def __init__(self, data):
            self.data = data

    small = [1]

    @stagecache.stage
    def aliases() -> dict:
        data = frame(1)
        return {"data": data, "model": Model(data), "list": [data, small], "small": small}

    aliases()
    again = aliases()
    assert again["data"] is again["model"].data is again["list"][0]
    assert again["small"] is again["list"][1]
    pd.testing.assert_frame_equal(again["data"], frame(1))


def test_elements_of_many_kinds_come_back_beside_small_ones(cache):
    table = pa.table({"x": range(20_000)})

    @stagecache.stage
    def mixed() -> tuple:
        return (
            {"frame": frame(1), "array": np.arange(20_000), "table": table, 5: Decimal("1.10")},
            ["text" * 9_000, b"bytes" * 9_000, {"deep": (np.ones(9_999, "f4"), None)}],
            frame(2)["x"],
            frame(3).index,
        )

    first = mixed()
    assert mixed.is_cached()
    again = mixed()
    assert list(again[0]) == list(first[0])
    assert again[0]["table"].equals(table)
    assert again[0][5] == Decimal("1.10")
    assert again[1][:2] == first[1][:2]
    assert again[1][2]["deep"][0].dtype == "f4"
    pd.testing.assert_series_equal(again[2], first[2])
    assert cache.verify() == []


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame
    seed: int = 7


def test_a_named_tuple_of_frames_is_one_again(cache):
    @stagecache.stage
    def split(n: int) -> Split:
        return Split(frame(1), frame(n))

    split(2)
    before = on_disk(cache)
    split(3)
    assert on_disk(cache) - before < 0.6 * before
    again = split(3)
    assert type(again) is Split
    assert again.seed == 7
    pd.testing.assert_frame_equal(again.test, frame(3))


def test_forgetting_a_result_frees_what_only_it_held(cache):
    frames((1, 2))
    frames((2, 3))
    both = on_disk(cache)
    assert frames.forget((1, 2))
    assert on_disk(cache) < 0.8 * both
    pd.testing.assert_frame_equal(frames((2, 3))["month 2"], frame(2))
    assert frames.forget_all() == 1
    assert on_disk(cache) == 0
    assert cache.gc().blobs == 0


def test_a_lost_part_costs_a_run_and_nothing_else(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def pair(log: list) -> dict:
        log.append("ran")
        return {"a": frame(1), "b": frame(2)}

    pair(ran)
    largest = max(Path(cache.directory, "v1/blobs").rglob("*"), key=lambda p: p.stat().st_size)
    largest.unlink()
    pd.testing.assert_frame_equal(pair(ran)["b"], frame(2))
    assert ran == ["ran", "ran"]
    pair(ran)
    assert ran == ["ran", "ran"]
    assert cache.verify() == []


def test_in_a_pipeline_an_element_is_an_input_of_its_own(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def rows(data: pd.DataFrame, log: list) -> int:
        log.append(len(data))
        return len(data)

    @stagecache.pipeline
    def counted(seeds: tuple) -> list:
        parts = frames(seeds)
        return [rows(parts[f"month {seed}"], ran) for seed in seeds]

    assert counted((1, 2)) == [20_000, 20_000]
    assert counted((1, 2)) == [20_000, 20_000]
    assert counted((2, 5)) == [20_000, 20_000]
    assert len(ran) == 3


def test_the_codec_that_was_chosen_holds_the_elements(cache):
    @stagecache.stage(codec="parquet")
    def tables() -> dict:
        return {"a": frame(1), "b": 2}

    tables()
    pd.testing.assert_frame_equal(tables()["a"], frame(1))
    blobs = [path.read_bytes() for path in Path(cache.directory, "v1/blobs").rglob("??*?????*")]
    assert sum(b"PAR1" in blob for blob in blobs) == 1


def test_accepted_results_hold_their_parts(cache):
    def made(bonus):
        @stagecache.stage
        def pair(n: int) -> dict:
            return {"a": frame(n), "b": bonus}

        return pair

    old, new = made(0), made(1)
    old(1)
    assert new.accept() == 1
    assert new(1)["b"] == 0
    old.forget(1)
    pd.testing.assert_frame_equal(new(1)["a"], frame(1))


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_elements_are_compressed_as_values_are(cache, compression):
    @stagecache.stage(compression=compression)
    def zeros() -> dict:
        return {"a": np.zeros(1 << 20), "b": np.zeros(1 << 19)}

    zeros()
    assert (on_disk(cache) < 1 << 20) == (compression == "zstd")
    assert zeros()["a"].sum() == 0


def test_storing_a_dict_of_arrays_copies_none_of_them(cache):
    @stagecache.stage
    def arrays() -> dict:
        made = {name: np.full(1 << 20, float(name)) for name in range(8)}
        tracemalloc.start()
        return made

    try:
        arrays()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_in_a_shared_directory_elements_are_of_safe_codecs(tmp_path):
    with Cache(tmp_path / "cache", shared=True) as cache:
        frames((1, 2))
        assert frames.is_cached((1, 2))
        pd.testing.assert_frame_equal(frames((1, 2))["month 2"], frame(2))
        ((entry, _),) = cache.entries()
        assert len(entry.parts) == 2


def test_results_without_a_directory_have_parts_too():
    with Cache(":memory:") as cache:
        frames((1, 2))
        pd.testing.assert_frame_equal(frames((1, 2))["month 1"], frame(1))
        assert cache.stats().entries == 1
        frames.forget((1, 2))
        assert cache.stats() == (0, 0, 0, 0)
