"""A Deque, used by two handles and another process in turn, is always what a deque would be."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

SMALL = st.one_of(st.integers(-2, 2), st.sampled_from([None, True, 1.0, "a", b"a", (1, "a")]))
VALUES = st.one_of(
    SMALL,
    st.text(),
    st.lists(st.integers(), max_size=3),
    st.integers(0, 3).map(lambda byte: bytes([byte]) * 20_000),
)
PLACES = st.integers(0, 2)
NUMBERS = st.integers(-8, 8)


def of_deque(model, method, *given):
    """What a deque does for the same call."""
    try:
        if method in ("peek", "peekleft"):
            return model[-1 if method == "peek" else 0]
        result = getattr(model, method)(*given)
    except (LookupError, ValueError) as error:
        return type(error)
    return None if result is model else result


def test_every_sequence_of_calls_gives_what_a_deque_gives(places):
    class Machine(RuleBasedStateMachine):
        maxlen = None

        def __init__(self):
            super().__init__()
            self.places = places("deque", self.maxlen)
            self.model = deque(maxlen=self.maxlen)

        def check(self, where, method, *given):
            expected = of_deque(self.model, method, *given)
            got = self.places[where].call(method, *given)
            assert (got, type(got)) == (expected, type(expected))
            handle = self.places[0].collection
            assert list(handle) == list(self.model)
            assert list(map(type, handle)) == list(map(type, self.model))
            assert len(handle) == len(self.model)

        @rule(where=PLACES, value=VALUES, method=st.sampled_from(["append", "appendleft"]))
        def push(self, where, value, method):
            self.check(where, method, value)

        @rule(
            where=PLACES,
            values=st.lists(SMALL, max_size=5),
            method=st.sampled_from(["extend", "extendleft", "__iadd__"]),
        )
        def push_many(self, where, values, method):
            self.check(where, method, values)

        @rule(
            where=PLACES,
            method=st.sampled_from(["pop", "popleft", "peek", "peekleft", "reverse", "copy"]),
        )
        def plain(self, where, method):
            self.check(where, method)

        @rule(
            where=PLACES,
            number=NUMBERS,
            method=st.sampled_from(["rotate", "__getitem__", "__delitem__"]),
        )
        def numbered(self, where, number, method):
            self.check(where, method, number)

        @rule(
            where=PLACES,
            number=NUMBERS,
            value=VALUES,
            method=st.sampled_from(["insert", "__setitem__"]),
        )
        def placed(self, where, number, value, method):
            self.check(where, method, number, value)

        @rule(
            where=PLACES,
            value=SMALL,
            method=st.sampled_from(["remove", "count", "index", "__contains__"]),
        )
        def sought(self, where, value, method):
            self.check(where, method, value)

        @rule(where=PLACES, value=SMALL, start=NUMBERS, stop=NUMBERS)
        def sought_between(self, where, value, start, stop):
            self.check(where, "index", value, start, stop)

        @rule(where=PLACES, times=st.integers(-1, 2))
        def times(self, where, times):
            if len(self.model) < 20:
                self.check(where, "__imul__", times)

        @rule(other=st.lists(SMALL, max_size=2))
        def compared(self, other):
            handle, model, plain = self.places[0].collection, self.model, deque(other)
            assert (handle == plain, handle == model) == (model == plain, True)
            assert (plain == handle, handle != plain) == (plain == model, model != plain)
            assert list(reversed(handle)) == list(reversed(model))
            assert (handle + plain, handle * 2) == (model + plain, model * 2)

        @rule(where=PLACES)
        def opened_again(self, where):
            self.places[where].reopen()

    class Bounded(Machine):
        maxlen = 4

    class Nothing(Machine):
        maxlen = 0

    for machine, examples in ((Machine, 30), (Bounded, 20), (Nothing, 3)):
        run_state_machine_as_test(
            machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
        )
