"""Asking runs nothing: ``explain``, ``status``, ``ls`` and ``show``, and forgetting by name."""

from __future__ import annotations

import json

import pytest

ETL = """
    from stagecache import pipeline, stage

    def helper(x):
        return x + 1

    @stage
    def first(x: int) -> int:
        return helper(x)

    @stage
    def second(x: int) -> str:
        return "x" * x

    @stage
    def within(limits: dict[str, int]) -> int:
        return limits["high"] - limits["low"]

    @pipeline
    def ranged(low: int) -> int:
        return within({"low": low, "high": 9})

    @pipeline
    def both(n: int) -> list[str]:
        return second.map(first.map(range(n)))
"""


@pytest.fixture
def etl(project):
    project.write("etl.py", ETL)
    return project


def asked(project, *arguments):
    return json.loads(project.python("-m", "stagecache", *arguments, "--json").stdout)


def shown(project, *arguments):
    return project.python("-m", "stagecache", *arguments).stdout


def test_explain_of_a_pipeline_is_its_plan_and_runs_nothing(etl):
    plan = asked(etl, "explain", "etl.py:both", "n=2")
    assert plan["run"] == ["first[0]", "first[1]"]
    assert plan["unknown"] == ["second[0]", "second[1]"]
    assert etl.run("etl.py:both", "n=2")["hit"] == []
    assert sorted(asked(etl, "explain", "etl.py:both", "n=2")["hit"]) == [
        "first[0]",
        "first[1]",
        "second[0]",
        "second[1]",
    ]


def test_explain_of_a_node_shows_the_diff_of_the_helper(etl):
    etl.run("etl.py:both", "n=2")
    etl.edit("etl.py", "return x + 1", "return x + 2")
    text = shown(etl, "explain", "etl.py:both", "first[1]", "n=2")
    assert text.startswith("first[1]: run (code: ")
    assert "helper" in text
    assert "-    return x + 1" in text
    assert "+    return x + 2" in text
    assert "first[0]" not in text


def test_explain_of_a_stage_name_means_all_its_nodes(etl):
    etl.run("etl.py:both", "n=2")
    plan = asked(etl, "explain", "etl.py:both", "second", "n=3")
    assert plan["hit"] == ["second[0]", "second[1]"]
    assert plan["unknown"] == ["second[2]"]


def test_explain_of_a_stage_is_its_explanation(etl):
    etl.run("etl.py:first", "x=1")
    assert asked(etl, "explain", "etl.py:first", "x=1")["hit"] is True
    explanation = asked(etl, "explain", "etl.py:first", "x=2")
    assert explanation["hit"] is False
    assert explanation["reasons"][0]["kind"] == "argument"
    assert explanation["reasons"][0]["subject"] == "x"


def test_explain_names_the_key_that_changed(etl):
    etl.run("etl.py:ranged", "low=1")
    detail = "keys changed: 'low'"
    text = shown(etl, "explain", "etl.py:ranged", "within", "low=2")
    assert text.splitlines() == ["within: run (argument: limits)", f"    {detail}"]
    plan = asked(etl, "explain", "etl.py:ranged", "within", "low=2")
    reason = {"kind": "argument", "subject": "limits", "detail": detail}
    assert plan["all_reasons"] == {"within": [reason]}
    explained = shown(etl, "explain", "etl.py:within", 'limits={"low": 2, "high": 9}')
    assert f"  argument: limits\n    {detail}\n" in explained


def test_explain_of_a_node_tells_all_that_changed(etl):
    etl.run("etl.py:ranged", "low=1")
    etl.edit("etl.py", 'limits["high"] - limits["low"]', 'limits["high"] - limits["low"] - HIGH')
    etl.edit("etl.py", "def helper", "HIGH = 7\n\ndef helper")
    words = ("explain", "etl.py:ranged", "within", "low=2")
    text = shown(etl, *words, "--html", "why.html")
    assert text.startswith("within: run (code: within)\n    --- before\n")
    assert "\n  also code: HIGH\n    newly reached\n" in text
    assert text.endswith("\n  also argument: limits\n    keys changed: 'low'\n")
    page = (etl.folder / "why.html").read_text()
    assert "argument: limits" in page
    assert "keys changed: &#x27;low&#x27;" in page
    reasons = asked(etl, *words)["all_reasons"]["within"]
    assert [(r["kind"], r["subject"]) for r in reasons] == [
        ("code", "within"),
        ("code", "HIGH"),
        ("argument", "limits"),
    ]


