"""Leases of two places: in which order they are taken, and who is spared the farther one."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from stagecache.leases.chain import Chain
from stagecache.leases.local import LocalLeases

KEY = bytes(range(16))


class Far(LocalLeases):
    """A farther place that notes who asked."""

    def __init__(self):
        super().__init__(None)
        self.asked = 0

    def acquire(self, key, on_wait=None):
        self.asked += 1
        return super().acquire(key, on_wait)

    async def acquire_async(self, key, on_wait=None):
        self.asked += 1
        return await super().acquire_async(key, on_wait)

    def beside(self, key):
        return contextlib.nullcontext()


class Waited(LocalLeases):
    """A nearer place where everybody waits for a moment, in which something happens."""

    def __init__(self, meanwhile):
        super().__init__(None)
        self.meanwhile = meanwhile

    def acquire(self, key, on_wait=None):
        on_wait(None, 0.0)
        self.meanwhile()
        on_wait(None, 1.0)
        return super().acquire(key)

    async def acquire_async(self, key, on_wait=None):
        return self.acquire(key, on_wait)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("publishes", [False, True])
def test_who_waited_while_something_was_published_asks_nobody_else(publishes, is_async):
    kept, told = [], []
    far = Far()
    near = Waited(lambda: kept.append(1) if publishes else None)
    chain = Chain(near, far, lambda key: len(kept))

    def on_wait(holder, seconds):
        told.append(seconds)

    if is_async:
        lease = asyncio.run(chain.acquire_async(KEY, on_wait))
    else:
        lease = chain.acquire(KEY, on_wait)
    with lease:
        assert not lease.is_lost()
        assert far.asked == (0 if publishes else 1)
        assert chain.acquire_nowait(KEY) is None
    assert told == [0.0, 1.0]
    chain.acquire_nowait(KEY).release()


def test_who_did_not_wait_is_sent_on_whatever_is_kept():
    far = Far()
    seen = []
    chain = Chain(LocalLeases(None), far, seen.append)
    chain.acquire(KEY).release()
    assert (far.asked, seen) == (1, [])


@pytest.mark.parametrize("is_async", [False, True])
def test_who_hears_nearby_of_a_result_asks_nobody_else(is_async):
    class Heard(LocalLeases):
        def acquire_or_hear(self, key, on_wait=None):
            return None

        async def acquire_or_hear_async(self, key, on_wait=None):
            return None

    far = Far()
    chain = Chain(Heard(None), far)
    if is_async:
        assert asyncio.run(chain.acquire_or_hear_async(KEY)) is None
    else:
        assert chain.acquire_or_hear(KEY) is None
    assert far.asked == 0
    with chain.acquire(KEY):
        assert far.asked == 1


@pytest.mark.parametrize("is_said", [False, True])
def test_who_waits_nearby_for_a_result_that_is_there_waits_for_no_round_trip(is_said):
    given_back = []

    class Noting(Far):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def acquire(self, key, on_wait=None):
            lease = super().acquire(key, on_wait)
            release = lease._slots.leave
            lease._slots.leave = lambda claim: given_back.append(self.name) or release(claim)
            return lease

    chain = Chain(Noting("near"), Noting("far"))
    with chain.acquire(KEY) as lease:
        if is_said:
            lease.say_published()
    assert given_back == (["near", "far"] if is_said else ["far", "near"])
    chain.acquire_nowait(KEY).release()
