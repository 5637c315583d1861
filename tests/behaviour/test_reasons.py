"""The tool says why a stage ran."""

from __future__ import annotations

import pandas as pd
import pytest

import stagecache
from stagecache import File


def test_the_first_run_of_a_stage_says_that_nothing_was_kept(cache):
    @stagecache.stage
    def answer() -> int:
        return 42

    @stagecache.pipeline
    def ask():
        return answer()

    (outcome,) = ask.run().outcomes
    assert outcome.reason.kind == "absent"


def test_a_changed_file_is_named(cache, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)

    @stagecache.stage
    def size(path: File) -> int:
        return len(path.read_text())

    @stagecache.pipeline
    def sizes():
        return size.map([File(tmp_path / "a.txt"), File(tmp_path / "b.txt")])

    sizes.run()
    (tmp_path / "b.txt").write_text("longer")
    run = sizes.run()
    assert run.ran == ("size[1]",)
    reason = run.outcome("size[1]").reason
    assert (reason.kind, reason.subject) == ("file", "b.txt")


def test_a_changed_helper_is_named_with_a_diff(project):
    project.write(
        "steps.py",
        """
        from stagecache import pipeline, stage

        def helper(x):
            return x + 1

        @stage
        def work(x: int) -> int:
            return helper(x)

        @pipeline
        def main(x: int = 1) -> int:
            return work(x)
        """,
    )
    project.run("steps.py:main")
    project.edit("steps.py", "x + 1", "x + 2")
    assert project.run("steps.py:main")["reasons"] == {"work": "code: helper"}
    project.edit("steps.py", "x + 2", "x + 3")
    program = "import steps; print(steps.work.explain(1))"
    text = project.python("-c", program).stdout
    assert "code: helper" in text
    assert "-    return x + 2" in text
    assert "+    return x + 3" in text


def test_who_went_back_and_edits_something_else_is_told_of_that_alone(project):
    text = """
        from stagecache import pipeline, stage

        LIMIT = {limit}

        def helper(x):
            return x + {step}

        @stage
        def work(x: int) -> int:
            return helper(x) + LIMIT

        @pipeline
        def main(x: int = 1) -> int:
            return work(x)
        """
    for limit, step, ran in ((1, 1, 1), (2, 1, 1), (1, 1, 0)):
        project.write("steps.py", text.format(limit=limit, step=step))
        assert len(project.run("steps.py:main")["ran"]) == ran
    project.write("steps.py", text.format(limit=1, step=2))
    assert project.run("steps.py:main")["reasons"] == {"work": "code: helper"}


def test_a_changed_argument_is_named(cache):
    @stagecache.stage
    def power(base: int, exponent: int = 2) -> int:
        return base**exponent

    power(3)
    explanation = power.explain(3, exponent=3)
    assert not explanation.is_hit
    assert [(r.kind, r.subject) for r in explanation.reasons] == [("argument", "exponent")]
    assert power.explain(3).is_hit


def test_the_plan_names_what_would_run_and_runs_nothing(cache):
    ran = []

    def make(limit):
        @stagecache.stage(ignore=("log",))
        def first(x: int, log: object = None) -> int:
            ran.append("first")
            return x % limit

        @stagecache.stage(ignore=("log",))
        def second(x: int, log: object = None) -> int:
            ran.append("second")
            return x + 1

        @stagecache.pipeline
        def both(x: int):
            return second(first(x))

        return both

    both = make(10)
    plan = both.plan(7)
    assert [(s.node, s.status) for s in plan.steps] == [("first", "run"), ("second", "unknown")]
    assert "second: unknown until first has run" in str(plan)
    assert plan.to_dict()["after"] == {"second": ["first"]}
    assert ran == []
    both(7)
    assert both.plan(7).named("hit") == ("first", "second")
    changed = make(100).plan(7)
    assert changed.named("run") == ("first",)
    assert changed.to_dict()["reasons"]["first"].startswith("code: ")


