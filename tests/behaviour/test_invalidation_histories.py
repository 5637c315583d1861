"""Whatever machines do, and whatever the shelf loses: nothing older than a mark that can be known
is ever returned."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from servers.machine import Machine

from stagecache import stage
from stagecache.errors import NotToldError, ShelfError
from stagecache.testing.shelves import MemoryShelf

MACHINES = 2
TAGS = ("fx", "eu")
NO_RESULT = -1


class View:
    """How one machine reaches the shelf of all."""

    def __init__(self, shelf):
        self.shelf = shelf
        self.name = shelf.name
        self.limit = shelf.limit
        self.is_out = False

    def _check(self):
        if self.is_out:
            raise ShelfError(self.name, "gone", is_outage=True)

    def get(self, names):
        self._check()
        return self.shelf.get(names)

    def put(self, name, pieces, **options):
        self._check()
        return self.shelf.put(name, pieces, **options)

    def remove(self, names):
        self._check()
        return self.shelf.remove(names)

    def close(self):
        pass


class World:
    """Counts what happens; a body returns the number of what happened last before it ended."""

    def __init__(self):
        self.time = 0
        self.meanwhile = None

    def __call__(self):
        made, work = self.time, self.meanwhile
        self.meanwhile = None
        if work is not None:
            work()
        return made

    def __stagecache_code__(self):
        return ("world",)


@stage(tags=("fx",), ignore=("world",))
def rates(world: object) -> int:
    return world()


@stage(tags=("eu",), ignore=("world",))
def prices(world: object) -> bytes:
    return world().to_bytes(4, "little") * 30_000


@stage(ignore=("world",))
def report(world: object) -> tuple[int, int]:
    return rates(world), world()


STAGES = {"rates": rates, "prices": prices, "report": report}
RATES = ("all", "fx", "stage rates")
PRICES = ("all", "eu", "stage prices")
REPORT = (*RATES, "stage report")
SCOPES = ("all", "fx", "eu", "stage rates", "stage prices", "stage report")


def numbers_in(value):
    """Return what happened last before each body ended, and what concerns that body."""
    if isinstance(value, tuple):
        return [(value[0], RATES), (value[1], REPORT)]
    if isinstance(value, bytes):
        return [(int.from_bytes(value[:4], "little"), PRICES)]
    return [(value, RATES)]


machines = st.integers(0, MACHINES - 1)
scopes = st.sampled_from(SCOPES)


class Histories(RuleBasedStateMachine):
    """Calls, marks, outages, restarts and losses, one after the other."""

    @initialize(
        apart=st.lists(st.sampled_from([0.0, 3e7, -3e7]), min_size=MACHINES, max_size=MACHINES)
    )
    def begin(self, apart):
        self.folder = Path(tempfile.mkdtemp())
        self.shelf, self.world = MemoryShelf(), World()
        self.apart = apart
        self.views = [View(self.shelf) for _ in range(MACHINES)]
        self.machines = [self._machine(number) for number in range(MACHINES)]
        self.told = dict.fromkeys(SCOPES, NO_RESULT)
        self.known = [dict(self.told) for _ in range(MACHINES)]
        self.untold = [set() for _ in range(MACHINES)]

    def _machine(self, number):
        now = 1_700_000_000 + self.apart[number]
        return Machine(self.folder / str(number), self.views[number], now=now)

    def teardown(self):
        if hasattr(self, "machines"):
            for machine in self.machines:
                machine.close()
            shutil.rmtree(self.folder)

    @rule(number=machines, name=st.sampled_from(sorted(STAGES)))
    def call(self, number, name):
        self.world.time += 1
        self._hear(number)
        before = dict(self.known[number])
        value = self._quietly(self.machines[number].call, STAGES[name], self.world)
        for made, scopes in numbers_in(value):
            assert made >= max(before[scope] for scope in scopes), (made, before)
        if not self.views[number].is_out:  # it has told what it could not tell before
            for scope in self.untold[number]:
                self.told[scope] = max(self.told[scope], before[scope])
            self.untold[number].clear()

    @rule(number=machines, scope=scopes, soft=st.booleans())
    def invalidate(self, number, scope, soft):
        self.world.time += 1
        self._mark(number, scope, soft)

    @rule(number=machines, other=machines, scope=scopes, name=st.sampled_from(sorted(STAGES)))
    def invalidate_while_a_body_runs(self, number, other, scope, name):
        def work():
            self.world.time += 1
            self._mark(other, scope, soft=False)

        self.world.meanwhile = work
        self.call(number, name)
        self.world.meanwhile = None

    @rule(number=machines)
    def lose_touch(self, number):
        self.views[number].is_out = True

    @rule(number=machines)
    def get_in_touch(self, number):
        self.views[number].is_out = False
        self.machines[number].clock.advance(3600)

    @rule(number=machines, index_too=st.booleans())
    def restart(self, number, index_too):
        self.machines[number].close()
        if index_too:
            for path in (self.folder / str(number) / "v1").glob("index.db*"):
                path.unlink()
        self.machines[number] = self._machine(number)

    @rule(data=st.data())
    def lose_what_the_shelf_has(self, data):
        names = sorted(self.shelf._values)
        self.shelf.remove([name for name in names if data.draw(st.booleans())])

    @rule()
    def lose_the_newest_marks(self):
        self.shelf.remove([name for name in self.shelf._values if name.endswith("now")])

    # --- what may be expected

    def _mark(self, number, scope, soft):
        machine = self.machines[number]
        given = {}
        if scope in TAGS:
            given = {"tag": scope}
        elif scope != "all":
            given = {"stage": STAGES[scope.removeprefix("stage ")]}
        try:
            self._quietly(machine.invalidate, soft=soft, **given)
            is_told = True
        except NotToldError:
            is_told = False
        assert is_told or self.views[number].is_out or machine.shared._entries.is_out
        if soft:
            return
        self.known[number][scope] = self.world.time
        if is_told:
            self.told[scope] = self.world.time
        else:
            self.untold[number].add(scope)

    def _hear(self, number):
        """Note what a machine can know that looks something up now."""
        if self.views[number].is_out:
            return
        for scope in SCOPES:
            self.known[number][scope] = max(self.known[number][scope], self.told[scope])

    def _quietly(self, work, *args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work(*args, **kwargs)


Histories.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestHistories = Histories.TestCase


@pytest.fixture
def history():
    history = Histories()
    history.begin(apart=[0.0, 0.0])
    yield history
    history.teardown()


def test_what_was_made_before_the_log_was_heard_of_does_not_outlive_its_loss(history):
    history.lose_touch(number=0)
    history.call(name="rates", number=0)
    history.invalidate(number=1, scope="all", soft=False)
    history.lose_the_newest_marks()
    history.get_in_touch(number=0)
    history.call(name="rates", number=0)


def test_the_first_mark_of_who_never_heard_of_the_team_concerns_what_the_team_has(history):
    history.lose_touch(number=0)
    history.call(name="prices", number=1)
    history.invalidate(number=0, scope="all", soft=False)
    history.get_in_touch(number=0)
    history.call(name="prices", number=0)
    history.call(name="prices", number=1)
