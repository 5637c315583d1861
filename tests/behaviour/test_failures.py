"""A stage that raises costs its own branch; a cache in trouble costs nothing but time."""

from __future__ import annotations

import socket
import subprocess
import threading
import warnings

import pytest

import stagecache
from stagecache import File, FingerprintError, ImpureStageWarning, StagecacheWarning


def diamond(fails):
    ran = []

    @stagecache.stage(ignore=("log",))
    def good(x: int, log: object = None) -> int:
        ran.append(f"good {x}")
        return x

    @stagecache.stage(ignore=("fail", "log"))
    def bad(x: int, fail: bool = False, log: object = None) -> int:
        ran.append("bad")
        if fail:
            raise ValueError("no such luck")
        return -x

    @stagecache.stage(ignore=("log",))
    def merge(xs: list[int], log: object = None) -> int:
        ran.append("merge")
        return sum(xs)

    @stagecache.pipeline
    def job(fail: bool):
        return merge([good(1), bad(good(2), fail=fail), good(3)])

    return job, ran


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_the_other_branches_are_kept_and_a_rerun_resumes(cache, executor):
    job, ran = diamond(True)
    job = job.options(executor=executor, jobs=2)
    with pytest.raises(ValueError, match="no such luck") as caught:
        job.run(True)
    assert any("node bad of pipeline job" in note for note in caught.value.__notes__)
    run = caught.value.__stagecache_run__
    assert run.failed == ("bad",)
    assert run.skipped == ("merge",)
    assert sorted(run.ran) == ["good[0]", "good[1]", "good[2]"]
    ran.clear()
    again = job.run(False)
    assert again.ran == ("bad", "merge")
    assert ran == ["bad", "merge"]
    assert again.value == 2


def test_without_keep_going_nothing_starts_after_a_failure(cache):
    job, ran = diamond(True)
    with pytest.raises(ValueError, match="no such luck"):
        job.options(keep_going=False).run(True)
    assert "merge" not in ran


def test_errors_are_never_kept(cache):
    calls = []

    @stagecache.stage(ignore=("log",))
    def flaky(log: object = None) -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("try again")
        return 7

    for _ in range(2):
        with pytest.raises(OSError, match="try again"):
            flaky()
    assert flaky() == flaky() == 7
    assert len(calls) == 3


def test_an_argument_without_a_fingerprint_is_an_error_that_names_it(cache):
    @stagecache.stage
    def query(config: dict) -> int:
        return 1

    with socket.socket() as connection, pytest.raises(FingerprintError) as caught:
        query({"db": [connection]})
    message = str(caught.value)
    assert "config['db'][0]" in message
    assert "argument of query" in message


def test_a_result_that_cannot_be_kept_is_returned_with_one_warning(cache):
    @stagecache.stage
    def generator() -> object:
        return (x for x in [1, 2])

    with pytest.warns(StagecacheWarning, match="generator.* not kept"):
        assert list(generator()) == [1, 2]


def test_a_file_that_is_not_there_is_returned_with_one_warning(cache, tmp_path):
    @stagecache.stage
    def report(name: str) -> File:
        return File(tmp_path / name)

    @stagecache.stage
    def reports(name: str) -> object:
        yield 1
        yield File(tmp_path / name)

    with pytest.warns(StagecacheWarning, match="`.*report` is returned but not kept") as told:
        assert report("missing.txt") == File(tmp_path / "missing.txt")
    assert len(told) == 1
    with pytest.warns(StagecacheWarning, match="`.*reports` is returned but not kept") as told:
        assert list(reports("missing.txt")) == [1, File(tmp_path / "missing.txt")]
    assert len(told) == 1


def test_a_directory_that_cannot_be_written_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ran = []

    @stagecache.stage(ignore=("log",))
    def work(x: int, log: object = None) -> int:
        ran.append(x)
        return x + 1

    with (
        stagecache.Cache(tmp_path / "file" / "cache"),
        warnings.catch_warnings(record=True) as seen,
    ):
        warnings.simplefilter("always")
        assert [work(1), work(2), work(1), work(2)] == [2, 3, 2, 3]
    assert ran == [1, 2]  # the memory tier still works
    assert len(seen) == 1, [str(w.message) for w in seen]
    assert issubclass(seen[0].category, StagecacheWarning)
    assert str(tmp_path / "file") in str(seen[0].message)


def test_large_results_survive_a_run_without_a_directory(tmp_path):
    (tmp_path / "file").write_text("in the way")

    @stagecache.stage
    def big(n: int) -> bytes:
        return bytes(n)

    @stagecache.stage
    def length(data: bytes) -> int:
        return len(data)

    @stagecache.pipeline
    def job() -> int:
        return length(big(3_000_000))

    with (
        stagecache.Cache(tmp_path / "file" / "cache", memory=1000),
        pytest.warns(StagecacheWarning),
    ):
        assert job() == 3_000_000


def test_a_stage_that_changes_its_argument_is_warned_about(cache):
    @stagecache.stage
    def careless(xs: list[int]) -> int:
        xs.append(1)
        return len(xs)

    with pytest.warns(ImpureStageWarning, match="`careless` changes its argument `xs`"):
        careless([1, 2])


def test_a_file_that_changes_while_a_stage_reads_it_is_not_kept(cache, tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("one")

    @stagecache.stage
    def read(source: stagecache.File) -> str:
        text = source.read_text()
        subprocess.run(["sh", "-c", f"echo more >> {path}"], check=True)
        return text

    with pytest.warns(ImpureStageWarning, match="changed while"):
        assert read(str(path)) == "one"
    path.write_text("one")
    assert not read.is_cached(path)


def test_a_lost_value_is_computed_again_with_what_it_needs(cache, tmp_path):
    ran = []

    @stagecache.stage(ignore=("log",))
    def make(n: int, log: object = None) -> bytes:
        ran.append("make")
        return bytes(n)

    @stagecache.stage(ignore=("log",))
    def head(data: bytes, n: int, log: object = None) -> bytes:
        ran.append("head")
        return data[: len(data) - n]

    @stagecache.pipeline
    def job(n: int) -> bytes:
        return head(head(make(100_000), 1), n)

    job(1)
    for blob in (tmp_path / "cache").rglob("blobs/*/*"):
        blob.unlink()
    ran.clear()
    run = job.run(2)  # only the last call is new, but nothing that it needs can be loaded
    assert len(run.value) == 100_000 - 3
    assert ran == ["make", "head", "head"]
    assert run.ran == ("make", "head[0]", "head[1]")
    assert run.outcome("make").reason.kind == "unreadable"


@pytest.mark.parametrize("depth", [0, 3], ids=["from the script", "nested"])
def test_a_warning_points_at_the_line_of_the_users_call(depth):
    @stagecache.stage
    def unkept(depth: int) -> object:
        if depth:
            unkept(depth - 1)
        return threading.Lock()

    with pytest.warns(StagecacheWarning, match="not kept") as caught:
        unkept(depth)
    assert {warning.filename for warning in caught} == {__file__}
