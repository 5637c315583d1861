"""What a body asks for by a name that it works out counts: variables, modules."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

import stagecache


@pytest.fixture
def ran():
    return []


@pytest.fixture
def setting(cache, ran):
    """A stage that reads a variable named by its argument."""

    @stagecache.stage(ignore=("log",))
    def setting(name: str, log: list[str]) -> str:
        log.append(name)
        return os.environ.get("APP_" + name, "none")

    return lambda name: setting(name, ran)


def test_a_variable_with_a_computed_name_counts_by_value(setting, ran, monkeypatch):
    monkeypatch.setenv("APP_MODE", "a")
    assert [setting("MODE"), setting("MODE")] == ["a", "a"]
    monkeypatch.setenv("APP_MODE", "b")
    assert setting("MODE") == "b"
    monkeypatch.delenv("APP_MODE")
    assert setting("MODE") == "none"
    assert len(ran) == 3
    monkeypatch.setenv("APP_MODE", "a")
    assert setting("MODE") == "a"
    monkeypatch.setenv("APP_OTHER", "x")
    assert setting("MODE") == "a"
    assert len(ran) == 3, "earlier values still hit"


def test_the_reason_names_the_variable(cache, monkeypatch):
    @stagecache.stage
    def mode(name: str) -> str:
        return os.environ["APP_" + name]

    monkeypatch.setenv("APP_MODE", "a")
    mode("MODE")
    monkeypatch.setenv("APP_MODE", "b")
    assert [r[:2] for r in mode.explain("MODE").reasons] == [("environment", "APP_MODE")]


def test_a_caller_rests_on_what_an_inner_stage_asked_for(cache, monkeypatch):
    @stagecache.stage
    def inner(name: str) -> str:
        return os.environ["APP_" + name]

    @stagecache.stage
    def outer(name: str) -> str:
        return inner(name) + "!"

    monkeypatch.setenv("APP_MODE", "a")
    assert outer("MODE") == "a!"
    outer.forget("MODE")
    assert outer("MODE") == "a!", "inner is a hit, and hands it up all the same"
    monkeypatch.setenv("APP_MODE", "b")
    assert outer("MODE") == "b!"


def test_a_body_that_sets_what_it_reads_hits(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def work(name: str, log: list[int]) -> str:
        log.append(1)
        os.environ["APP_" + name] = "mine"
        try:
            return os.environ["APP_" + name]
        finally:
            del os.environ["APP_" + name]

    assert work("OWN", ran) == work("OWN", ran) == "mine"
    assert len(ran) == 1


def test_a_plugin_with_a_computed_name_counts_by_its_code(cache, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    ran = []

    @stagecache.stage(ignore=("log",))
    def run(name: str, x: int, log: list[int]) -> int:
        log.append(1)
        return importlib.import_module(f"zq_plugin_{name}").run(x)

    def edit(text: str) -> None:
        (tmp_path / "zq_plugin_a.py").write_text(text)
        sys.modules.pop("zq_plugin_a", None)
        importlib.invalidate_caches()

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    edit("def run(x):\n    return x + 1\n")
    assert run("a", 3, ran) == run("a", 3, ran) == 4
    edit("def run(x):\n    return x + 2\n")
    assert [r[:2] for r in run.explain("a", 3, ran).reasons] == [("file", "zq_plugin_a")]
    assert run("a", 3, ran) == 5
    edit("# a comment\ndef run(x):\n    return x + 1\n")
    assert run("a", 3, ran) == 4
    assert len(ran) == 2
    sys.modules.pop("zq_plugin_a", None)


def test_what_is_only_warned_of_is_told_with_its_name(cache, monkeypatch):
    @stagecache.stage(reads="warn")
    def mode(name: str) -> str:
        return os.environ["APP_" + name]

    monkeypatch.setenv("APP_MODE", "a")
    with pytest.warns(stagecache.ImpureStageWarning, match="`mode` asks for 'APP_MODE'"):
        assert mode("MODE") == "a"
