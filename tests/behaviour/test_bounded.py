"""Jobs in a bounded directory: what gave way runs again only if somebody needs it."""

from __future__ import annotations

import os

import pytest

import stagecache
from stagecache import Cache, pipeline, stage
from stagecache.errors import StagecacheWarning

RAN: list[str] = []


@stage
def source(number: int) -> bytes:
    RAN.append(f"source {number}")
    return bytes([number]) * 120_000


@stage
def shortened(data: bytes) -> bytes:
    RAN.append(f"shortened {data[0]}")
    return data[:100]


@stage
def huge() -> bytes:
    RAN.append("huge")
    return bytes(5_000_000)


@pipeline
def all_shortened(count: int) -> list[bytes]:
    return shortened.map(source.map(range(count)))


@pipeline
def with_one_too_large() -> list[bytes]:
    return [huge(), source(1)]


@pytest.fixture(autouse=True)
def _nothing_ran():
    RAN.clear()


def small(tmp_path, **settings):
    return stagecache.Cache(tmp_path / "small", memory=0, max_size="1 MB", **settings)


def test_an_intermediate_that_gave_way_does_not_run_while_what_is_made_of_it_is_there(tmp_path):
    with small(tmp_path) as cache:
        first = all_shortened.run(20)
        assert len(first.ran) == 40
        lost = [entry for entry, _ in cache.entries() if not entry.has_value]
        assert len(lost) > 10
        RAN.clear()
        again = all_shortened.run(20)
        assert (again.ran, RAN) == ((), [])
        assert again.value == first.value


def test_what_gave_way_and_is_needed_runs_again_once(tmp_path):
    with small(tmp_path):
        all_shortened(20)
        shortened.forget(bytes([0]) * 120_000)
        RAN.clear()
        all_shortened(20)
        assert RAN == ["source 0", "shortened 0"]


def test_a_result_larger_than_the_bound_is_returned_with_a_warning_that_names_the_stage(tmp_path):
    with small(tmp_path):
        with pytest.warns(StagecacheWarning, match=r"huge` \(5,000,0.* bytes\).*`max_size`"):
            assert len(huge()) == 5_000_000
        assert len(huge()) == 5_000_000
    assert RAN == ["huge", "huge"]


@pytest.mark.parametrize("memory", [0, "64 MiB"])
def test_a_run_says_which_results_found_no_room(tmp_path, memory):
    with stagecache.Cache(tmp_path / "small", memory=memory, max_size="1 MB"):
        with pytest.warns(StagecacheWarning, match="`max_size`"):
            run = with_one_too_large.run()
        assert sorted(run.ran) == ["huge", "source"]
        assert run.unkept == ("huge",)
        assert run.headline.startswith("with_one_too_large: 2 ran, 0 hit, 1 not kept in ")
        assert run.to_dict()["unkept"] == ["huge"]
        (of_huge,) = (line for line in run.summary().splitlines() if " huge " in line)
        assert of_huge.endswith("absent; not kept")
        assert run._repr_html_().count("absent; not kept") == 1


def test_the_command_line_says_which_results_found_no_room(project):
    project.write(
        "etl.py",
        """
        from stagecache import pipeline, stage

        @stage
        def huge() -> bytes:
            return bytes(5_000_000)

        @stage
        def small() -> int:
            return 1

        @pipeline
        def both() -> list:
            return [huge(), small()]
    """,
    )
    run = ("-W", "default", "-m", "stagecache", "run", "etl.py:both")
    done = project.python(*run, STAGECACHE_MAX_SIZE="1 MB")
    assert "2 ran, 0 hit, 1 not kept in" in done.stdout
    is_not_kept = {line.split()[0]: "not kept" in line for line in done.stdout.splitlines()[3:5]}
    assert is_not_kept == {"huge": True, "small": False}
    assert "huge` (5,000," in done.stderr


def test_a_cache_that_has_no_disk_keeps_all_that_it_was_asked_to(tmp_path):
    with stagecache.Cache(":memory:"):
        assert all_shortened.run(2).unkept == ()


def test_listeners_hear_of_what_gives_way(tmp_path):
    heard = []
    with small(tmp_path) as cache:
        cache.listen(lambda event: heard.append((event.kind, event.node)))
        all_shortened(20)
    assert ("evicted", source.qualified_name) in heard


def test_the_command_line_respects_the_bound_that_a_job_said(project):
    project.write(
        "etl.py",
        """
        import os
        from stagecache import pipeline, stage

        @stage
        def part(n: int) -> bytes:
            return os.urandom(100_000)

        @pipeline
        def parts(n: int) -> list[bytes]:
            return part.map(range(n))
    """,
    )
    project.run("etl.py:parts", "n=3", STAGECACHE_MAX_SIZE="1 MB", STAGECACHE_EVICTION="lru")
    project.run("etl.py:parts", "n=30")
    used = sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(project.directory / "v1")
        for name in names
        if name != "locks"  # a file with holes
    )
    assert used <= 1_000_000
    said = project.python("-m", "stagecache", "status").stdout
    assert "of at most 1.0 MB (eviction: lru)" in said
    would = project.python("-m", "stagecache", "gc", "--stage", "part", "--dry-run").stdout
    assert would.startswith("30 results, ")
    assert "would be removed" in would
    done = project.python("-m", "stagecache", "gc", "--older-than", "1h").stdout
    assert done.startswith("0 results, ")
    assert project.python("-m", "stagecache", "gc", "--stage", "part").stdout.startswith("30 ")


def test_what_a_directory_needs_beside_results_counts_as_well(tmp_path):
    @stage
    def block(n: int) -> bytes:
        return bytes([n % 256]) * 30_000

    with Cache(tmp_path / "cache", max_size="1 MB"):
        for n in range(600):
            block(n)
    taken = sum(
        file.stat().st_blocks * 512 for file in (tmp_path / "cache").rglob("*") if file.is_file()
    )
    assert taken <= 1_000_000
