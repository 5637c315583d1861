"""Keys among the machines of a team: the leases of the server that all of them reach.

Other than a stage, nobody goes on without: what cannot be asked for is an error.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from stagecache.errors import LockUnavailableError, ShelfError
from stagecache.leases.redis_book import settled, signature
from stagecache.leases.redis_claims import Claim
from stagecache.locks.times import time_left
from stagecache.remote.redis_exchange import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.leases.base import Holder
    from stagecache.leases.redis import RedisLeases
    from stagecache.locks.grounds import Wanted
    from stagecache.model import Key

_TRIES = 10
"""How often a time is noted that others' changes make void."""


class Server:
    """Keys that the callers of all machines have one at a time.

    Parameters
    ----------
    leases : RedisLeases
        Of the server.
    """

    is_far = True

    def __init__(self, leases: RedisLeases) -> None:
        self.leases = leases

    def wish(self, wanted: Wanted, wake: Callable[[], object], *, is_async: bool) -> ServerWishing:
        """Return a caller's asking."""
        return ServerWishing(self.leases, wanted, wake, is_async=is_async)

    def holder(self, wanted: Wanted) -> Holder | None:
        """Return who has one of the keys if all are had; None if one is free."""
        found = None
        try:
            for key in wanted.keys:
                found = self.leases.book.holder(key)
                if found is None:
                    return None
        except ShelfError as error:
            raise _unavailable(wanted, error) from error
        return found

    def close(self) -> None:
        """Give all keys back and let nobody wait."""
        self.leases.close()


class ServerGrant:
    """A lease that is ours, renewed for as long as the process lives and reaches the server."""

    __slots__ = ("_claim", "_leases")

    def __init__(self, leases: RedisLeases, claim: Claim) -> None:
        self._leases = leases
        self._claim = claim

    def is_lost(self) -> bool:
        """Tell whether somebody else may have it by now."""
        return self._claim.is_lost or self._leases.has_ended(self._claim)

    def release(self) -> bool:
        """Give it back; tell whether it was held until now."""
        was_held = not self.is_lost()
        return self._leases.keeper.give_back(self._claim) is not False and was_held

    def __del__(self) -> None:
        self._leases.keeper.drop(self._claim)


class ServerWishing:
    """One caller's asking.

    Parameters
    ----------
    leases : RedisLeases
        Of the server.
    wanted : Wanted
        What.
    wake : callable
        Called from any thread when there is news.
    is_async : bool
        Whether even the first question is asked in another thread.
    """

    __slots__ = ("_claims", "_is_async", "_leases", "_wake", "_wanted")

    def __init__(
        self,
        leases: RedisLeases,
        wanted: Wanted,
        wake: Callable[[], object],
        *,
        is_async: bool,
    ) -> None:
        self._leases = leases
        self._wanted = wanted
        self._wake = wake
        self._is_async = is_async
        self._claims: list[Claim] = []

    def ask(self) -> ServerGrant | None:
        """Take a key if one is free."""
        self._refuse_outage()
        for key in self._in_some_order():
            claim = self._claim(key)
            try:
                taken = self._leases.keeper.try_once(claim)
            except ShelfError as error:
                self._leases.keeper.drop(claim)  # the server may have taken it all the same
                raise _unavailable(self._wanted, error) from error
            except BaseException:
                self._leases.keeper.drop(claim)
                raise
            if taken is None:
                return ServerGrant(self._leases, claim)
        return None

    def begin(self) -> ServerGrant | None:
        """Take a key if one is free, else let the keeper of leases ask for all of them."""
        if self._is_async:
            self._refuse_outage()
        else:
            grant = self.ask()
            if grant is not None:
                return grant
        self._claims = [self._claim(key) for key in self._in_some_order()]
        for claim in self._claims:
            claim.rivals = [other for other in self._claims if other is not claim]
        for claim in self._claims:
            self._leases.keeper.wait(claim)
        return None

    def look(self) -> ServerGrant | None:
        """Return what was granted."""
        for claim in self._claims:
            if not claim.is_settled:
                continue
            if claim.is_lost:
                raise _unavailable(self._wanted, None)
            self._claims.remove(claim)
            claim.rivals = ()
            grant = ServerGrant(self._leases, claim)
            self.end()
            return grant
        return None

    def end(self) -> None:
        """Wait no longer."""
        claims, self._claims = self._claims, []
        for claim in claims:
            claim.rivals = ()
            self._leases.keeper.drop(claim)

    def _refuse_outage(self) -> None:
        if not self._leases.breaker.allows():
            raise _unavailable(self._wanted, None)

    def _claim(self, key: Key) -> Claim:
        claim = Claim(key, signature(self._leases.now()), self._wake)
        claim.inside = ()  # who waits for himself is for his caller to find out
        return claim

    def _in_some_order(self) -> list[Key]:
        # By chance, so that not all ask for the same one first.
        return random.sample(self._wanted.keys, len(self._wanted.keys))

    def __del__(self) -> None:
        self.end()


class ServerTimes:
    """When a throttle has let callers in lately, by the clock of the server.

    Parameters
    ----------
    leases : RedisLeases
        Of the server.
    key : Key
        The throttle's.
    """

    def __init__(self, leases: RedisLeases, key: Key) -> None:
        self._book = leases.book
        self._name = self._book.beside_leases("throttle", key)

    def let_in(self, count: int, seconds: float) -> float:
        """Note that one more is let in, and return 0.0; or return the seconds until that may be.

        That is one step for the server: whoever has lost the throttle's lock lets nobody in beside
        others.
        """

        def work(connection: Any) -> float:
            name = self._name
            for _ in range(_TRIES):
                _, clock, oldest = settled(
                    *exchange(connection, ("WATCH", name), ("TIME",), ("LINDEX", name, count - 1))
                )
                now = int(clock[0]) + int(clock[1]) / 1e6
                left = time_left(None if oldest is None else float(oldest), now, seconds)
                if left:
                    settled(*exchange(connection, ("UNWATCH",)))
                    return left
                *_, done = exchange(
                    connection,
                    ("MULTI",),
                    ("LPUSH", name, f"{now:.6f}"),
                    ("LTRIM", name, 0, count - 1),
                    ("PEXPIRE", name, round(seconds * 1000) + 1000),
                    ("EXEC",),
                )
                settled(done)
                if done is not None:
                    return 0.0
            return seconds / count  # others are let in all the time

        return self._book.ask(self._name, work)


def _unavailable(wanted: Wanted, error: Exception | None) -> LockUnavailableError:
    why = str(error) if error is not None else "its server is out of reach, or the cache was closed"
    return LockUnavailableError(
        wanted.name,
        f"it cannot be had ({why}). Nobody is let in without it: somebody else may have it. Try "
        "again when the server is back; `stagecache doctor` shows whether it can be reached.",
    )
