"""The tool says why a stage ran."""

from __future__ import annotations

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
    assert ran == []
    both(7)
    assert both.plan(7).named("hit") == ("first", "second")
    changed = make(100).plan(7)
    assert changed.named("run") == ("first",)
    assert changed.to_dict()["reasons"]["first"].startswith("code: ")
