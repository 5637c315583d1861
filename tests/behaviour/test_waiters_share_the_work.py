"""Who waited for a result in one process gets it by one lookup, and each a value of its own."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from stagecache import Cache, model, stage
from stagecache.engine.values import Values
from stagecache.errors import StagecacheWarning
from stagecache.fingerprint.values import fingerprint
from stagecache.stores.disk.store import DiskStore

PATIENCE = 30
CROWD = 6


def within(cache, work):
    """Call `work` with `cache` as the current one, and leave it open."""
    context = contextvars.copy_context()
    context.run(model.conductor.set, cache.engine)
    return context.run(work)


class Crowd:
    """Callers of one process who want a result that another process computes.

    The other one is a cache of its own on the same directory: to the lock file it is a stranger.
    """

    def __init__(self, directory):
        self.there = Cache(directory)
        self.here = Cache(directory)
        self.events = []
        self._waiting = threading.Semaphore(0)
        self._begun = threading.Event()
        self._go_on = threading.Event()
        self.here.listen(self.listen)

    def listen(self, event):
        self.events.append(event)
        if event.kind == "waiting":
            self._waiting.release()

    def body(self):
        """Be a body that goes on when all have come to wait."""
        self._begun.set()
        assert self._go_on.wait(PATIENCE)

    def all_wait(self, many):
        for _ in range(many):
            assert self._waiting.acquire(timeout=PATIENCE)

    def go_on(self):
        self._go_on.set()

    def call(self, first, *others, before=lambda: None):
        """Let the other process call `first`; return what `others` gave, who wait for it.

        `before` is called when they do; None: they say themselves when it may go on.
        """
        with ThreadPoolExecutor(len(others) + 1) as pool:
            computing = pool.submit(within, self.there, first)
            assert self._begun.wait(PATIENCE)
            works = [pool.submit(within, self.here, work) for work in others]
            if before is not None:
                self.all_wait(len(others))
                before()
                self.go_on()
            computing.result(PATIENCE)
            return [work.exception(PATIENCE) or work.result() for work in works]

    def close(self):
        self.there.close()
        self.here.close()


@pytest.fixture
def crowd(tmp_path):
    crowd = Crowd(tmp_path / "kept")
    yield crowd
    crowd.close()


@stage(ignore=("crowd",))
def table(crowd: Crowd) -> dict[str, int]:
    crowd.body()
    return {"number": 1}


@stage(ignore=("crowd",))
def listing(crowd: Crowd) -> list[int]:
    crowd.body()
    return [1, 2]


@stage(ignore=("crowd",))
def words(crowd: Crowd) -> set[str]:
    crowd.body()
    return {"a", "b"}


@stage(ignore=("crowd",))
def text(crowd: Crowd) -> str:
    crowd.body()
    return "text"


@stage(ignore=("crowd",))
def nested(crowd: Crowd) -> dict[str, list[int]]:
    crowd.body()
    return {"a": [1, 2]}


@stage(ignore=("crowd",))
def pair(crowd: Crowd) -> tuple[list[int], str]:
    crowd.body()
    return [1], "text"


@stage(ignore=("crowd",))
def frame(crowd: Crowd) -> pd.DataFrame:
    crowd.body()
    return pd.DataFrame({"a": [1.0, 2.0]})


def spoil(value):
    """Change a value wherever that is possible."""
    if isinstance(value, dict):
        for each in value.values():
            spoil(each)
        value["b"] = None
    elif isinstance(value, list):
        value.append(3)
    elif isinstance(value, set):
        value.add("c")
    elif isinstance(value, tuple):
        for each in value:
            spoil(each)
    elif isinstance(value, pd.DataFrame):
        value.iloc[0, 0] = 7.0


def counted(monkeypatch, owner, name):
    """Return the list that each call of `owner.name` adds its arguments to."""
    calls, real = [], getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


@pytest.fixture
def _one_at_a_time():
    """No thread is interrupted by another one, unless it waits for something."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(PATIENCE)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_one_at_a_time")
def test_waiters_of_one_process_look_the_result_up_once(crowd, monkeypatch):
    looked_up = counted(monkeypatch, DiskStore, "get")
    asked = counted(monkeypatch, DiskStore, "version")
    loaded = counted(monkeypatch, Values, "sections")

    def begin():
        looked_up.clear()
        asked.clear()

    got = crowd.call(*[lambda: table(crowd)] * CROWD, before=begin)
    assert got == [{"number": 1}] * (CROWD - 1)
    store = crowd.here.engine.context.store
    assert len([args for args in looked_up if args[0] in store._lower]) == 1
    assert not [args for args in asked if args[0] in store._lower]
    assert len([args for args in loaded if args[0]._store is store]) == 1


@pytest.mark.parametrize("slow", [table, listing, words, text, nested, pair, frame])
def test_each_waiter_gets_a_value_of_its_own(crowd, slow):
    got = crowd.call(*[lambda: slow(crowd)] * CROWD)
    kept = within(crowd.there, lambda: slow(crowd))
    for value in got:
        assert fingerprint(value) == fingerprint(kept)
        spoil(value)  # would be seen in those that follow
    assert fingerprint(within(crowd.here, lambda: slow(crowd))) == fingerprint(kept)


def test_waiters_of_the_process_that_computes_get_values_of_their_own(crowd, monkeypatch):
    """The body's own value is its caller's; what is small is copied, not read again."""
    loaded = counted(monkeypatch, Values, "sections")
    crowd.here.close()
    crowd.here = crowd.there
    crowd.here.listen(crowd.listen)
    mine = []

    def first():
        mine.append(table(crowd))
        spoil(mine[0])

    got = crowd.call(first, *[lambda: table(crowd)] * CROWD)
    assert got == [{"number": 1}] * CROWD
    assert len({id(value) for value in got}) == CROWD
    assert not loaded


