"""The fixture `stage_cache` is a test's own, and says what ran."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

JOB = """
    from stagecache import pipeline, stage

    LIMIT = 10

    def keep(x):
        return x < LIMIT

    @stage
    def load(path: str) -> list[int]:
        return [len(path), 99]

    @stage
    def clean(numbers: list[int]) -> list[int]:
        return [x for x in numbers if keep(x)]

    @stage
    async def later(x: int) -> int:
        return x

    @stage
    def broken() -> None:
        raise ValueError("no")

    @pipeline
    def nightly(*paths: str):
        return clean.map(load.map(paths))
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run tests in a process of its own, with this plugin and those named."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(job=JOB)

    def run(test, *options):
        pytester.makepyfile(test_job=test)
        return pytester.runpytest_subprocess(
            "-p", "stagecache.testing.pytest_plugin", "-W", "error", *options
        )

    return run


def test_checks_on_calls_and_runs(run):
    run("""
        import asyncio, pytest
        from job import clean, later, load, nightly, broken

        def test_calls(stage_cache):
            assert clean([1, 50]) == [1]
            clean([1, 50]), clean([2])
            stage_cache.assert_ran("clean", "clean")
            stage_cache.assert_hit("clean")
            stage_cache.from_here()
            clean([2])
            stage_cache.assert_nothing_ran()
            assert (stage_cache.ran, stage_cache.hit) == ((), ("clean",))

        def test_a_pipeline(stage_cache):
            nightly("a", "bb")
            stage_cache.assert_ran("load[0]", "load[1]", "clean[0]", "clean[1]")
            run = nightly.run("a", "ccc")
            stage_cache.assert_ran("clean[1]", "load[1]", run=run)
            stage_cache.assert_hit("clean[0]", run=run)
            with pytest.raises(AssertionError):
                stage_cache.assert_nothing_ran(run=run)

        def test_async(stage_cache):
            asyncio.run(later(1))
            asyncio.run(later(1))
            stage_cache.assert_ran("later")
            stage_cache.assert_hit("later")
    """).assert_outcomes(passed=3)


def test_a_failure_says_what_ran_and_why(run):
    result = run("""
        import job

        def test_it(stage_cache):
            job.clean([1])
            job.load("a")
            stage_cache.from_here()
            job.load("a")
            job.LIMIT = 5
            job.clean([1])
            stage_cache.assert_nothing_ran()

        def test_hit(stage_cache):
            stage_cache.assert_hit("clean")

        def test_run(stage_cache):
            job.nightly("a")
            run = job.nightly.run("b", "cc")
            stage_cache.assert_ran("load[1]", run=run)
    """)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: expected nothing to run, but",
            "E*ran clean (* ms) because of code: LIMIT",
            "E*hit: load",
            "E*expected clean to be hits, but",
            "E*nothing ran",
            "E*expected exactly load[[]1[]] to run, but",
            "E*ran load[[]0[]] (* ms) because of argument: path",
        ]
    )


def test_each_test_has_an_empty_cache_that_reaches_nobody(run, monkeypatch, pytester):
    pytester.makepyprojecttoml("[tool.stagecache]\nredis = 'redis://elsewhere'\nread_only = true\n")
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(pytester.path / "mine"))
    monkeypatch.setenv("STAGECACHE_STORE", "s3://elsewhere")
    run("""
        import os, subprocess, sys, threading, pytest
        import stagecache
        from job import clean

        seen = []

        @pytest.mark.parametrize("turn", range(3))
        def test_it(stage_cache, turn, tmp_path):
            clean([1])
            stage_cache.assert_ran("clean")
            assert stage_cache.directory == str(tmp_path / "stagecache") not in seen
            seen.append(stage_cache.directory)
            assert stage_cache.cache.settings.redis is None
            assert stage_cache.cache.settings.store is None
            assert stagecache.current() is stage_cache.cache

        def test_threads_and_processes_use_it_too(stage_cache):
            thread = threading.Thread(target=clean, args=([1],))
            thread.start()
            thread.join()
            stage_cache.assert_ran("clean")
            code = "from job import clean; print(clean.is_cached([1]))"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert done.stdout == "True\\n", done.stderr

        def test_what_was_configured_is_back_afterwards():
            assert os.environ["STAGECACHE_DIRECTORY"].endswith("mine")

        @pytest.fixture
        def configured():
            stagecache.configure(directory=":memory:")
            yield stagecache.current()
            assert stagecache.current().directory == ":memory:"

        def test_configured(configured, stage_cache):
            assert stagecache.current() is stage_cache.cache is not configured
    """).assert_outcomes(passed=6)
    assert not (pytester.path / "mine").exists()
    assert not (pytester.path / ".stagecache").exists()


def test_the_page_on_testing_shows_what_works(run, pytester):
    root = Path(__file__).parents[2]
    page, readme = (
        re.search(r"```python\n(.*?)```", (root / name).read_text(), flags=re.DOTALL)[1]
        for name in ("docs/testing.md", "README.md")
    )
    pytester.makepyfile(etl=readme)
    run(page).assert_outcomes(passed=2)


def test_it_works_under_xdist(run):
    run(
        """
        import pytest
        from job import nightly

        @pytest.mark.parametrize("turn", range(8))
        def test_it(stage_cache, turn):
            nightly("a", "b")
            stage_cache.assert_ran("load[0]", "load[1]", "clean[0]")  # [1, 99] twice
        """,
        "-p",
        "xdist",
        "-n",
        "2",
    ).assert_outcomes(passed=8)


def test_a_session_that_does_not_ask_for_it_imports_nothing_heavy(run):
    run("""
        import sys

        def test_it():
            heavy = {"pandas", "pyarrow", "apsw", "networkx", "stagecache.cache"}
            assert not heavy & set(sys.modules)
    """).assert_outcomes(passed=1)


def test_pytest_finds_it_by_itself_once_installed():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {
        "stagecache": "stagecache.testing.pytest_plugin"
    }


def test_names_that_nothing_bears_are_pointed_out():
    from stagecache import Cache, pipeline, stage
    from stagecache.testing.calls import StageCache

    @stage
    def load(x: int) -> int:
        return x

    @pipeline
    def job(n: int) -> list[int]:
        return load.map(range(n))

    with Cache(":memory:") as cache:
        stage_cache = StageCache(cache)
        job(2)
        with pytest.raises(AssertionError, match=r"named load; is load\[0\] or load\[1\] meant\?"):
            stage_cache.assert_ran("load")
        with pytest.raises(AssertionError, match=r"named laod\[1\]; is load\[1\]"):
            stage_cache.assert_hit("laod[1]")
        with pytest.raises(AssertionError, match="named other\n"):
            stage_cache.assert_ran("other")
        for wrong in (["load[0]", "load[1]"], load):
            with pytest.raises(TypeError, match=r"texts such as .*clean\[3\]"):
                stage_cache.assert_ran(wrong)
        with pytest.raises(TypeError, match="name the nodes"):
            stage_cache.assert_hit()