FRAME = {"delay": [1, 2], "origin": ["JFK", "LGA"]}


def test_a_changed_column_is_named_and_an_added_one(cache):
    @stagecache.stage
    def total(df: pd.DataFrame) -> int:
        return len(df)

    total(pd.DataFrame(FRAME))
    changed = pd.DataFrame({**FRAME, "delay": [1, 3], "gain": [0, 0]})
    (reason,) = total.explain(changed).reasons
    assert (reason.kind, reason.subject) == ("argument", "df")
    assert reason.detail == "columns changed: 'delay'\ncolumns added: 'gain'"
    (reason,) = total.explain(pd.DataFrame(FRAME)[["origin", "delay"]]).reasons
    assert reason.detail == "order of the columns changed"
    (reason,) = total.explain(pd.DataFrame(FRAME, index=[7, 8])).reasons
    assert reason.detail == "index changed"
    (reason,) = total.explain(pd.DataFrame(FRAME)[:1]).reasons
    assert reason.detail == "rows: was 2, is 1"
    assert "columns changed: 'delay'" in str(total.explain(changed))


def test_a_changed_key_and_a_changed_position_are_named(cache):
    @stagecache.stage
    def total(limits: dict, days: list) -> int:
        return 0

    total({"low": 1, "high": 2}, list(range(20)))
    (reason,) = total.explain({"low": 1, "high": 3}, list(range(20))).reasons
    assert reason.detail == "keys changed: 'high'"
    (reason,) = total.explain({"high": 2}, list(range(20))).reasons
    assert reason.detail == "keys removed: 'low'"
    (reason,) = total.explain({"low": 1, "high": 2}, [0] * 20).reasons
    assert reason.detail == "positions changed: 1, 2, 3, 4, 5 ... and 14 more"


def test_a_run_names_the_column_of_a_result_that_it_had_to_load(cache):
    @stagecache.stage
    def load(day: int) -> pd.DataFrame:
        return pd.DataFrame({**FRAME, "day": [day, day]})

    @stagecache.stage
    def total(df: pd.DataFrame) -> int:
        return len(df)

    @stagecache.pipeline
    def count(day: int):
        return total(load(day))

    count(1)
    load(2)
    assert load.is_cached(2)
    (step,) = [step for step in count.plan(2).steps if step.node == "total"]
    assert step.reason.detail == "changed (from load)"
    assert count.run(2).outcome("total").reason.detail == "columns changed: 'day'"


def test_of_a_list_of_results_the_changed_position_is_named_without_loading_any(cache):
    @stagecache.stage
    def load(day: int) -> list[int]:
        return [day]

    @stagecache.stage
    def total(days: list[list[int]]) -> int:
        return sum(map(sum, days))

    @stagecache.pipeline
    def count(days: list[int]):
        return total(load.map(days))

    count([1, 2, 3])
    load(4)
    (step,) = [step for step in count.plan([1, 4, 3]).steps if step.node == "total"]
    assert step.reason.detail == "positions changed: 1"
    assert count.run([1, 4, 3]).outcome("total").reason.detail == "positions changed: 1"


def test_an_argument_that_cannot_be_taken_apart_again_stops_no_job(cache):
    class Once:
        asked = 0

        def __stagecache_fingerprint__(self):
            Once.asked += 1
            if Once.asked > 1:
                raise RuntimeError("only once")
            return 1

    @stagecache.stage
    def total(values: list) -> int:
        return len(values)

    with pytest.warns(stagecache.ImpureStageWarning):
        assert total([Once(), 2]) == 2


def test_what_a_body_does_to_its_argument_is_not_told_as_a_change(cache):
    @stagecache.stage
    def total(limits: dict) -> int:
        limits["high"] = 0
        return 0

    with pytest.warns(stagecache.ImpureStageWarning):
        total({"low": 1, "high": 2})
    (reason,) = total.explain({"low": 5, "high": 2}).reasons
    assert reason.detail == "keys changed: 'low'"
