"""Whatever workers do with a Queue, what waits, is taken and is given up is what a model says."""

from __future__ import annotations

import queue
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from stagecache.collections import line
from stagecache.collections.queue import Queue
from stagecache.collections.queues import Queues
from stagecache.testing.clock import FakeClock

MOST = 3
WORKERS = st.integers(0, 1)


class Item:
    """An item of the model."""

    def __init__(self, value, priority, due):
        self.value, self.priority, self.due = value, priority, due
        self.order = value
        self.state = "waits" if due is None else "later"
        self.times = 0
        self.by = None


@pytest.mark.parametrize("many", [2, 64])
def test_every_sequence_of_calls_leaves_what_the_model_says(cache, monkeypatch, many):
    monkeypatch.setattr(line, "_MANY", many)  # so few that are taken are moved aside
    numbers = count()

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.clock = FakeClock()
            self.name = f"queue {next(numbers)}"
            self.shared = [None, None]
            self.queues = [self.opened(worker) for worker in range(2)]
            self.items = []
            self.held = []
            self.numbers = count()

        def opened(self, worker):
            means = cache._means()._replace(clock=self.clock)
            self.shared[worker] = Queues(means)
            return Queue(
                self.shared[worker].open(self.name, {}), means,
                visibility=10.0, max_deliveries=MOST,
            )  # fmt: skip

        def pass_time(self):
            """Let come back what is due, as any look at the queue does."""
            now = self.clock.now()
            for item in self.items:
                if item.state in ("later", "taken") and item.due <= now:
                    was_taken = item.state == "taken"
                    item.state = "dead" if was_taken and item.times >= MOST else "waits"

        def waiting(self):
            found = [item for item in self.items if item.state == "waits"]
            return sorted(found, key=lambda item: (item.priority, item.order))

        def check(self, handle):
            handle.qsize()
            self.pass_time()
            assert list(handle) == [item.value for item in self.waiting()]
            counts = handle.stats()
            states = [item.state for item in self.items]
            wanted = [states.count(state) for state in ("waits", "taken", "later", "dead")]
            assert list(counts[:4]) == wanted
            dead = [item.value for item in self.items if item.state == "dead"]
            assert sorted(letter.value for letter in handle.dead_letters()) == dead
            unfinished = any(state in ("waits", "taken", "later") for state in states)
            assert handle.join(0) == (not unfinished)

        @rule(
            worker=WORKERS, priority=st.integers(-1, 1), many=st.integers(1, 3),
            delay=st.sampled_from([None, None, 5]),
        )  # fmt: skip
        def put(self, worker, priority, many, delay):
            values = [next(self.numbers) for _ in range(many)]
            self.queues[worker].put_many(values, priority=priority, delay=delay)
            due = None if delay is None else self.clock.now() + delay
            self.items += [Item(value, priority, due) for value in values]
            self.check(self.queues[worker])

        @rule(worker=WORKERS)
        def take(self, worker):
            self.queues[worker].qsize()
            self.pass_time()
            wanted = self.waiting()
            try:
                taken = self.queues[worker].take_nowait()
            except queue.Empty:
                assert wanted == []
                return
            item = wanted[0]
            item.state, item.due = "taken", self.clock.now() + 10
            item.times += 1
            item.by = taken
            assert (taken.value, taken.deliveries) == (item.value, item.times)
            self.held.append((worker, taken, item))

        @rule(
            which=st.integers(0, 5),
            how=st.sampled_from(["done", "fail", "release", "extend", "put off"]),
        )
        def finish(self, which, how):
            if not self.held:
                return
            _, taken, item = self.held[which % len(self.held)]
            is_ours = item.state == "taken" and item.by is taken
            if how == "done":
                assert taken.done() == is_ours
                if is_ours:
                    item.state = "gone"
                    self.items.remove(item)
            elif how == "extend":
                assert taken.extend() == is_ours
                if is_ours:
                    item.due = self.clock.now() + 10
            elif how == "fail":
                assert taken.fail("no") == is_ours
                if is_ours:
                    item.state = "dead" if item.times >= MOST else "waits"
            else:
                delay = 5 if how == "put off" else None
                assert taken.release(delay=delay) == is_ours
                if is_ours:
                    item.times -= 1
                    item.state = "waits" if delay is None else "later"
                    item.due = self.clock.now() + 5
            self.check(self.queues[0])

        @rule(seconds=st.sampled_from([1, 5, 10]))
        def time_passes(self, seconds):
            self.clock.advance(seconds)

        @rule(worker=WORKERS)
        def a_worker_dies(self, worker):
            self.shared[worker].close()
            for owner, taken, item in self.held:
                if owner == worker and item.by is taken and item.state == "taken":
                    item.due = self.clock.now()
            self.held = [each for each in self.held if each[0] != worker]
            self.queues[worker] = self.opened(worker)
            self.check(self.queues[1 - worker])

        @rule(worker=WORKERS, how=st.sampled_from(["retry", "discard"]))
        def given_up(self, worker, how):
            dead = [item for item in self.items if item.state == "dead"]
            letters = self.queues[worker].dead_letters()
            assert getattr(self.queues[worker], how)(*letters[:1]) == min(1, len(dead))
            if letters:
                (item,) = [each for each in dead if each.value == letters[0].value]
                self.items.remove(item)
                item.by = None
                if how == "retry":
                    item.state, item.times = "waits", 0
                    same = [each for each in self.items if each.priority == item.priority]
                    item.order = max([each.order for each in same] or [0]) + 0.5
                    self.items.append(item)
            self.items.sort(key=lambda item: item.value)

        def teardown(self):
            for queues in self.shared:
                queues.close()

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
    )
