"""What one machine invalidates, forgets or refreshes, no other one serves from what it has near."""

from __future__ import annotations

import contextlib
import contextvars
import threading

import pytest
from servers.machine import Machine

from stagecache import Cache, stage
from stagecache.errors import NotToldError, ShelfError, StagecacheWarning
from stagecache.testing.shelves import MemoryShelf

PATIENCE = 60
NOW = "stagecache/m1/{marks}now"


class Source:
    """Something outside that gives another number each time."""

    def __init__(self):
        self.asked = 0
        self.error = None
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self):
        if self.error is not None:
            raise self.error
        self.asked += 1
        number = self.asked
        self.entered.set()
        assert self.go.wait(PATIENCE)
        return number

    def __stagecache_code__(self):
        return ("source",)


def in_thread(work):
    results = []
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(lambda: results.append(work()),)
    )
    thread.start()

    def join():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return results[0]

    return join


@pytest.fixture
def shelf():
    return MemoryShelf()


@pytest.fixture
def machine(tmp_path, shelf):
    """Return what makes machines that share a shelf."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(name=None, **options):
            made.append(name)
            directory = tmp_path / (name or f"machine-{len(made)}")
            made_machine = Machine(directory, options.pop("shelf", shelf), **options)
            stack.callback(made_machine.close)
            return made_machine

        yield make


@pytest.fixture
def source():
    return Source()


@stage(tags=("fx",), ignore=("ask",))
def rates(ask: object) -> int:
    return ask()


@stage(ignore=("ask",))
def report(ask: object) -> str:
    return f"rate {rates(ask)}"


def call(machine, stage, source):
    return machine.call(stage, source)


HOW = {
    "all": lambda machine, _: machine.invalidate(),
    "stage": lambda machine, _: machine.invalidate(stage=rates),
    "tag": lambda machine, _: machine.invalidate(tag="fx"),
    "forget": lambda _, source: rates.forget(source),
    "forget all": lambda *_: rates.forget_all(),
    "clear": lambda machine, _: machine.clear(),
    "keys": lambda machine, _: machine.forget([e.key for e, _ in machine.entries(limit=1)]),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("apart", [0.0, 3e7, -3e7])
def test_the_other_ones_next_call_runs_once_for_both(machine, source, how, apart):
    a, b = machine(), machine(now=1_700_000_000 + apart)
    assert [call(a, rates, source), call(b, rates, source)] == [1, 1]
    assert call(b, rates, source) == 1  # from memory
    with a.entered():
        HOW[how](a, source)
    assert call(b, rates, source) == 2
    assert [call(a, rates, source), call(b, rates, source)] == [2, 2]
    assert source.asked == 2


def test_a_refresh_is_what_the_others_get_next(machine, source):
    a, b = machine(), machine()
    assert [call(a, rates, source), call(b, rates, source), call(b, rates, source)] == [1, 1, 1]
    with a.entered():
        assert rates.refresh(source) == 2
    assert [call(b, rates, source), call(b, rates, source), call(a, rates, source)] == [2, 2, 2]


def test_a_refresh_that_fails_leaves_the_others_what_they_have(machine, source):
    a, b = machine(), machine()
    assert [call(a, rates, source), call(b, rates, source)] == [1, 1]
    source.error = OSError("no route to host")
    with a.entered(), pytest.raises(OSError, match="no route"):
        rates.refresh(source)
    with pytest.warns(StagecacheWarning, match="could not be refreshed"):
        assert call(b, rates, source) == 1


def test_results_whose_bodies_used_it_are_computed_again_elsewhere_too(machine, source):
    a, b = machine(), machine()
    assert [call(a, report, source), call(b, report, source)] == ["rate 1"] * 2
    a.invalidate(tag="fx")
    assert call(b, report, source) == "rate 2"
    assert call(a, report, source) == "rate 2"


def test_softly_another_machine_gets_what_was_computed_again(machine, source):
    a, b, c = machine(), machine(), machine()
    assert [call(m, rates, source) for m in (a, b, c)] == [1, 1, 1]
    a.invalidate(tag="fx", soft=True)
    source.entered.clear()
    source.go.clear()
    refreshing = in_thread(lambda: call(b, rates, source))
    assert source.entered.wait(PATIENCE)
    with c.entered():
        assert "served all the same" in rates.explain(source).reasons[0].detail
    source.go.set()
    assert refreshing() == 2
    assert [call(c, rates, source), call(a, rates, source)] == [2, 2]
    assert source.asked == 2


def test_what_expired_here_is_taken_from_who_has_computed_it_since(machine, source):
    rates_of_today = rates.options(ttl="1h")
    a, b = machine(), machine()
    assert [call(a, rates_of_today, source), call(b, rates_of_today, source)] == [1, 1]
    for one in (a, b):
        one.clock.advance(7200)
    assert [call(a, rates_of_today, source), call(b, rates_of_today, source)] == [2, 2]
    assert source.asked == 2


def test_a_body_that_ran_while_it_was_invalidated_elsewhere_is_no_hit(machine, source):
    a, b = machine(), machine()
    source.go.clear()
    running = in_thread(lambda: call(b, rates, source))
    assert source.entered.wait(PATIENCE)
    a.invalidate(tag="fx")
    source.go.set()
    assert running() == 1
    assert [call(a, rates, source), call(b, rates, source)] == [2, 2]


@pytest.mark.parametrize("evicted", [True, False])
def test_marks_that_the_shelf_loses_cost_reruns_only(machine, shelf, source, evicted):
    a, b = machine(), machine()
    assert [call(a, rates, source), call(b, rates, source)] == [1, 1]
    a.invalidate(tag="fx")
    if evicted:
        shelf.remove([NOW])
    else:
        shelf._values.clear()
    assert [call(b, rates, source), call(a, rates, source)] == [2, 2]
    assert [call(b, rates, source), call(a, rates, source)] == [2, 2]


def test_results_from_before_there_was_a_team_stay_good(machine, tmp_path, source):
    with Cache(tmp_path / "a"):
        assert rates(source) == 1
    a, b = machine("a"), machine("b")
    assert call(a, rates, source) == 1
    b.invalidate(stage="etl:other")
    assert call(a, rates, source) == 1
    b.invalidate(tag="fx")
    assert call(a, rates, source) == 2


def test_marks_that_one_made_alone_do_not_trouble_the_team(machine, tmp_path, source):
    with Cache(tmp_path / "a") as alone:
        assert rates(source) == 1
        alone.invalidate()
    b = machine("b")
    assert call(b, rates, source) == 2
    a = machine("a")
    # Its own result is outdated; that of the team is not.
    assert [call(a, rates, source), call(b, rates, source)] == [2, 2]


def test_out_of_reach_it_holds_here_and_the_others_are_told_later(machine, shelf, source):
    a, b = machine(), machine()
    assert [call(one, rates, source) for one in (a, b, b)] == [1, 1, 1]
    shelf.trouble = ShelfError("memory", "gone", is_outage=True)
    with (
        pytest.warns(StagecacheWarning, match="out of reach"),
        pytest.raises(NotToldError, match="others could not be told"),
    ):
        a.invalidate(tag="fx")
    assert call(a, rates, source) == 2
    with pytest.warns(StagecacheWarning, match="out of reach"):
        assert call(b, rates, source) == 1
    shelf.trouble = None
    for one in (a, b):
        one.clock.advance(3600)
        one.engine.context.store._tellers[0]._entries._breaker.worked()
    assert call(a, rates, source) >= 2  # whatever it looks up, it tells
    newest = call(b, rates, source)
    assert newest > 1
    assert call(a, rates, source) == newest


def test_what_it_knew_counts_while_the_shelf_is_out_of_reach(machine, shelf, source):
    a, b = machine("a"), machine("b")
    assert [call(a, rates, source), call(b, rates, source)] == [1, 1]
    a.invalidate(tag="fx")
    with b.entered():
        assert not rates.is_cached(source)
    shelf.trouble = ShelfError("memory", "gone", is_outage=True)
    with pytest.warns(StagecacheWarning, match="out of reach"):
        assert call(b, rates, source) == 2
    shelf.trouble = None
    # Another process on that machine, before anything can be asked.
    again = machine("b", shelf=MemoryShelf())
    again.shared.team_log._reach._shelf.trouble = ShelfError("memory", "gone", is_outage=True)
    with pytest.warns(StagecacheWarning, match="out of reach"):
        assert call(again, rates, source) == 2


def test_a_reader_sees_marks_and_tells_nobody(machine, source):
    a, b = machine(), machine(role="reader")
    assert [call(a, rates, source), call(b, rates, source)] == [1, 1]
    a.invalidate(tag="fx")
    assert [call(a, rates, source), call(b, rates, source)] == [2, 2]
    with pytest.raises(NotToldError):
        b.invalidate(tag="fx")
    assert [call(a, rates, source), call(b, rates, source)] == [2, 3]


def test_others_are_asked_only_so_often(machine, source):
    a, b = machine(), machine(coherence=60.0)
    assert [call(one, rates, source) for one in (a, b, b)] == [1, 1, 1]
    asked = []
    get = b.shared.team_log._reach._shelf.get
    b.shared.team_log._reach._shelf.get = lambda names: asked.append(names) or get(names)
    assert [call(b, rates, source) for _ in range(10)] == [1] * 10
    assert not asked


def test_two_at_once_both_count(machine, source):
    a, b, c = machine(), machine(), machine()
    other = rates.options(tags=("eu",), version="2")
    assert [call(c, rates, source), call(c, other, source)] == [1, 2]
    start = threading.Barrier(2)

    def work(one, tag):
        start.wait(PATIENCE)
        one.invalidate(tag=tag)

    joins = [in_thread(lambda: work(a, "fx")), in_thread(lambda: work(b, "eu"))]
    for join in joins:
        join()
    assert [call(c, rates, source), call(c, other, source)] == [3, 4]


@pytest.mark.parametrize("callers", [1, 3])
@pytest.mark.parametrize("where", ["a", "b"])
def test_who_comes_to_wait_after_a_mark_gets_nothing_that_was_begun_before(
    machine, source, callers, where
):
    """On the machine where it is computed: he hears of the mark when he begins to wait."""
    computing, other, third = machine("a"), machine("a"), machine(where)
    source.go.clear()
    running = in_thread(lambda: call(computing, rates, source))
    assert source.entered.wait(PATIENCE)
    third.invalidate(tag="fx")
    waiting = threading.Semaphore(0)
    other.listen(lambda event: event.kind == "waiting" and waiting.release())
    calls = [in_thread(lambda: call(other, rates, source)) for _ in range(callers)]
    for _ in calls:
        assert waiting.acquire(timeout=PATIENCE)
    source.go.set()
    assert running() == 1
    assert [join() for join in calls] == [2] * callers