def test_each_caller_has_its_event(crowd):
    crowd.call(*[lambda: table(crowd)] * CROWD)
    kinds = sorted(event.kind for event in crowd.events)
    assert kinds == ["hit"] * (CROWD - 1) + ["waiting"] * (CROWD - 1)
    hits = [event for event in crowd.events if event.kind == "hit"]
    assert len({event.outcome.key for event in hits}) == 1
    assert all(event.outcome.saved > 0 for event in hits)


def test_a_result_that_the_first_one_cannot_decode_is_computed_again_once(crowd, monkeypatch):
    ran = []
    real = Values.sections

    def sections(self, entry):
        if self._store is crowd.here.engine.context.store and len(ran) == 1:
            raise ValueError("bits")
        return real(self, entry)

    @stage(ignore=("crowd",))
    def fickle(crowd: object) -> dict[str, int]:
        ran.append(1)
        if len(ran) == 1:
            crowd.body()
        return {"number": 1}

    monkeypatch.setattr(Values, "sections", sections)
    with pytest.warns(StagecacheWarning, match="cannot be read"):
        got = crowd.call(*[lambda: fickle(crowd)] * CROWD)
    assert got == [{"number": 1}] * (CROWD - 1)
    assert ran == [1, 1]


def test_a_waiter_that_is_interrupted_while_it_decodes_harms_no_other(crowd, monkeypatch):
    real, interrupted = Values.sections, []

    def sections(self, entry):
        if self._store is crowd.here.engine.context.store and not interrupted:
            interrupted.append(1)
            raise KeyboardInterrupt
        return real(self, entry)

    monkeypatch.setattr(Values, "sections", sections)
    got = crowd.call(*[lambda: table(crowd)] * CROWD)
    assert sorted(type(each).__name__ for each in got) == ["KeyboardInterrupt"] + ["dict"] * (
        CROWD - 2
    )


def test_what_the_waited_for_result_rests_on_is_handed_up(crowd, tmp_path):
    """A body that waits for another stage reads what that one reads, and lasts no longer."""
    is_over = []
    path = tmp_path / "input.txt"
    path.write_text("one")

    @stage(ignore=("crowd",), ttl="1h")
    def inner(crowd: object, path: str) -> list[str]:
        with open(path) as file:
            found = file.read()
        if not is_over:
            crowd.body()
        return [found]

    outer_ran = []

    @stage(ignore=("crowd",))
    def outer(crowd: object, path: str, number: int) -> str:
        outer_ran.append(number)
        return inner(crowd, path)[0]

    calls = [lambda n=n: outer(crowd, str(path), n) for n in range(3)]
    assert crowd.call(lambda: inner(crowd, str(path)), *calls) == ["one"] * 3
    is_over.append(1)
    kept = list(crowd.here.engine.context.store.entries(stage=outer.qualified_name))
    assert kept
    assert all(entry.expires is not None and entry.reads for entry, _ in kept)
    path.write_text("two")
    assert [within(crowd.here, call) for call in calls] == ["two"] * 3
    assert sorted(outer_ran) == [0, 0, 1, 1, 2, 2]


def test_a_result_that_is_forbidden_meanwhile_is_given_to_no_waiter(crowd):
    """Those who joined before the mark may have it, or not; nobody knows, so nobody gets it."""
    made = []

    @stage(ignore=("crowd",))
    def counter(crowd: object) -> dict[str, int]:
        made.append(1)
        number = len(made)
        if number == 1:
            crowd.body()
        return {"number": number}

    got = crowd.call(
        *[lambda: counter(crowd)] * CROWD, before=lambda: crowd.here.invalidate(stage=counter)
    )
    assert got == [{"number": 2}] * (CROWD - 1)


def test_a_result_that_was_said_to_be_there_and_is_not_is_computed_once(crowd):
    """Who heard of it in vain gets the key in his turn."""
    ran = []

    @stage(ignore=("crowd",))
    def lost(crowd: object) -> dict[str, int]:
        ran.append(1)
        if len(ran) == 1:
            crowd.body()
        return {"number": 1}

    def lose_it(*args):
        kept = put(*args)
        crowd.there.engine.context.store.remove([args[0].key])
        return kept

    store = crowd.there.engine.context.store
    put, store.put = store.put, lose_it
    assert crowd.call(*[lambda: lost(crowd)] * CROWD) == [{"number": 1}] * (CROWD - 1)
    assert ran == [1, 1]


@pytest.mark.usefixtures("_one_at_a_time")
def test_tasks_share_the_work_and_those_that_are_cancelled_harm_no_other(crowd, monkeypatch):
    loaded = counted(monkeypatch, Values, "sections")

    @stage(ignore=("crowd",))
    async def slow(crowd: object) -> dict[str, int]:
        await asyncio.to_thread(crowd.body)
        return {"number": 1}

    async def many():
        tasks = [asyncio.ensure_future(slow(crowd)) for _ in range(CROWD)]
        await asyncio.to_thread(crowd.all_wait, CROWD)
        tasks[0].cancel()  # the one that asks the other process
        tasks[-1].cancel()
        crowd.go_on()
        return await asyncio.gather(*tasks, return_exceptions=True)

    cancelled, *got, last = crowd.call(
        lambda: asyncio.run(slow(crowd)), lambda: asyncio.run(many()), before=None
    )[0]
    assert isinstance(cancelled, asyncio.CancelledError)
    assert isinstance(last, asyncio.CancelledError)
    assert got == [{"number": 1}] * (CROWD - 2)
    assert len({id(value) for value in got}) == CROWD - 2
    store = crowd.here.engine.context.store
    assert len([args for args in loaded if args[0]._store is store]) == 1
