"""Running hits again finds the stages that give another result, and leaves what is kept alone."""

from __future__ import annotations

import itertools
import sqlite3

import pandas as pd
import pytest

import stagecache
from stagecache import File


def kept(cache):
    return sorted((entry, provenance) for entry, provenance in cache.entries())


@pytest.fixture
def counted():
    counter = itertools.count()

    @stagecache.stage
    def steady(n: int) -> int:
        return n

    @stagecache.stage(ignore=("counter",))
    def drifting(n: int, counter: object) -> dict[str, int]:
        return {"n": n, "at": next(counter)}

    @stagecache.pipeline
    def both(n: int):
        return drifting.map(steady.map(range(n)), counter=counter)

    return both


def test_the_stages_whose_results_differ_are_named_with_what_differs(cache, counted):
    counted(2)
    before = kept(cache)
    runs = cache.runs()
    sample = cache.recompute(counted, (2,), share=1.0)
    assert [(node.node, node.status) for node in sample.nodes] == [
        ("steady[0]", "same"),
        ("steady[1]", "same"),
        ("drifting[0]", "differs"),
        ("drifting[1]", "differs"),
    ]
    assert sample.nodes[2].detail == "keys changed: 'at'"
    assert not sample.is_sound
    assert kept(cache) == before
    assert cache.runs() == runs
    assert counted.run(2).ran == ()


def test_a_sample_is_of_the_size_asked_for_and_the_same_for_the_same_seed(cache, counted):
    counted(20)
    sample = cache.recompute(counted, (20,), share=0.25, seed=7)
    assert sample.hits == 40
    assert len(sample.nodes) == 10
    again = cache.recompute(counted, (20,), share=0.25, seed=7)
    assert [n.node for n in again.nodes] == [n.node for n in sample.nodes]
    other = cache.recompute(counted, (20,), share=0.25, seed=8)
    assert [n.node for n in other.nodes] != [n.node for n in sample.nodes]
    assert len(cache.recompute(counted, (20,), share=0.001).nodes) == 1
    with pytest.raises(ValueError, match="share"):
        cache.recompute(counted, (20,), share=0)


def test_what_is_no_hit_is_not_run(cache, counted):
    assert cache.recompute(counted, (2,), share=1).nodes == ()
    counted(2)
    assert cache.recompute(counted, (3,), share=1).hits == 4


def test_a_column_that_differs_is_named(cache):
    drift = itertools.count()

    @stagecache.stage(ignore=("drift",))
    def measured(drift: object) -> pd.DataFrame:
        return pd.DataFrame({"day": [1, 2], "delay": [next(drift), 0]})

    @stagecache.pipeline
    def main():
        return measured(drift)

    main()
    (node,) = cache.recompute(main, share=1).nodes
    assert node.detail == "columns changed: 'delay'"


def test_what_the_body_calls_is_kept_nowhere(cache):
    offset = [0]

    @stagecache.stage
    def inner(x: int) -> int:
        return x

    @stagecache.stage(ignore=("offset",))
    def outer(x: int, offset: list) -> int:
        return inner(x + offset[0]) - offset[0]

    @stagecache.pipeline
    def main():
        return outer(1, offset)

    main()
    before = kept(cache)
    offset[0] = 5
    assert cache.recompute(main, share=1).is_sound
    assert kept(cache) == before
    assert not inner.is_cached(6)


def test_a_body_that_fails_now_is_told_and_one_whose_input_is_gone_is_not_tried(cache, tmp_path):
    works = [True]

    @stagecache.stage
    def load(n: int) -> list[int]:
        return list(range(n))

    @stagecache.stage(ignore=("works",))
    def total(values: list[int], works: list) -> int:
        if not works[0]:
            raise sqlite3.OperationalError("gone")
        return sum(values)

    @stagecache.pipeline
    def main(n: int):
        return total(load(n), works)

    main(100_000)
    works[0] = False
    sample = cache.recompute(main, (100_000,), share=1)
    assert [(n.node, n.status, n.detail) for n in sample.nodes] == [
        ("load", "same", ""),
        ("total", "failed", "OperationalError: gone"),
    ]
    for blob in (tmp_path / "cache").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 100_000 and len(blob.name) == 32:
            blob.unlink()
    with stagecache.Cache(tmp_path / "cache") as fresh:
        node = fresh.recompute(main, (100_000,), share=1).nodes[-1]
    assert (node.status, node.detail) == ("untried", "the value of load is not kept")


def test_a_file_that_a_body_writes_again_is_compared(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drift = itertools.count()

    @stagecache.stage(ignore=("drift",))
    def report(drift: object) -> File:
        path = File(tmp_path / "report.txt")
        (tmp_path / "report.txt").write_text(f"{next(drift)}")
        return path

    @stagecache.pipeline
    def main():
        return report(drift)

    main()
    (node,) = cache.recompute(main, share=1).nodes
    assert (node.status, node.detail) == ("differs", "is File report.txt")


def test_large_results_of_stages_inside_are_hits_whole_or_in_items(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def large(log: list) -> bytes:
        log.append("large")
        return b"x" * 50_000

    @stagecache.stage(ignore=("log",))
    def items(log: list):
        log.append("items")
        yield b"y" * 100_000
        yield b"z"

    @stagecache.stage(ignore=("log",))
    def sizes(log: list) -> list[int]:
        return [len(large(log)), *map(len, items(log))]

    @stagecache.pipeline
    def job():
        return sizes(ran)

    assert job() == [50_000, 100_000, 1]
    assert cache.recompute(job, share=1.0).is_sound
    assert ran == ["large", "items"]
