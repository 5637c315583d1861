"""Results that expire: served stale while one caller refreshes them, refreshed early, and judged
rightly by clocks that jump."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stagecache
from stagecache import Cache, File
from stagecache.engine import Context, Engine
from stagecache.errors import StagecacheWarning, StageDefinitionError
from stagecache.plan import CLOCK_TOLERANCE
from stagecache.testing.clock import FakeClock

PATIENCE = 60


class Timed(Cache):
    """A cache whose time and chance are the test's."""

    def __init__(self, directory, draw=lambda: 0.0):
        super().__init__(directory)
        self.clock = FakeClock()
        old = self.engine.context
        self.engine = Engine(
            Context(
                store=old.store, leases=old.leases, flight=old.flight, clock=self.clock,
                settings=old.settings, draw=draw,
            )
        )  # fmt: skip
        self.outcomes = []
        self.listen(lambda event: self.outcomes.append(event.outcome) if event.outcome else None)


@pytest.fixture
def timed(tmp_path):
    with Timed(tmp_path / "cache") as cache:
        yield cache


class Source:
    """Something outside that changes, and that may be in trouble."""

    def __init__(self):
        self.asked = 0
        self.error = None

    def __call__(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.asked

    def __stagecache_code__(self):
        return ("source",)


def in_thread(work):
    """Start `work` in this context; return what waits for its result."""
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


def rates_of(source, **options):
    @stagecache.stage(**{"ttl": "1h", "serve_stale": "1d", "ignore": ("ask",), **options})
    def rates(ask: object = None) -> int:
        return ask()

    return lambda: rates(source), rates


def test_a_single_caller_refreshes_and_gets_the_new_value(timed):
    call, _ = rates_of(Source())
    assert call() == 1
    timed.clock.advance(3599)
    assert call() == 1
    timed.clock.advance(1)
    assert call() == 2
    assert call() == 2


def test_others_get_the_old_value_at_once_while_one_refreshes(timed):
    entered, go = threading.Event(), threading.Event()
    source = Source()
    call, rates = rates_of(source)
    assert call() == 1
    timed.clock.advance(7200)

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    refresher = in_thread(lambda: rates(slow))
    assert entered.wait(PATIENCE)
    timed.outcomes.clear()
    assert [call() for _ in range(5)] == [1] * 5  # the refresher has not gone on yet
    outcome = timed.outcomes[0]
    assert outcome.status == "hit"
    assert outcome.reason.kind == "expired"
    assert outcome.reason.subject == "2 h 0 min old"
    assert "served stale, while pid" in outcome.reason.detail
    go.set()
    assert refresher() == 2
    assert call() == 2


def test_the_old_value_serves_when_the_refresh_fails_with_one_warning(timed):
    source = Source()
    call, _ = rates_of(source)
    assert call() == 1
    timed.clock.advance(7200)
    source.error = OSError("no route to host")
    with pytest.warns(StagecacheWarning, match="no route to host") as warned:
        assert call() == 1
    assert len(warned) == 1
    assert "2 h 0 min ago" in str(warned[0].message)
    assert "in 23 h 0 min the error" in str(warned[0].message)
    assert timed.outcomes[-1].status == "hit"
    source.error = None
    assert call() == 3
    assert call() == 3


def test_past_the_time_to_serve_stale_errors_are_raised(timed):
    source = Source()
    call, _ = rates_of(source)
    assert call() == 1
    timed.clock.advance(3600 + 86_400)
    source.error = OSError("no route to host")
    with pytest.raises(OSError, match="no route"):
        call()
    source.error = None
    assert call() == 3


def test_what_changed_otherwise_is_not_served_stale(timed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("old")

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    def text(ask: object = None) -> str:
        if ask is not None:
            ask()
        with open("data.txt") as stream:
            return stream.read()

    assert text() == "old"
    timed.clock.advance(7200)
    source = Source()
    source.error = OSError("down")
    with pytest.warns(StagecacheWarning, match="down"):
        assert text(source) == "old"
    (tmp_path / "data.txt").write_text("new")
    with pytest.raises(OSError, match="down"):
        text(source)


def test_what_an_async_stage_kept_is_served_stale_too(timed):
    source = Source()

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    async def rates(ask: object = None) -> int:
        return await ask()

    async def quick():
        return source()

    async def main():
        entered, go = asyncio.Event(), asyncio.Event()

        async def slow():
            entered.set()
            await go.wait()
            return source()

        async def broken():
            raise OSError("no route to host")

        assert await rates(quick) == 1
        timed.clock.advance(7200)
        with pytest.warns(StagecacheWarning, match="no route to host"):
            assert await rates(broken) == 1
        refresher = asyncio.create_task(rates(slow))
        await asyncio.wait_for(entered.wait(), PATIENCE)
        assert await asyncio.gather(*(rates(quick) for _ in range(5))) == [1] * 5
        go.set()
        assert await refresher == 2
        assert await rates(quick) == 2
        timed.clock.advance(7200)
        entered.clear()
        go.clear()
        refresher = asyncio.create_task(rates(slow))
        await asyncio.wait_for(entered.wait(), PATIENCE)
        refresher.cancel()  # its body goes on, and keeps its lease
        await asyncio.wait([refresher])
        assert await rates(quick) == 2
        go.set()
        while source.asked < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await rates(quick) == 3

    asyncio.run(main())


def test_a_pipeline_serves_stale_too_and_says_so(timed):
    entered, go = threading.Event(), threading.Event()
    source = Source()
    _, rates = rates_of(source)

    @stagecache.stage
    def doubled(rate: int) -> int:
        return 2 * rate

    @stagecache.pipeline
    def job(ask: object):
        return doubled(rates(ask))

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    assert job(source) == 2
    timed.clock.advance(7200)
    assert job.plan(source).named("run") == ("rates",)
    refresher = in_thread(lambda: job.run(slow))
    assert entered.wait(PATIENCE)
    run = job.run(source)
    assert run.value == 2
    assert run.ran == ()
    assert "served stale, while pid" in run.outcome("rates").reason.detail
    assert "rates" in run.summary()
    assert "expired: 2 h 0 min old" in run.summary()
    go.set()
    refreshed = refresher()
    assert refreshed.value == 4
    assert refreshed.ran == ("rates", "doubled")
    assert refreshed.outcome("rates").reason.kind == "expired"

    timed.clock.advance(7200)
    source.error = OSError("no route to host")
    with pytest.warns(StagecacheWarning, match="no route to host"):
        run = job.run(source)
    assert run.value == 4
    assert run.failed == ()
    assert "because its refresh raised OSError" in run.outcome("rates").reason.detail
    assert timed.runs(1)[0].hit == 2


def test_is_cached_and_explain_tell_that_a_call_would_refresh(timed):
    source = Source()
    call, rates = rates_of(source)
    call()
    timed.clock.advance(7200)
    assert not rates.is_cached()
    explanation = rates.explain()
    assert not explanation.is_hit
    assert explanation.reasons[0].kind == "expired"
    assert "one caller refreshes it" in explanation.reasons[0].detail


def test_what_rests_on_a_stale_value_is_made_again_until_the_value_is_fresh(timed):
    entered, go = threading.Event(), threading.Event()
    source = Source()
    call, rates = rates_of(source)
    ran = []

    @stagecache.stage(ignore=("ask",))
    def price(ask: object = None) -> int:
        ran.append(1)
        return 100 * rates(ask)

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    call()
    timed.clock.advance(7200)
    refresher = in_thread(lambda: rates(slow))
    assert entered.wait(PATIENCE)
    assert price(source) == 100
    assert not price.is_cached()  # it was never good
    assert price(source) == 100
    go.set()
    refresher()
    assert price(source) == 200
    assert price(source) == 200
    assert len(ran) == 3
    timed.clock.advance(3600)
    assert not price.is_cached()


def test_a_file_that_is_being_made_anew_is_not_put_back_over(timed, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    entered, go = threading.Event(), threading.Event()
    source = Source()

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    def report(ask: object = None) -> File:
        with open("report.txt", "w") as stream:
            stream.write(f"half of {source.asked + 1}")
            stream.flush()
            stream.write(f", all of {ask()}")
        return File("report.txt")

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    first = report(source).read_text()
    timed.clock.advance(7200)
    source.error = OSError("no route to host")
    with pytest.warns(StagecacheWarning, match="no route to host"):
        assert report(source).read_text() == first  # half written, then put back
    source.error = None
    refresher = in_thread(lambda: report(slow).read_text())
    assert entered.wait(PATIENCE)
    other = in_thread(lambda: report(source).read_text())
    go.set()
    new = refresher()
    assert new == "half of 3, all of 3"
    assert other() == new  # the old one was there no more: it waited
    assert (tmp_path / "report.txt").read_text() == new


def test_a_file_made_anew_before_the_old_one_is_loaded_stays(timed, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    entered, go = threading.Event(), threading.Event()
    source = Source()

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    def report(ask: object = None) -> File:
        with open("report.txt", "w") as stream:
            stream.write(f"number {ask()}")
        return File("report.txt")

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    report(source)
    timed.clock.advance(7200)
    refresher = in_thread(lambda: report(slow).read_text())
    assert entered.wait(PATIENCE)
    load = timed.engine.computer.load

    def late(entry, *asked):
        timed.engine.computer.load = load
        go.set()
        assert refresher() == "number 2"
        return load(entry, *asked)

    timed.engine.computer.load = late
    assert report(source).read_text() == "number 2"
    assert (tmp_path / "report.txt").read_text() == "number 2"


@pytest.mark.parametrize("fails", [False, True])
def test_who_waits_for_a_refresh_in_another_process_hears_of_it(tmp_path, monkeypatch, fails):
    """Only where the old file is half overwritten: then there is nothing to serve meanwhile."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    entered, go, waits = threading.Event(), threading.Event(), threading.Semaphore(0)
    source = Source()

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    def report(ask: object = None) -> File:
        with open("report.txt", "w") as stream:
            stream.write(f"number {ask()}")
        return File("report.txt")

    @stagecache.stage(ttl="1h", serve_stale="1d", ignore=("ask",))
    def rate(ask: object = None) -> int:
        return ask()

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    # Two caches on one directory: to the lock file they are two processes.
    with Timed(tmp_path / "cache") as there:
        report(source)
        rate(source)
        there.clock.advance(7200)
        refresher = in_thread(lambda: report(slow))
        assert entered.wait(PATIENCE)
        with Timed(tmp_path / "cache") as here:
            here.clock.advance(7200)
            heard = _heard(here, monkeypatch)
            here.listen(lambda event: waits.release() if event.kind == "waiting" else None)
            others = [in_thread(lambda: report(source)) for _ in range(3)]
            assert all(waits.acquire(timeout=PATIENCE) for _ in others)
            assert rate(source) == 3  # nobody is at it: whoever finds it stale makes it anew
            if fails:
                source.error = OSError("no route to host")
            with pytest.warns(StagecacheWarning, match="no route") if fails else nullcontext():
                go.set()
                got = [refresher(), *(other() for other in others)]
        assert heard == ([] if fails else [True])
        assert (tmp_path / "report.txt").read_text() == f"number {1 if fails else 4}"
        assert got == [got[0]] * 4
        assert fails or source.asked == 4


def _heard(cache, monkeypatch):
    """Return the list that every caller who hears of a result in `cache` adds to."""
    leases, heard = cache.engine.context.leases, []
    ask = leases.acquire_or_hear

    def asking(*asked):
        lease = ask(*asked)
        if lease is None:
            heard.append(True)
        return lease

    monkeypatch.setattr(leases, "acquire_or_hear", asking)
    return heard


def test_early_refresh_is_seldom_early_and_often_late(timed):
    draw = random.Random(7).random
    timed.engine.context.draw = draw
    source = Source()

    @stagecache.stage(ttl=1000, early_refresh=True, ignore=("ask",))
    def rates(n: int, ask: object = None) -> int:
        timed.clock.advance(10)
        return ask()

    early = {10: 0, 990: 0}
    for age in early:
        for n in range(200):
            rates(n, source)
            timed.clock.advance(age)
            before = source.asked
            rates(n, source)
            early[age] += source.asked - before
            rates.forget(n)
    assert early[10] == 0
    assert 40 < early[990] < 120  # exp(-1) of them


def test_while_one_refreshes_early_the_others_hit_and_a_plan_shows_a_hit(timed):
    entered, go = threading.Event(), threading.Event()
    source = Source()

    @stagecache.stage(ttl=1000, early_refresh=1.0, ignore=("ask",))
    def rates(ask: object = None) -> int:
        timed.clock.advance(100)
        return ask()

    @stagecache.pipeline
    def job(ask: object):
        return rates(ask)

    def slow():
        entered.set()
        assert go.wait(PATIENCE)
        return source()

    assert job(source) == 1
    timed.engine.context.draw = lambda: 1 - 1e-15
    timed.clock.advance(500)
    assert rates.is_cached()
    assert job.plan(source).named("hit") == ("rates",)
    refresher = in_thread(lambda: rates(slow))
    assert entered.wait(PATIENCE)
    run = job.run(source)
    assert (run.value, run.hit, run.outcome("rates").reason) == (1, ("rates",), None)
    go.set()
    assert refresher() == 2
    timed.clock.advance(500)
    run = job.run(source)
    assert (run.value, run.ran) == (3, ("rates",))
    assert run.outcome("rates").reason.detail == "refreshed early"
    timed.clock.advance(500)
    source.error = OSError("no route to host")
    with pytest.warns(StagecacheWarning, match="no route to host"):
        run = job.run(source)
    assert (run.value, run.hit) == (3, ("rates",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"serve_stale": "1d"}, "serve_stale is for results that expire"),
        ({"early_refresh": True}, "early_refresh is for results that expire"),
        ({"ttl": "1h", "early_refresh": -1}, "a factor above 0"),
        ({"ttl": "1h", "early_refresh": "yes"}, "a factor above 0"),
        ({"ttl": "1h", "early_refresh": float("nan")}, "a factor above 0"),
    ],
)
def test_wrong_declarations_are_errors(options, message):
    with pytest.raises(StageDefinitionError, match=message):
        stagecache.stage(**options)


YEAR = 365 * 86_400.0
TTL = 600.0

jumps = st.one_of(
    st.just(("forward", YEAR)),
    st.just(("back", YEAR)),
    st.tuples(st.sampled_from(["forward", "back"]), st.floats(0, 2 * YEAR)),
)
passing = st.tuples(st.just("pass"), st.floats(0, 3 * TTL))
calling = st.tuples(st.sampled_from(["rate", "price", "bill", "job"]), st.just(0.0))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.one_of(jumps, passing, calling), max_size=25),
    during=st.lists(jumps, max_size=6),
)
def test_wherever_the_clock_jumps_no_result_lives_for_ever(steps, during, tmp_path_factory):
    with Timed(tmp_path_factory.mktemp("clocks")) as timed:
        source, during = Source(), list(during)

        def move(way, seconds):
            if way == "pass":
                timed.clock.advance(seconds)
            else:
                timed.clock.set(timed.clock.now() + (seconds if way == "forward" else -seconds))

        @stagecache.stage(ttl=TTL, ignore=("ask",))
        def rate(ask: object) -> int:
            return ask()

        @stagecache.stage(ignore=("ask",))
        def price(ask: object) -> int:
            value = rate(ask)
            if during:
                move(*during.pop())  # after it took the rate in, before its own is kept
            return value

        @stagecache.stage(ignore=("ask",))
        def bill(ask: object) -> int:
            if during:
                move(*during.pop())
            return price(ask)

        @stagecache.pipeline
        def inner(ask: object):
            return price(ask)

        @stagecache.stage(ignore=("ask",))
        def job(ask: object) -> int:
            return inner(ask)

        calls = {"rate": rate, "price": price, "bill": bill, "job": job}
        for way, seconds in steps:
            if way in calls:
                calls[way](source)
            else:
                move(way, seconds)
        # From here on the clock is right: whatever it was before, nothing outlives its ttl.
        during.clear()
        timed.clock.advance(TTL + 4 * CLOCK_TOLERANCE)
        for call in calls.values():
            assert not call.is_cached(source)
        before = source.asked
        assert calls["bill"](source) == before + 1


def test_who_waited_takes_what_was_made_meanwhile_though_it_has_expired_already(tmp_path):
    entered, go, waits = threading.Event(), threading.Event(), threading.Event()
    ran = []

    @stagecache.stage(ttl=0)
    def rate() -> int:
        return 1

    @stagecache.stage(ignore=("log",))
    def price(log: object = None) -> int:
        ran.append(1)
        entered.set()
        assert go.wait(PATIENCE)
        return 100 * rate()  # which expires at once, and so does this

    def elsewhere():
        # Another cache on the directory, as in another process.
        with Cache(tmp_path / "cache") as other:
            other.listen(lambda event: waits.set() if event.kind == "waiting" else None)
            return price()

    with Cache(tmp_path / "cache"):
        first = in_thread(price)
        assert entered.wait(PATIENCE)
        second = in_thread(elsewhere)
        assert waits.wait(PATIENCE)
        go.set()
        assert first() == second() == 100
        assert ran == [1]
        assert price() == 100
        assert ran == [1, 1]
