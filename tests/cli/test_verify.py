"""``stagecache verify`` finds what is damaged, and the stages that give another result."""

from __future__ import annotations

import json

import pytest

ETL = """
    import itertools
    import pathlib

    from stagecache import pipeline, stage

    @stage
    def steady(n: int) -> bytes:
        print("printed by a body")
        return bytes(n)

    @stage(reads="ignore")
    def drifting(data: bytes) -> dict[str, int]:
        counter = pathlib.Path("counter.txt")
        now = int(counter.read_text()) + 1 if counter.exists() else 0
        counter.write_text(str(now))
        return {"size": len(data), "at": now}

    @pipeline
    def main(n: int = 100_000):
        return drifting(steady(n))
"""


@pytest.fixture
def etl(project):
    project.write("etl.py", ETL)
    return project


def verify(project, *arguments):
    done = project.python("-m", "stagecache", "verify", *arguments, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_sound_cache_has_no_problem(etl):
    etl.run("etl.py:main")
    code, text, _ = verify(etl)
    assert (code, text.strip()) == (0, f"{etl.directory}: 2 results, no problem found")
    code, text, _ = verify(etl, "--json")
    assert (code, json.loads(text)["problems"]) == (0, [])


def test_a_damaged_blob_is_named(etl):
    etl.run("etl.py:main")
    (blob,) = [p for p in etl.directory.rglob("*") if p.is_file() and len(p.name) == 32]
    data = bytearray(blob.read_bytes())
    data[50_000] ^= 1
    blob.chmod(0o600)
    blob.write_bytes(data)
    code, text, _ = verify(etl)
    assert code == 1
    assert blob.name in text
    assert "2 results, 1 problem found" in text
    code, text, _ = verify(etl, "--json")
    assert code == 1
    assert blob.name in json.loads(text)["problems"][0]


def test_stages_that_give_another_result_are_named_with_what_differs(etl):
    etl.run("etl.py:main")
    code, text, _ = verify(etl, "--recompute", "100%", "etl.py:main", "--seed", "3")
    assert code == 1
    lines = [line for line in text.splitlines() if line != "printed by a body"]
    assert lines[:3] == [
        "main: 2 of 2 hits run again, 1 differ (--seed 3)",
        "  drifting: differs",
        "    keys changed: 'at'",
    ]
    assert "randomness" in lines[3]
    code, text, _ = verify(etl, "--json", "--recompute", "1", "etl.py:main", "n=100_000")
    found = json.loads(text)
    assert (code, found["hits"]) == (1, 2)
    assert [node["status"] for node in found["nodes"]] == ["same", "differs"]
    assert etl.run("etl.py:main")["ran"] == []


def test_at_least_one_hit_is_run_again(etl):
    etl.run("etl.py:steady", "n=5")
    code, text, _ = verify(etl, "--json", "--recompute", "1%", "etl.py:steady", "n=5")
    found = json.loads(text)
    assert (code, [node["status"] for node in found["nodes"]]) == (0, ["same"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("etl.py:main",),
        ("--recompute", "5%"),
        ("--recompute", "0%", "etl.py:main"),
        ("--recompute", "150%", "etl.py:main"),
        ("--recompute", "many", "etl.py:main"),
        ("--recompute", "nan", "etl.py:main"),
        ("--recompute", "5%", "etl.py:mian"),
    ],
)
def test_a_wrong_question_exits_with_2(etl, arguments):
    code, _, error = verify(etl, *arguments)
    assert code == 2, error
