"""An Index, used by two handles and another process in turn, is always what a dict would be."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from stagecache.collections import Index

KEYS = st.one_of(
    st.integers(-2, 2),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 0.5, None, "", "a", b"", b"a", "1"]),
    st.tuples(st.integers(0, 1), st.sampled_from(["a", 1, True, None])),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.integers(0, 255).map(lambda byte: bytes([byte]) * 20_000),
)


def of_dict(model, method, *arguments):
    """What an OrderedDict does for the same call."""
    try:
        if method == "set":
            model[arguments[0]] = arguments[1]
            return None
        if method == "add":
            return arguments[0] not in model and model.setdefault(*arguments) is arguments[1]
        if method == "incr":
            value = model[arguments[0]] = model.get(arguments[0], 0) + 1
            return value
        if method == "peekitem":
            return next(reversed(model.items()))
        return getattr(model, method)(*arguments)
    except KeyError:
        return KeyError


def test_every_sequence_of_calls_gives_what_a_dict_gives(places):
    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.places = places("index")
            self.plain = Index(
                self.places[0].collection._items, self.places[0].collection._means, memory=0
            )
            self.model = OrderedDict()

        def check(self, where, method, *arguments):
            expected = of_dict(self.model, method, *arguments)
            got = self.places[where].call(method, *arguments)
            assert (got, type(got)) == (expected, type(expected))
            assert list(self.plain.items()) == list(self.model.items())
            assert len(self.plain) == len(self.model)

        @rule(where=st.integers(0, 2), key=KEYS, value=VALUES)
        def set(self, where, key, value):
            self.check(where, "set", key, value)

        @rule(where=st.integers(0, 2), key=KEYS, value=VALUES)
        def add(self, where, key, value):
            self.check(where, "add", key, value)

        @rule(where=st.integers(0, 2), key=KEYS, value=VALUES)
        def setdefault(self, where, key, value):
            self.check(where, "setdefault", key, value)

        @rule(where=st.integers(0, 2), key=KEYS)
        def get(self, where, key):
            self.check(where, "get", key)

        @rule(where=st.integers(0, 2), key=KEYS)
        def pop(self, where, key):
            self.check(where, "pop", key, None)

        @rule(where=st.integers(0, 2), key=KEYS)
        def delete(self, where, key):
            self.check(where, "__delitem__", key)

        @rule(where=st.integers(0, 2))
        def incr(self, where):
            self.check(where, "incr", "only a counter")

        @rule(where=st.integers(0, 2))
        def peek(self, where):
            if self.model:
                self.check(where, "peekitem")

        @rule(where=st.integers(0, 2), last=st.booleans())
        def popitem(self, where, last):
            self.check(where, "popitem", last)

        @rule(where=st.integers(0, 2), key=KEYS)
        def is_in(self, where, key):
            self.check(where, "__contains__", key)

        @rule(where=st.integers(0, 2), items=st.dictionaries(KEYS, VALUES, max_size=3))
        def update(self, where, items):
            self.check(where, "update", items)

        @rule(where=st.integers(0, 2))
        def clear(self, where):
            self.check(where, "clear")

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
    )
