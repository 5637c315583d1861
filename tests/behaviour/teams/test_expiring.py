"""Results that expire, on two machines that share a server: computed anew by one, for both."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import stagecache
from stagecache import Cache
from stagecache.engine import Context, Engine
from stagecache.errors import StagecacheWarning
from stagecache.plan import CLOCK_TOLERANCE
from stagecache.testing.clock import FakeClock

PATIENCE = 60
HOUR = 3600.0


class Timed(Cache):
    """The cache of a machine whose time and chance are the test's."""

    def __init__(self, directory, clock, **settings):
        super().__init__(directory, **settings)
        self.clock = clock
        self.chance = 0.0
        old = self.engine.context
        self.engine = Engine(
            Context(
                store=old.store, leases=old.leases, flight=old.flight, clock=clock,
                settings=old.settings, draw=lambda: self.chance,
            )
        )  # fmt: skip
        self.outcomes = []
        self.waits = threading.Event()
        self.listen(self.note)

    def note(self, event):
        if event.outcome:
            self.outcomes.append(event.outcome)
        if event.kind == "waiting":
            self.waits.set()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def machine(tmp_path, redis_server, clock):
    """Return what makes machines, by name; they share the server and, if right, the time."""
    with contextlib.ExitStack() as stack:

        def made(name, clock=clock):
            cache = Timed(tmp_path / name, clock, redis=redis_server.url, coherence=0)
            stack.callback(cache.close)
            return cache

        yield made


@pytest.fixture
def background():
    """Return what starts work in a thread, in this context; its future is returned."""
    with ThreadPoolExecutor() as pool:
        yield lambda work: pool.submit(contextvars.copy_context().run, work)


