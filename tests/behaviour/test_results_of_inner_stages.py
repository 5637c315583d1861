"""A result rests on the very results that its body got of other stages.

Whoever computes one of these anew gets a new result above it, unless it comes out equal.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache as memoized
from pathlib import Path
from typing import Any

import pytest

import stagecache
from stagecache import Cache, File, stage
from stagecache.engine.resting import first_replaced
from stagecache.stores.disk import DiskStore


class World:
    """What a database says, which no key can see; and which bodies ran."""

    def __init__(self) -> None:
        self.says: Any = 1
        self.ran: list[str] = []

    def ask(self, who: str) -> Any:
        self.ran.append(who)
        return self.says

    def taken(self) -> list[str]:
        """Return who ran since this was asked last."""
        ran, self.ran = self.ran, []
        return ran


@pytest.fixture
def world() -> World:
    return World()


@stage(ignore=("world",))
def inner(x: int, world: Any = None) -> Any:
    return world.ask("inner")


@stage(ignore=("world",))
def outer(x: int, world: Any = None) -> str:
    world.ran.append("outer")
    return f"made of {inner(x, world)!r}"


@stage(ignore=("world",))
def top(x: int, world: Any = None) -> str:
    world.ran.append("top")
    return f"top {outer(x, world)}"


def test_a_refreshed_result_reaches_who_got_it_in_a_body(cache, world):
    assert outer(2, world) == "made of 1"
    world.says = 3
    assert inner.refresh(2, world) == 3
    assert not outer.is_cached(2, world)
    world.taken()
    assert outer(2, world) == "made of 3"
    assert world.taken() == ["outer"]
    assert outer(2, world) == "made of 3"
    assert outer.is_cached(2, world)
    assert world.taken() == []


def test_only_the_calls_that_got_it_run_again(cache, world):
    outer(2, world)
    outer(5, world)
    world.says = 3
    inner.refresh(2, world)
    assert outer.is_cached(5, world)
    assert not outer.is_cached(2, world)


def test_who_refreshes_and_gets_the_same_makes_nobody_run(cache, world):
    world.says = {"a": {1, 2, 3}, "b": ["x" * 40] * 2}
    outer(2, world)
    shared = "x" * 40
    world.says = {"a": {3, 2, 1}, "b": [shared[:20] + shared[20:], "x" * 40]}
    inner.refresh(2, world)
    assert outer.is_cached(2, world)


def test_it_reaches_whoever_is_above_however_deep(cache, world):
    top(2, world)
    world.says = 3
    inner.refresh(2, world)
    world.taken()
    assert top(2, world) == "top made of 3"
    assert world.taken() == ["top", "outer"]


def test_a_hit_inside_a_body_hands_it_up_as_well(cache, world):
    outer(2, world)
    top(2, world)
    assert world.taken() == ["outer", "inner", "top"]
    world.says = 3
    inner.refresh(2, world)
    assert top(2, world) == "top made of 3"


def test_explain_and_the_plan_say_whose_result_is_another(cache, world):
    outer(2, world)
    world.says = 3
    inner.refresh(2, world)
    told = str(outer.explain(2, world))
    assert "depends: result of inner(x=int 2)" in told
    assert "was refreshed and is another one now" in told

    @stagecache.pipeline
    def job():
        return outer(2, world)

    (step,) = job.plan().steps
    assert step.status == "run"
    assert step.reason is not None
    assert step.reason.subject == "result of inner(x=int 2)"
    assert job.run().ran == ("outer",)
    assert job.run().ran == ()


def test_a_forgotten_result_reaches_who_got_it(cache, world):
    outer(2, world)
    world.says = 3
    assert inner.forget(2, world)
    told = str(outer.explain(2, world))
    assert "result of inner" in told
    assert "was forgotten" in told
    assert outer(2, world) == "made of 3"
    assert outer.is_cached(2, world)


def test_what_was_forgotten_and_comes_out_equal_makes_nobody_run(cache, world):
    outer(2, world)
    inner.forget(2, world)
    inner(2, world)
    assert outer.is_cached(2, world)


def test_to_forget_very_many_makes_only_those_run_who_got_them(cache, world, monkeypatch):
    monkeypatch.setattr("stagecache.marks.MOST_KEYS", 1)
    outer.map(range(60), world=world)
    for x in range(40):
        inner.forget(x, world)
    assert [x for x in range(60) if not inner.is_cached(x, world)] == list(range(40))
    assert [x for x in range(60) if not outer.is_cached(x, world)] == list(range(40))


def test_to_forget_a_stage_reaches_who_got_results_of_it(cache, world):
    outer(2, world)
    world.says = 3
    inner.forget_all()
    assert outer(2, world) == "made of 3"
    assert outer.is_cached(2, world)


def test_a_result_that_gave_way_makes_nobody_run(cache, world):
    world.says = "x" * 100_000
    outer(2, world)
    cache.gc(max_size=1)
    assert not inner.is_cached(2, world)
    entry_of_outer = outer.explain(2, world)
    assert not any("inner" in str(reason) for reason in entry_of_outer.reasons)
    cache.gc(stage=inner.qualified_name)
    assert not any("inner" in str(reason) for reason in outer.explain(2, world).reasons)


def test_a_lost_result_that_comes_out_otherwise_reaches_who_got_it(cache, world):
    outer(2, world)
    cache.gc(stage=inner.qualified_name)
    assert outer.is_cached(2, world)
    world.says = 3
    inner(2, world)
    assert outer(2, world) == "made of 3"


def test_what_is_kept_nowhere_makes_nobody_run(cache, world):
    world.says = threading.Lock()  # nothing can keep it
    with pytest.warns(stagecache.StagecacheWarning):
        first = outer(2, world)
    world.says = threading.Lock()
    with pytest.warns(stagecache.StagecacheWarning):
        inner.refresh(2, world)
    world.taken()
    assert outer(2, world) == first
    assert world.taken() == []


@pytest.mark.parametrize("reads", ["ignore", "warn"])
def test_it_counts_whatever_becomes_of_files(cache, world, reads):
    blind = outer.options(reads=reads)
    blind(2, world)
    assert blind.is_cached(2, world)
    world.says = 3
    inner.refresh(2, world)
    assert blind(2, world) == "made of 3"
    assert blind.is_cached(2, world)


@stage(ignore=("world",))
def table(path: str, world: Any = None) -> str:
    return f"{Path(path).read_text()} {world.ask('table')}"


@stage(ignore=("world",))
def report(path: str, world: Any = None) -> str:
    world.ran.append("report")
    return table(path, world).upper()


def test_results_of_earlier_files_are_found_again_unless_refreshed(cache, world, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    assert report(str(path), world) == "ONE 1"
    path.write_text("other")
    assert report(str(path), world) == "OTHER 1"
    path.write_text("one")
    assert report.is_cached(str(path), world)
    world.says = 2
    table.refresh(str(path), world)
    assert report(str(path), world) == "ONE 2"
    path.write_text("other")
    assert report.is_cached(str(path), world), "that of the other contents was not refreshed"
    assert report(str(path), world) == "OTHER 1"
    path.write_text("one")
    assert report.is_cached(str(path), world)


@stage(ignore=("world",))
def turn(name: str, world: Any = None) -> str:
    return Path(world.ask("turn")).read_text()


@stage(ignore=("world",))
def turned(name: str, world: Any = None) -> str:
    return turn(name, world).upper()


def test_a_refreshed_body_that_reads_other_files_reaches_who_got_it(cache, world, tmp_path):
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("one")
    other.write_text("other")
    world.says = str(one)
    assert turned("n", world) == "ONE"
    world.says = str(other)
    turn.refresh("n", world)
    assert turned("n", world) == "OTHER"
    assert turned.is_cached("n", world)


@stage(ignore=("world",))
def written(path: str, world: Any = None) -> File:
    Path(path).write_text(str(world.ask("written")))
    return File(path)


@stage(ignore=("world",))
def counted(path: str, world: Any = None) -> str:
    return f"{Path(written(path, world)).read_text()} counted"


def test_a_refreshed_file_reaches_who_read_it(cache, world, tmp_path):
    path = str(tmp_path / "out.txt")
    assert counted(path, world) == "1 counted"
    assert counted.is_cached(path, world)
    written.refresh(path, world)
    assert counted.is_cached(path, world)
    world.says = 2
    written.refresh(path, world)
    assert counted(path, world) == "2 counted"


@stage(ignore=("world",))
def lines(x: int, world: Any = None) -> Any:
    yield world.ask("lines")
    yield x


@stage(ignore=("world",))
def joined(x: int, world: Any = None) -> list[Any]:
    return list(lines(x, world))


@stage(ignore=("world",))
def mapped(x: int, world: Any = None) -> list[Any]:
    return inner.map([x, x + 1], world=world)


@stage(ignore=("world",))
def threaded(x: int, world: Any = None) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda y: inner(y, world), [x, x + 1]))


@stage(ignore=("world",))
async def waited(x: int, world: Any = None) -> Any:
    return world.ask("waited")


@stage(ignore=("world",))
def waiting(x: int, world: Any = None) -> Any:
    import asyncio

    return [asyncio.run(waited(x, world))]


@stagecache.pipeline
def line(x: int, world: Any = None):
    return inner(x, world)


@stage(ignore=("world",))
def piped(x: int, world: Any = None) -> Any:
    return [line(x, world)]


@memoized
def known(x: int, world: Any = None) -> Any:
    return inner(x, world)


@pytest.mark.parametrize(
    ("low", "high"),
    [(lines, joined), (inner, mapped), (inner, threaded), (waited, waiting), (inner, piped)],
    ids=lambda one: one.name,
)
def test_it_counts_however_the_inner_stage_is_called(cache, world, low, high):
    first = high(2, world)
    assert high.is_cached(2, world)
    world.says = 7
    again = low.refresh(2, world)
    if low.is_async:
        import asyncio

        asyncio.run(again)
    assert not high.is_cached(2, world)
    assert high(2, world) != first
    assert high.is_cached(2, world)


def test_a_memo_that_holds_what_was_refreshed_gives_no_kept_result(cache, world):
    @stage(ignore=("world",))
    def remembering(x: int, world: Any = None) -> Any:
        return [known(x, world)]

    known(2, world)
    assert remembering(2, world) == [1]
    assert remembering.is_cached(2, world)
    world.says = 3
    inner.refresh(2, world)
    assert not remembering.is_cached(2, world)
    known.cache_clear()
    assert remembering(2, world) == [3]


def test_modules_may_have_any_name(cache, world):
    def plain(x: int, world: Any = None) -> Any:
        return world.ask("plain")

    plain.__module__ = "my job"
    strange = stage(ignore=("world",))(plain)

    @stage(ignore=("world",))
    def above(x: int, world: Any = None) -> Any:
        return [strange(x, world)]

    above(2, world)
    world.says = 3
    strange.refresh(2, world)
    assert above(2, world) == [3]
    assert above.is_cached(2, world)


def test_a_memo_that_still_holds_the_old_one_gives_no_kept_result(cache, world):
    @stage(ignore=("world",))
    def remembering(x: int, world: Any = None) -> Any:
        return [known(x, world)]

    known.cache_clear()
    known(2, world)
    world.says = 3
    inner.refresh(2, world)
    assert remembering(2, world) == [1]
    assert not remembering.is_cached(2, world), "a new process would not get that"


def test_what_is_kept_is_looked_at_again_only_where_anything_was_replaced(
    cache, world, tmp_path, monkeypatch
):
    outer(2, world)
    outer(5, world)
    asked = []
    ask = DiskStore.results
    monkeypatch.setattr(
        DiskStore, "results", lambda store, keys: asked.append(keys) or ask(store, keys)
    )
    with Cache(tmp_path / "cache"):  # as of another process
        assert outer.is_cached(2, world)
        assert asked == []
        inner.refresh(5, world)
        assert [outer.is_cached(2, world) for _ in range(3)] == [True] * 3
        assert len(asked) == 1


def test_a_record_of_results_that_is_damaged_is_a_miss(cache, world):
    outer(2, world)
    (kept,) = [entry for entry, _ in cache.entries() if entry.stage == outer.qualified_name]
    (read,) = kept.reads
    for name in ("", "x", read.name[:-9], "a\nb\nc\nd"):
        broken = kept._replace(reads=(read._replace(name=name, digest=bytes(16)),))
        assert first_replaced(cache.engine.context.store, broken) is not None, name


def test_a_body_that_got_two_results_of_one_call_is_not_kept(cache, world):
    @stage(ignore=("world",))
    def torn(x: int, world: Any = None) -> list[Any]:
        first = inner(x, world)
        world.says += 1
        return [first, inner.refresh(x, world)]

    with pytest.warns(stagecache.StagecacheWarning, match="result of .*inner.* changed while"):
        assert torn(2, world) == [1, 2]
    assert not torn.is_cached(2, world)


def test_results_of_a_process_alone_are_looked_at_too(world):
    with Cache(":memory:"):
        outer(2, world)
        assert outer.is_cached(2, world)
        world.says = 3
        inner.refresh(2, world)
        assert outer(2, world) == "made of 3"
        inner.forget(2, world)
        assert not outer.is_cached(2, world)


def test_another_cache_of_the_directory_hears_of_it(cache, world, tmp_path):
    outer(2, world)
    assert outer.is_cached(2, world)
    world.says = 3
    with Cache(tmp_path / "cache"):  # as of another process
        inner.refresh(2, world)
    assert not outer.is_cached(2, world)


def test_a_result_of_another_cache_counts_too(cache, world, tmp_path):
    elsewhere = Cache(tmp_path / "elsewhere")

    @stage(ignore=("world",))
    def reaching(x: int, world: Any = None) -> str:
        with Cache(tmp_path / "elsewhere"):
            return f"made of {inner(x, world)}"

    reaching(2, world)
    assert reaching.is_cached(2, world)
    world.says = 3
    with elsewhere:
        inner.refresh(2, world)
    assert reaching(2, world) == "made of 3"
    assert reaching.is_cached(2, world)


def test_of_very_many_results_a_refresh_of_any_counts(cache, world, monkeypatch):
    monkeypatch.setattr("stagecache.engine.resting.MOST", 3)

    @stage(ignore=("world",))
    def sweeping(n: int, world: Any = None) -> list[Any]:
        return inner.map(range(n), world=world)

    @stage(ignore=("world",))
    def above(n: int, world: Any = None) -> list[Any]:
        return sweeping(n, world)

    above(4, world)
    inner.refresh(2, world)
    assert above.is_cached(4, world)
    world.says = 7
    inner.refresh(2, world)
    assert above(4, world) == [1, 1, 7, 1]
    assert above.is_cached(4, world)
    world.says = 8
    inner.forget(1, world)
    assert above(4, world) == [1, 8, 7, 1]


def test_an_expired_result_that_a_long_body_got_twice_is_no_trouble(cache, world, monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr(cache.engine.context.clock, "now", lambda: now[0])

    @stage(ignore=("world",), ttl=10)
    def state(x: int, world: Any = None) -> Any:
        return world.ask("state")

    @stage(ignore=("world",))
    def patient(x: int, world: Any = None) -> list[Any]:
        first = state(x, world)
        world.says += 1
        now[0] += 20
        return [first, state(x, world)]

    assert patient(2, world) == [1, 2]  # without a warning, which would be an error


def test_an_accepted_edit_goes_on_with_what_the_edited_stage_gives(project):
    project.write(
        "job.py",
        """
        import os
        from stagecache import stage

        @stage
        def low(x: int) -> int:
            return os.getpid() + x

        @stage
        def high(x: int) -> str:
            return f"{low(x)}!"
        """,
    )
    first = project.python("-c", "import job; print(job.high(1))").stdout
    project.edit("job.py", "os.getpid() + x", "x + os.getpid()")
    accept = "import job; job.high.accept(), job.low.accept(); print(job.high(1))"
    assert project.python("-c", accept).stdout == first
    refresh = "import job; job.low.refresh(1); print(job.high.is_cached(1))"
    assert project.python("-c", refresh).stdout == "False\n"


def test_a_process_remembers_what_calls_gave_within_a_bound(cache, world, monkeypatch):
    from stagecache.engine import noted

    monkeypatch.setattr(noted, "_MOST", 20_000)
    monkeypatch.setattr(noted, "_known", {})
    monkeypatch.setattr(noted, "_taken", [0])
    inner.map(range(200), world=world)
    assert 15 < len(noted._known) <= 40
