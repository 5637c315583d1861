"""A stage that yields is kept item by item and gives its items again, one at a time."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import stagecache
from stagecache import (
    Cache,
    File,
    FingerprintError,
    Replay,
    ReplayError,
    StagecacheWarning,
    StageDefinitionError,
)

MB = 1 << 20


@stagecache.stage(ignore=("log",))
def numbers(n: int, log: list) -> Iterator[int]:
    log.append("began")
    yield from range(n)
    log.append("ended")


@stagecache.stage(ignore=("log",))
def arrays(n: int, log: list, size: int = 100_000) -> Iterator[np.ndarray]:
    for i in range(n):
        log.append(i)
        yield np.full(size, float(i))


@stagecache.stage(ignore=("log",))
def total(items: Iterator[int], log: list) -> int:
    log.append("total")
    return sum(items)


def blobs(cache: Cache) -> list[Path]:
    return [path for path in Path(cache.directory, "v1/blobs").rglob("*") if path.is_file()]


def test_a_run_and_a_hit_give_the_same_kind_of_thing(cache):
    log = []
    first = numbers(5, log)
    assert log == ["began", "ended"]
    second = numbers(5, log)
    assert log == ["began", "ended"]
    for found in (first, second):
        assert type(found) is Replay
        assert list(found) == [0, 1, 2, 3, 4]
        assert list(found) == []
    assert list(numbers(0, log)) == []
    assert list(numbers(0, log)) == []
    assert log.count("began") == 2


def test_each_reader_has_a_replay_of_its_own(cache):
    one, other = arrays(4, []), arrays(4, [])
    assert next(one)[0] == 0.0
    assert [array[0] for array in other] == [0.0, 1.0, 2.0, 3.0]
    assert next(one)[0] == 1.0
    assert next(one.again())[0] == 0.0
    one.close()
    assert list(one) == []


def test_items_are_safe_to_change(cache):
    first = next(arrays(1, []))
    first[:] = 9
    assert next(arrays(1, []))[0] == 0.0


def test_a_body_may_go_on_to_change_what_it_yielded(cache):
    @stagecache.stage
    def growing() -> Iterator[list]:
        items: list = []
        for i in range(3):
            items.append(i)
            yield items

    assert list(growing()) == [[0], [0, 1], [0, 1, 2]]


def test_small_items_are_kept_together(cache):
    assert len(list(numbers(20_000, []))) == 20_000
    assert len(blobs(cache)) < 10
    assert cache.stats().entries == 1
    assert list(numbers(20_000, [])) == list(range(20_000))


def test_items_of_all_sizes_come_in_order(cache):
    @stagecache.stage
    def mixed() -> Iterator[object]:
        yield "first"
        yield np.arange(50_000)
        yield {"a": np.arange(40_000.0), "b": [b"x" * 20_000]}
        yield None
        yield "last"

    for _ in range(2):
        first, array, parts, nothing, last = mixed()
        assert (first, nothing, last) == ("first", None, "last")
        assert array[-1] == 49_999
        assert parts["a"][-1] == 39_999.0
    assert cache.verify() == []
    assert mixed.forget()
    assert blobs(cache) == []


def test_200_items_of_5_mb_take_the_memory_of_a_few(cache):
    @stagecache.stage
    def many() -> Iterator[np.ndarray]:
        for i in range(200):
            yield np.full(5 * MB // 8, float(i))

    peaks = []
    tracemalloc.start()
    try:
        for _ in range(2):
            tracemalloc.reset_peak()
            assert sum(float(array[0]) for array in many()) == sum(range(200))
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert max(peaks) < 30 * MB


def test_another_stage_takes_the_items_without_loading_them_for_its_key(cache):
    log = []
    assert total(numbers(5, log), log) == 10
    before = list(log)
    assert total(numbers(5, log), log) == 10
    assert log == before == ["began", "ended", "total"]
    replay = numbers(5, log)
    assert total(replay, log) == 10
    assert total.refresh(replay, log) == 10
    assert list(replay) == [0, 1, 2, 3, 4]  # a body reads up one of its own


def test_values_and_nodes_have_equal_keys(cache):
    log = []

    @stagecache.pipeline
    def job(n: int) -> tuple:
        items = numbers(n, log)
        return total(items, log), items, [items]

    found, items, [again] = job(4)
    assert found == 6
    assert list(items) == list(again) == [0, 1, 2, 3]
    assert total(numbers(4, log), log) == 6
    assert log == ["began", "ended", "total"]
    run = job.run(4)
    assert run.ran == ()
    assert list(run.value[1]) == [0, 1, 2, 3]


def test_equal_items_stop_a_rerun_and_other_items_do_not(cache):
    log = []

    def made(step, extra=0):
        @stagecache.stage
        def counted() -> Iterator[int]:
            yield from range(0, 4, step)
            if extra:
                yield extra

        return counted

    total(made(2)(), log)

    def equal():
        @stagecache.stage
        def counted() -> Iterator[int]:
            yield 0
            yield 2

        return counted

    total(equal()(), log)
    assert log == ["total"]
    total(made(2, extra=6)(), log)
    assert log == ["total", "total"]


def test_a_list_of_the_items_is_another_input_than_the_items(cache):
    log = []
    total(numbers(3, log), log)
    assert not total.is_cached([0, 1, 2], log)


def test_a_partly_read_replay_has_no_fingerprint(cache):
    replay = numbers(3, [])
    next(replay)
    with pytest.raises(FingerprintError, match="read from"):
        total(replay, [])
    assert total(replay.again(), []) == 3


def test_an_error_after_some_items_reaches_the_caller_and_nothing_is_kept(cache):
    @stagecache.stage
    def failing() -> Iterator[np.ndarray]:
        yield np.zeros(100_000)
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way") as caught:
        failing()
    assert "failing" in [entry.name for entry in caught.traceback]
    assert not failing.is_cached()
    assert blobs(cache) == []


def test_what_the_generator_returns_is_kept(cache):
    @stagecache.stage
    def counted() -> Iterator[int]:
        yield 1
        yield 2
        return {"count": 2}

    ends = []

    def reader() -> Iterator[int]:
        ends.append((yield from counted()))

    assert list(reader()) == [1, 2]
    assert list(reader()) == [1, 2]
    assert ends == [{"count": 2}, {"count": 2}]


def test_items_that_no_codec_holds_reach_the_caller_all_the_same(cache):
    class Unpicklable:
        def __init__(self, x):
            self.x = x

        def __reduce_ex__(self, protocol):
            if protocol > 4:
                raise TypeError("never")
            return Unpicklable, (self.x,)

    @stagecache.stage
    def odd() -> Iterator[object]:
        yield "small"
        yield np.zeros(100_000)
        yield Unpicklable(3)
        yield "last"

    with pytest.warns(StagecacheWarning, match="odd.*not kept") as warned:
        small, zeros, third, last = odd()
    assert len(warned) == 1
    assert (small, zeros.sum(), third.x, last) == ("small", 0, 3, "last")
    assert not odd.is_cached()
    assert blobs(cache) == []


def test_items_without_a_fingerprint_reach_the_caller_all_the_same(cache):
    @stagecache.stage
    def odd() -> Iterator[object]:
        yield 1
        yield (i for i in range(3))
        yield 2

    with pytest.warns(StagecacheWarning, match="odd.*not kept.*fingerprint"):
        one, generator, two = odd()
    assert (one, list(generator), two) == (1, [0, 1, 2], 2)


def lose_an_item(cache):
    for path in blobs(cache):
        if path.stat().st_size > 700_000:
            path.unlink()


def test_a_lost_item_is_computed_again_and_the_reader_goes_on(cache):
    log = []
    arrays(4, log)
    replay = arrays(4, log)
    assert next(replay)[0] == 0.0
    lose_an_item(cache)
    assert [array[0] for array in replay] == [1.0, 2.0, 3.0]
    assert log == [0, 1, 2, 3] * 2


def test_a_replaced_result_can_be_read_to_its_end(cache):
    log = []
    replay = arrays(3, log)
    assert next(replay)[0] == 0.0
    arrays.refresh(3, log)
    assert [array[0] for array in replay] == [1.0, 2.0]
    assert len(log) == 6


def test_nobody_gets_the_rest_of_other_items(cache):
    world = {"first": 0.0}

    @stagecache.stage(code="version", version="1")
    def impure() -> Iterator[np.ndarray]:
        yield np.full(100_000, world["first"])
        yield np.full(100_000, 2.0)

    impure()
    replay = impure()
    assert next(replay)[0] == 0.0
    lose_an_item(cache)
    world["first"] = 1.0
    with pytest.raises(ReplayError, match="other items"):
        next(replay)


def test_a_lost_part_is_found_at_the_lookup(cache):
    log = []
    arrays(2, log)
    ((entry, _),) = cache.entries()
    cache.forget(entry.parts[:1])
    assert [array[0] for array in arrays(2, log)] == [0.0, 1.0]
    assert log == [0, 1, 0, 1]


def test_what_the_body_reads_and_calls_counts(cache, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("1\n2\n")
    other = tmp_path / "factor.txt"
    other.write_text("10")
    ran = []

    @stagecache.stage
    def factor() -> int:
        ran.append("factor")
        return int(other.read_text())

    @stagecache.stage
    def lines() -> Iterator[int]:
        ran.append("lines")
        yield factor()
        with open(path) as stream:
            for line in stream:
                yield int(line) * factor()

    assert list(lines()) == [10, 10, 20]
    assert list(lines()) == [10, 10, 20]
    assert ran == ["lines", "factor"]
    path.write_text("3\n")
    assert list(lines()) == [10, 30]
    other.write_text("2")
    assert list(lines()) == [2, 6]
    assert ran == ["lines", "factor", "lines", "lines", "factor"]


def test_files_among_the_items_are_put_back(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)

    @stagecache.stage
    def written() -> Iterator[File]:
        for name in ("a.txt", "b.txt"):
            Path(name).write_text(name)
            yield File(name)

    with Cache(tmp_path / "cache"):
        assert [file.read_text() for file in written()] == ["a.txt", "b.txt"]
        os.unlink("a.txt")
        assert [file.read_text() for file in written()] == ["a.txt", "b.txt"]


def test_checked_hits_and_expiry_work_as_for_other_stages(cache):
    values = [1]

    @stagecache.stage(determinism="check", code="version", version="1")
    def checked() -> Iterator[int]:
        yield from values

    checked()
    assert list(checked()) == [1]
    values.append(2)
    with pytest.warns(StagecacheWarning, match="another result"):
        assert list(checked()) == [1]


def test_a_probe_that_fails_leaves_the_items_in_memory(cache):
    def probe():
        raise OSError("down")

    @stagecache.stage(depends=probe)
    def probed() -> Iterator[int]:
        yield 1

    with pytest.warns(StagecacheWarning, match="probe"):
        replay = probed()
    assert list(replay) == [1]
    assert cache.stats().entries == 0


def test_without_a_directory_what_memory_cannot_hold_is_not_kept():
    with Cache(":memory:", memory="1 MiB") as cache:
        log = []
        with pytest.warns(StagecacheWarning, match="no room"):
            assert [array[0] for array in arrays(4, log)] == [0.0, 1.0, 2.0, 3.0]
        assert cache.stats().entries == 0
        assert [array[0] for array in arrays(1, log)] == [0.0]
        assert [array[0] for array in arrays(1, log)] == [0.0]
        assert log == [0, 1, 2, 3, 0]


def test_in_a_shared_directory_items_are_of_safe_codecs(tmp_path):
    @stagecache.stage
    def mixed(last: object) -> Iterator[object]:
        yield {"a": np.arange(5_000), "b": 1}
        yield "small"
        yield np.arange(50_000)
        yield last

    with Cache(tmp_path / "cache", shared=True) as cache:
        for _ in range(2):
            parts, small, array, last = mixed(None)
            assert (parts["a"][-1], small, array[-1], last) == (4_999, "small", 49_999, None)
        assert mixed.is_cached(None)
        with pytest.warns(StagecacheWarning, match="not kept"):
            assert list(mixed(Decimal("1.1")))[-1] == Decimal("1.1")
        assert not mixed.is_cached(Decimal("1.1"))
        assert len(list(cache.entries())) == 1


def test_a_coroutine_stage_may_take_items(cache):
    @stagecache.stage
    async def summed(items: Iterator[int]) -> int:
        return sum(items)

    assert asyncio.run(summed(numbers(4, []))) == 6


def test_items_may_be_of_classes_that_are_found_by_no_name(cache):
    log = []

    class Row:
        def __init__(self, x):
            self.x = x

    @stagecache.stage
    def rows() -> Iterator[Row]:
        yield Row(1)
        yield Row(2)

    @stagecache.stage(ignore=("log",))
    def summed(items: Iterator[Row], log: list) -> int:
        log.append("summed")
        return sum(row.x for row in items)

    assert summed(rows(), log) == 3
    assert summed(rows(), log) == 3
    assert log == ["summed"]


def test_an_asynchronous_generator_cannot_be_a_stage():
    with pytest.raises(StageDefinitionError, match="asynchronous generator"):

        @stagecache.stage
        async def ticks():
            yield 1