class Source:
    """Something outside that changes, may be in trouble, and may take its time."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, who):
        self.asked.append(who)
        number = len(self.asked)
        self.entered.set()
        assert self.go.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return number

    def halt(self):
        """Let the next one who asks be held up until `go` is set."""
        self.entered.clear()
        self.go.clear()


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def on(source):
    """Return what calls a stage on a machine."""

    def call(machine, work):
        with machine:
            return work(lambda: source(machine.directory.rpartition("/")[2]))

    return call


def rates_of(**options):
    @stagecache.stage(ttl=HOUR, ignore=("ask",), **options)
    def rates(ask: object) -> int:
        return ask()

    return rates


def test_what_expires_is_computed_once_for_both(machine, clock, source, on):
    rates, one, other = rates_of(), machine("one"), machine("other")
    assert [on(one, rates), on(other, rates), on(other, rates)] == [1, 1, 1]
    clock.advance(HOUR - 1)
    assert [on(one, rates), on(other, rates)] == [1, 1]
    clock.advance(1)
    assert [on(other, rates), on(one, rates), on(one, rates)] == [2, 2, 2]
    clock.advance(HOUR - 1)
    assert [on(one, rates), on(other, rates)] == [2, 2]
    clock.advance(1)
    assert [on(one, rates), on(other, rates)] == [3, 3]
    assert source.asked == ["one", "other", "one"]


def test_its_age_is_that_of_the_computation_wherever_it_arrives_later(machine, clock, source, on):
    rates, one = rates_of(), machine("one")
    assert on(one, rates) == 1
    clock.advance(HOUR - 60)
    other = machine("other")
    assert on(other, rates) == 1  # arrives only now
    clock.advance(60)
    assert on(machine("third"), rates) == 2
    assert on(other, rates) == 2
    assert source.asked == ["one", "third"]


def test_what_rests_on_it_expires_with_it_everywhere(machine, clock, source, on):
    rates, ran = rates_of(), []

    @stagecache.stage(ignore=("ask",))
    def price(ask: object) -> int:
        ran.append("price")
        return 100 * rates(ask)

    one, other = machine("one"), machine("other")
    assert on(one, price) == 100
    clock.advance(HOUR - 1)
    assert on(other, price) == 100
    clock.advance(1)
    assert [on(other, price), on(one, price)] == [200, 200]
    assert source.asked == ["one", "other"]
    assert ran == ["price"] * 2


def test_without_serving_stale_the_other_waits_for_the_new_value(
    machine, clock, source, on, background
):
    rates, one, other = rates_of(), machine("one"), machine("other")
    assert [on(one, rates), on(other, rates)] == [1, 1]
    clock.advance(HOUR)
    source.halt()
    first = background(lambda: on(one, rates))
    assert source.entered.wait(PATIENCE)
    second = background(lambda: on(other, rates))
    assert other.waits.wait(PATIENCE)
    source.go.set()
    assert [first.result(PATIENCE), second.result(PATIENCE)] == [2, 2]
    assert source.asked == ["one", "one"]


def test_while_one_refreshes_the_other_machine_gets_the_old_value_at_once(
    machine, clock, source, on, background
):
    rates, one, other = rates_of(serve_stale="1d"), machine("one"), machine("other")
    new = machine("new")
    assert [on(one, rates), on(other, rates)] == [1, 1]
    clock.advance(2 * HOUR)
    source.halt()
    refresher = background(lambda: on(one, rates))
    assert source.entered.wait(PATIENCE)
    other.outcomes.clear()
    assert [on(other, rates) for _ in range(3)] == [1] * 3
    assert on(new, rates) == 1  # which has it from the server
    assert not other.waits.is_set()
    assert "served stale, while pid" in other.outcomes[0].reason.detail
    source.go.set()
    assert refresher.result(PATIENCE) == 2
    assert [on(other, rates), on(new, rates), on(one, rates)] == [2, 2, 2]
    assert source.asked == ["one", "one"]


def test_the_old_value_serves_while_the_refresh_fails_on_either_machine(machine, clock, source, on):
    rates, one, other = rates_of(serve_stale="1d"), machine("one"), machine("other")
    assert on(one, rates) == 1
    clock.advance(2 * HOUR)
    source.error = OSError("no route to host")
    for each in (one, other):
        with pytest.warns(StagecacheWarning, match="no route to host"):
            assert on(each, rates) == 1
    source.error = None
    assert [on(other, rates), on(one, rates)] == [4, 4]
    clock.advance(25 * HOUR)  # past what is served stale
    source.error = OSError("no route to host")
    for each in (one, other):
        with pytest.raises(OSError, match="no route to host"):
            on(each, rates)


def test_what_rests_on_a_value_served_stale_is_kept_for_no_machine(
    machine, clock, source, on, background
):
    rates, ran = rates_of(serve_stale="1d"), []

    @stagecache.stage(ignore=("ask",))
    def price(ask: object) -> int:
        ran.append("price")
        return 100 * rates(ask)

    one, other, third = machine("one"), machine("other"), machine("third")
    assert on(one, rates) == 1
    clock.advance(2 * HOUR)
    source.halt()
    refresher = background(lambda: on(one, rates))
    assert source.entered.wait(PATIENCE)
    assert [on(other, price), on(third, price)] == [100, 100]
    source.go.set()
    assert refresher.result(PATIENCE) == 2
    assert [on(third, price), on(other, price)] == [200, 200]
    assert ran == ["price"] * 3
    assert source.asked == ["one", "one"]


def test_one_refreshes_early_while_the_other_hits(machine, clock, source, on, background):
    rates = rates_of(early_refresh=1.0)
    one, other = machine("one"), machine("other")

    def first(ask):
        def slow():
            clock.advance(100)  # what it takes
            return ask()

        return rates(slow)

    assert [on(one, first), on(other, rates)] == [1, 1]
    clock.advance(HOUR / 2)
    one.chance = other.chance = 1 - 1e-15  # everybody's turn to be early
    source.halt()
    refresher = background(lambda: on(one, rates))
    assert source.entered.wait(PATIENCE)
    assert [on(other, rates), on(other, rates)] == [1, 1]
    one.chance = other.chance = 0.0
    source.go.set()
    assert refresher.result(PATIENCE) == 2
    assert on(one, rates) == 2
    assert on(other, rates) in (1, 2)  # either is good still
    clock.advance(HOUR / 2)
    assert [on(other, rates), on(one, rates)] == [2, 2]  # the first one is not by now
    assert source.asked == ["one", "one"]


@pytest.mark.parametrize("skew", [2.0, -2.0, 2 * HOUR, -2 * HOUR, 3e7, -3e7])
def test_a_clock_that_is_slow_delays_an_expiry_by_no_more_than_that(
    machine, source, on, clock, skew
):
    wrong = FakeClock(clock.now() + skew)
    rates, one, other = rates_of(serve_stale=HOUR), machine("one"), machine("other", wrong)
    assert on(other, rates) == 1
    for each in (one, other, one):
        on(each, rates)
    made = len(source.asked)
    for each in (clock, wrong):
        each.advance(2 * HOUR + max(0.0, -skew) + 4 * CLOCK_TOLERANCE)
    source.error = OSError("no route to host")
    for each in (one, other):
        with pytest.raises(OSError, match="no route to host"):
            on(each, rates)
    assert made <= (1 if abs(skew) < CLOCK_TOLERANCE else 4)