def test_explain_writes_a_page(etl):
    etl.run("etl.py:both", "n=2")
    etl.edit("etl.py", "return x + 1", "return x + 2 < 9")
    text = shown(etl, "explain", "etl.py:both", "first[1]", "n=2", "--html", "why.html")
    assert text.startswith("first[1]: run (code: ")
    page = (etl.folder / "why.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert '<span class="added">+    return x + 2 &lt; 9</span>' in page
    assert '<span class="removed">-    return x + 1</span>' in page
    assert shown(etl, "explain", "etl.py:first", "x=7", "--html", "-").startswith("<!DOCTYPE html>")
    failed = etl.python(
        "-m", "stagecache", "explain", "etl.py:both", "n=2", "--html", "no/where.html", check=False
    )
    assert failed.returncode == 1
    assert "no/where.html" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "etl.py:both", "frist", "n=1"), "Did you mean `first`?"),
        (("explain", "etl.py:both", "first[7]", "n=1"), "has no node `first[7]`"),
        (("explain", "etl.py:first", "other", "x=1"), "has no node `other`"),
        (("show", "zzzz"), "no beginning of a key"),
        (("show", "ab"), "no beginning of a key"),
        (("show", "00000000"), "No key begins with 00000000"),
        (("forget",), "or say --all"),
        (("ls", "first"), "Nothing is kept of a stage `first`"),
        (("statsu",), "No such command"),
    ],
)
def test_a_wrong_question_exits_with_2(etl, arguments, message):
    done = etl.python("-m", "stagecache", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("command", ["ls", "forget"])
def test_a_misspelt_stage_is_told_the_nearest_that_is_kept(etl, command):
    etl.run("etl.py:both", "n=1")
    done = etl.python("-m", "stagecache", command, "frist", check=False)
    assert done.returncode == 2
    assert "Did you mean `first`?" in done.stderr


def test_status_of_an_empty_cache_says_so(etl):
    status = asked(etl, "status")
    assert (status["entries"], status["stages"], status["runs"]) == (0, [], [])
    assert "0 results" in shown(etl, "status")


def test_status_tells_stages_and_runs(etl):
    etl.run("etl.py:both", "n=3")
    etl.run("etl.py:both", "n=3")
    status = asked(etl, "status")
    assert status["entries"] == 6
    assert {stage["stage"]: stage["entries"] for stage in status["stages"]} == {
        "etl:first": 3,
        "etl:second": 3,
    }
    assert [(len(run["ran"]), run["hit"]) for run in status["runs"]] == [(0, 6), (6, 0)]
    text = shown(etl, "status")
    assert "6 results" in text
    assert "etl:second" in text


def test_ls_lists_one_line_a_result_and_show_all_of_one(etl):
    etl.run("etl.py:both", "n=2")
    entries = asked(etl, "ls")["entries"]
    assert sorted(entry["stage"] for entry in entries) == ["etl:first"] * 2 + ["etl:second"] * 2
    assert len(asked(etl, "ls", "second")["entries"]) == 2
    assert len(asked(etl, "ls", "--limit", "3")["entries"]) == 3
    lines = shown(etl, "ls", "etl:first").splitlines()[2:]
    assert [line.split()[1] for line in lines] == ["first", "first"]
    key = lines[0].split()[0]
    entry = asked(etl, "show", key)
    assert entry["key"].startswith(key)
    assert entry["stage"] == "etl:first"
    assert entry["arguments"][0]["name"] == "x"
    assert entry["key"] in shown(etl, "show", key)


def test_what_is_shown_can_be_forgotten(etl):
    etl.run("etl.py:both", "n=3")
    key = asked(etl, "ls", "first")["entries"][0]["key"]
    assert asked(etl, "forget", key[:16]) == {"forgotten": 1}
    assert asked(etl, "forget", "second") == {"forgotten": 3}
    assert len(etl.run("etl.py:both", "n=3")["ran"]) == 4
    assert asked(etl, "forget", "--all") == {"forgotten": 6}
    assert asked(etl, "status")["entries"] == 0


def test_gc_of_a_sound_cache_removes_no_result(etl):
    etl.run("etl.py:both", "n=2")
    report = asked(etl, "gc", "--dry-run")
    assert report["dry_run"] is True
    assert report["blobs"] == report["temporary"] == 0
    assert "removed" in shown(etl, "gc")
    assert etl.run("etl.py:both", "n=2")["ran"] == []


def test_gc_fails_where_it_could_not_be_done(etl):
    etl.run("etl.py:both", "n=2")
    etl.directory.chmod(0o777)
    done = etl.python("-W", "default", "-m", "stagecache", "gc", "--json", check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["is_done"] is False
    assert "chmod go-w" in done.stderr


@pytest.mark.parametrize(
    "command", ["run", "status", "explain", "ls", "show", "gc", "verify", "forget", "doctor"]
)
def test_every_command_has_help_and_json(etl, command):
    text = shown(etl, command, "--help")
    assert "--json" in text
    assert f"stagecache {command}" in text


def test_status_tells_of_collections(etl):
    etl.python(
        "-c",
        "from stagecache import Cache; import os\n"
        "with Cache(os.environ['STAGECACHE_DIRECTORY']) as cache:\n"
        "    cache.index('prices').update(apple=1, plum=2)",
    )
    status = asked(etl, "status")
    assert status["collections"] == [{"name": "prices", "kind": "index", "items": 2, "bytes": 2}]
    assert status["bytes"] > 4096
    assert "prices" in shown(etl, "status")
