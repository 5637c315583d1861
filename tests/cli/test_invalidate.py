"""`stagecache invalidate`, and `ls --tag`."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def etl(project):
    project.write(
        "etl.py",
        """
        from stagecache import stage

        @stage(tags=("fx",))
        def rates(day: int) -> int:
            return day

        @stage
        def report(day: int) -> int:
            return rates(day)

        @stage
        def other(day: int) -> int:
            return -day
        """,
    )
    return project


def ran(project, stage):
    return project.run(f"etl.py:{stage}", "day=1")["ran"] == [stage]


def stagecache(project, *arguments, check=True):
    return project.python("-m", "stagecache", *arguments, check=check)


def test_a_tag_a_stage_or_all(etl):
    for stage in ("rates", "report", "other"):
        assert ran(etl, stage)
    shown = stagecache(etl, "invalidate", "--tag", "fx").stdout
    assert shown == "tag fx: invalidated\n"
    assert [ran(etl, stage) for stage in ("report", "rates", "other")] == [True, False, False]
    printed = stagecache(etl, "invalidate", "--stage", "rates", "--soft", "--json").stdout
    assert json.loads(printed) == {
        "stages": ["etl:rates"], "tag": None, "soft": True, "told": True,
    }  # fmt: skip
    assert [ran(etl, stage) for stage in ("rates", "other")] == [True, False]
    assert stagecache(etl, "invalidate", "--all").stdout == "everything: invalidated\n"
    assert [ran(etl, stage) for stage in ("rates", "other")] == [True, True]


def test_ls_lists_what_a_tag_invalidates(etl):
    for stage in ("report", "other"):
        assert ran(etl, stage)
    found = json.loads(stagecache(etl, "ls", "--tag", "fx", "--json").stdout)["entries"]
    assert {(entry["stage"], *entry["tags"]) for entry in found} == {
        ("etl:rates", "fx"), ("etl:report", "fx"),
    }  # fmt: skip
    found = json.loads(stagecache(etl, "ls", "report", "--tag", "fx", "--json").stdout)["entries"]
    assert [entry["stage"] for entry in found] == ["etl:report"]


def test_it_says_what_is_wrong_with_the_question(etl):
    assert ran(etl, "rates")
    for arguments in ((), ("--all", "--tag", "fx"), ("--soft",)):
        done = stagecache(etl, "invalidate", *arguments, check=False)
        assert (done.returncode, "or say --all" in done.stderr) == (2, True)
    done = stagecache(etl, "invalidate", "--stage", "rate", check=False)
    assert (done.returncode, "Did you mean `rates`" in done.stderr) == (2, True)
    # Others may have results of a stage that is unknown here.
    assert stagecache(etl, "invalidate", "--stage", "etl:unknown").returncode == 0
