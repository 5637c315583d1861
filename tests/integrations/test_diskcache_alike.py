"""Whatever is done to a cache of diskcache and to ours: the answers are the same."""

from __future__ import annotations

import io
import sqlite3
from typing import ClassVar
from unittest import mock

import diskcache as theirs
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from stagecache.integrations import diskcache as ours

KEYS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([-0.5, -1.25, 2.0, "", "a", "b", "user-1", b"", b"a", None, 2**70, (1, "a")]),
    st.sampled_from([("a", None), frozenset({1}), ["l", 1], {"d": 1}]),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([2**600, "large text", "large bytes", "large list"]),
)
LARGE = {
    "large text": "x" * 40_000,
    "large bytes": b"y" * 40_000,
    "large list": list(range(9_000)),
}
"""By names: a failure tells of all that was done."""
EXPIRE = st.sampled_from([None, None, None, 0.5, 3, 100])
TAGS = st.sampled_from([None, "red", "blue", 7])
SIDES = st.sampled_from(["front", "back"])
PREFIXES = st.sampled_from([None, "p", "q"])
FLAG = st.booleans()


def read(answer):
    if isinstance(answer, tuple):
        return tuple(map(read, answer))
    if not hasattr(answer, "read"):
        return answer
    with answer:
        return answer.read()


def copied(argument):
    if isinstance(argument, io.BytesIO):
        return io.BytesIO(argument.getvalue())
    return LARGE.get(argument, argument) if isinstance(argument, str) else argument


