"""All locks of one cache: what a name stands for, and which ground it is had on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xxhash import xxh3_128_digest

from stagecache.errors import SettingsError
from stagecache.locks.acquiring import Means
from stagecache.locks.grounds import Wanted
from stagecache.locks.holdings import Holdings
from stagecache.locks.lock import Lock, RLock
from stagecache.locks.machine import Machine
from stagecache.locks.semaphore import Semaphore
from stagecache.locks.throttle import Entrance, Throttle
from stagecache.locks.times import FileTimes
from stagecache.model import Key

if TYPE_CHECKING:
    from stagecache.clock import Clock
    from stagecache.leases.redis import RedisLeases
    from stagecache.locks.machine import Place
    from stagecache.locks.server import Server
    from stagecache.locks.times import Times

MOST_PERMITS = 256
"""Of a semaphore: a process that waits for others' permits has a thread for each of them."""


class Locks:
    """Makes locks. Those of one name and kind are one lock, however often it is made.

    Parameters
    ----------
    place : Place or None
        The cache directory.
    why_not : str
        Why locks of the machine cannot be had, if `place` is None.
    leases : RedisLeases, optional
        What locks of the team stand on.
    clock : Clock, optional
        Where times come from.
    """

    def __init__(
        self,
        place: Place | None,
        why_not: str = "",
        *,
        leases: RedisLeases | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._place = place
        self._why_not = why_not
        self._machine = Machine(place, clock)
        self._team: Server | None = None
        if leases is not None:
            from stagecache.locks import server  # needs redis

            self._team = server.Server(leases)
        self._holdings = Holdings()

    def lock(self, name: str, *, team: bool = False, thread_local: bool = True) -> Lock:
        """Return the lock of that name."""
        wanted, identity = _one("lock", name, team)
        return Lock(wanted, identity, self._means(team), thread_local=thread_local)

    def rlock(self, name: str, *, team: bool = False) -> RLock:
        """Return the lock of that name, which who has it may acquire again."""
        return RLock(*_one("lock", name, team), self._means(team))

    def semaphore(self, name: str, value: int, *, team: bool = False) -> Semaphore:
        """Return the semaphore of that name."""
        if type(value) is not int or not 1 <= value <= MOST_PERMITS:
            raise ValueError(
                f"a semaphore has 1 to {MOST_PERMITS} permits, a whole number, not {value!r}"
            )
        keys = tuple(_key("semaphore", name, team, str(number)) for number in range(value))
        identity = _key("semaphore", name, team)
        return Semaphore(Wanted(name, keys), identity, self._means(team))

    def throttle(
        self, count: int, seconds: float, name: str | None, *, team: bool = False
    ) -> Throttle:
        """Return what lets at most `count` callers in within `seconds`."""
        if type(count) is not int or count < 1:
            raise ValueError(f"a throttle lets in a whole number of callers, not {count!r}")
        if name is not None:
            _check(name)
        self._means(team)
        return Throttle(count, seconds, partial(self._entrance, team=team), name)

    def close(self) -> None:
        """Give everything back and let nobody wait."""
        self._machine.close()
        if self._team is not None:
            self._team.close()

    def _means(self, team: bool) -> Means:
        if team:
            if self._team is None:
                raise SettingsError(
                    "locks of a team need the setting `redis` with a Redis server, and the role "
                    "of a writer"
                )
            return Means((self._machine, self._team), self._holdings)
        if self._place is None:
            raise SettingsError(self._why_not)
        return Means((self._machine,), self._holdings)

    def _entrance(self, name: str, team: bool) -> Entrance:
        wanted, identity = _one("throttle", name, team)
        if self._team is not None and team:
            from stagecache.locks import server

            times: Times = server.ServerTimes(self._team.leases, identity)
        else:
            assert self._place is not None
            times = FileTimes(partial(self._place.throttle_file, identity.hex()))
        return Entrance(Lock(wanted, identity, self._means(team)), times)


def _one(kind: str, name: str, team: bool) -> tuple[Wanted, Key]:
    key = _key(kind, name, team)
    return Wanted(name, (key,)), key


def _key(kind: str, name: str, team: bool, *more: str) -> Key:
    _check(name)
    # What the team has and what the machine has under one name are two.
    parts = ("team" if team else "machine", kind, *more, name)
    return Key(xxh3_128_digest("\0".join(parts).encode(errors="surrogatepass")))


def _check(name: str) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError(f"a lock is known by a name, a text that is not empty, not {name!r}")