class Alike(RuleBasedStateMachine):
    folders: ClassVar[list[str]] = []
    """Used again and again, emptied: to make them takes most of the time."""

    def __init__(self):
        super().__init__()
        self.now = 1_800_000_000.0
        self.clock = mock.patch("time.time", side_effect=lambda: self.now)
        self.clock.start()
        self.left, self.right = self.opened(eviction_policy="none", cull_limit=0, statistics=0)
        for cache in (self.left, self.right):
            cache.clear()
            cache.stats(enable=False, reset=True)

    def opened(self, **how):
        theirs_in, ours_in = self.folders
        return theirs.Cache(theirs_in, **how), ours.Cache(ours_in, **how)

    def teardown(self):
        self.left.close()
        self.right.close()
        self.clock.stop()

    def both(self, name, *args, **kwargs):
        answers = []
        for cache in (self.left, self.right):
            given = [copied(arg) for arg in args]
            try:
                answer = read(getattr(cache, name)(*given, **kwargs))
            except (KeyError, TypeError) as error:
                answer = type(error)
            except (sqlite3.IntegrityError, OverflowError):
                answer = "the number beyond the end of the queue is a key already"
            answers.append(answer)
        assert answers[0] == answers[1], (name, args, kwargs)
        assert type(answers[0]) is type(answers[1]) or name == "push"
        return answers[0]

    @rule(key=KEYS, value=VALUES, expire=EXPIRE, tag=TAGS)
    def set(self, key, value, expire, tag):
        self.both("set", key, value, expire=expire, tag=tag)

    @rule(key=KEYS, data=st.binary(max_size=10), tag=TAGS)
    def set_read(self, key, data, tag):
        self.both("set", key, io.BytesIO(data), read=True, tag=tag)

    @rule(key=KEYS, value=VALUES, expire=EXPIRE, tag=TAGS)
    def add(self, key, value, expire, tag):
        self.both("add", key, value, expire=expire, tag=tag)

    @rule(key=KEYS, expire=EXPIRE)
    def touch(self, key, expire):
        self.both("touch", key, expire)

    @rule(key=KEYS, read=FLAG, expire_time=FLAG, tag=FLAG)
    def get(self, key, read, expire_time, tag):
        self.both("get", key, "none", read=read, expire_time=expire_time, tag=tag)

    @rule(key=KEYS)
    def item(self, key):
        self.both("__getitem__", key)
        self.both("__contains__", key)

    @rule(key=KEYS)
    def read(self, key):
        self.both("read", key)

    @rule(key=KEYS, expire_time=FLAG, tag=FLAG)
    def pop(self, key, expire_time, tag):
        self.both("pop", key, "none", expire_time=expire_time, tag=tag)

    @rule(key=KEYS)
    def delete(self, key):
        self.both("delete", key)

    def can_add(self, key):
        """Tell whether diskcache adds to it by what is said of it, and not by its database."""
        value = self.both("get", key)
        return value is None or (isinstance(value, (int, float)) and abs(value) < 2**62)

    @rule(key=KEYS, delta=st.integers(-5, 5), default=st.sampled_from([0, 3, None]))
    def incr(self, key, delta, default):
        if self.can_add(key):
            self.both("incr", key, delta, default)

    @rule(key=KEYS, delta=st.integers(-5, 5), default=st.sampled_from([0, 3, None]))
    def decr(self, key, delta, default):
        if self.can_add(key):
            self.both("decr", key, delta, default)

    @rule(value=VALUES, prefix=PREFIXES, side=SIDES, expire=EXPIRE, tag=TAGS)
    def push(self, value, prefix, side, expire, tag):
        self.both("push", value, prefix, side, expire=expire, tag=tag)

    @rule(prefix=PREFIXES, side=SIDES, expire_time=FLAG, tag=FLAG)
    def pull(self, prefix, side, expire_time, tag):
        self.both("pull", prefix, side=side, expire_time=expire_time, tag=tag)

    @rule(prefix=PREFIXES, side=SIDES, expire_time=FLAG, tag=FLAG)
    def peek(self, prefix, side, expire_time, tag):
        self.both("peek", prefix, side=side, expire_time=expire_time, tag=tag)

    @rule(last=FLAG, expire_time=FLAG, tag=FLAG)
    def peekitem(self, last, expire_time, tag):
        self.both("peekitem", last, expire_time=expire_time, tag=tag)

    @rule(now=st.sampled_from([None, 1_800_000_001.0]))
    def expire(self, now):
        self.both("expire", now)

    @rule(tag=st.sampled_from(["red", "blue", 7]))
    def evict(self, tag):
        self.both("evict", tag)

    @rule()
    def cull(self):
        gone = self.left.expire()
        assert self.right.cull() == gone
        self.left.cull()

    @rule()
    def clear(self):
        self.both("clear")

    @rule(seconds=st.sampled_from([0.37, 1.13, 10.71]))
    def wait(self, seconds):
        """Never until the very moment of an expiry: diskcache is of two minds about that."""
        self.now += seconds

    @rule(enable=FLAG, reset=FLAG)
    def stats(self, enable, reset):
        self.both("stats", enable, reset)

    @rule(key=KEYS, value=VALUES, fails=FLAG)
    def transact(self, key, value, fails):
        for cache in (self.left, self.right):
            try:
                with cache.transact():
                    cache.set(key, value)
                    cache.incr("n")
                    assert not fails
            except AssertionError:
                pass

    @rule()
    def again(self):
        self.left.close()
        self.right.close()
        self.left, self.right = self.opened()

    @rule()
    def check(self):
        assert self.right.check() == []

    @invariant()
    def keys_are_the_same(self):
        assert len(self.left) == len(self.right)
        for order in (iter, reversed):
            found = zip(order(self.left), order(self.right), strict=True)
            assert all(one == other for one, other in found)
        queues = [
            [k for k in c.iterkeys() if type(k) in (int, float, str)]
            for c in (self.left, self.right)
        ]
        assert queues[0] == queues[1]


def test_random_operations_have_the_answers_that_diskcache_gives(tmp_path):
    Alike.folders = [str(tmp_path / name) for name in ("theirs", "ours")]
    run_state_machine_as_test(
        Alike,
        # Without shrinking: of so long histories it takes minutes.
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.reuse, Phase.generate],
        ),
    )
