"""What every lock has in common: acquired and released, by threads and by coroutines."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Self

from stagecache.errors import LockError, LockLostError, NotHeldError
from stagecache.locks.grounds import give_back, give_back_async, obtain, obtain_async
from stagecache.locks.holdings import Holding, caller

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from stagecache.leases.base import Holder
    from stagecache.locks.grounds import Grant, Ground, Wanted
    from stagecache.locks.holdings import Holdings, Owner
    from stagecache.model import Key


class Means(NamedTuple):
    """What the locks of one cache stand on."""

    grounds: Sequence[Ground]
    holdings: Holdings


class Acquirable(ABC):
    """Something that is acquired, had for a while, and released.

    Parameters
    ----------
    wanted : Wanted
        What is acquired.
    identity : Key
        What this process notes it under.
    means : Means
        What it stands on.
    """

    def __init__(self, wanted: Wanted, identity: Key, means: Means) -> None:
        self.name = wanted.name
        self._wanted = wanted
        self._identity = identity
        self._grounds = means.grounds
        self._holdings = means.holdings

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it; return whether that was possible.

        Whoever waits uses no processor, and Ctrl-C ends the waiting.

        Parameters
        ----------
        blocking : bool, optional
            Whether to wait for it.
        timeout : float, optional
            Seconds to wait at most; -1 for ever.

        Raises
        ------
        LockError
            If the caller would wait for itself for ever.
        LockUnavailableError
            If nobody can say who has it.
        ValueError
            If a timeout is negative, or given where nothing is waited for.
        """
        patience = _patience(blocking, timeout)
        owner = caller()
        if self._has_more(owner):
            return True
        self._refuse_deadlock(owner, patience, is_async=False)
        grants = obtain(self._grounds, self._wanted, patience)
        if grants is None:
            return False
        self._note(owner, grants)
        return True

    async def aacquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Do the same without blocking the event loop; the task that it runs in has it then."""
        patience = _patience(blocking, timeout)
        owner = caller()
        if self._has_more(owner):
            return True
        self._refuse_deadlock(owner, patience, is_async=True)
        grants = await obtain_async(self._grounds, self._wanted, patience)
        if grants is None:
            return False
        self._note(owner, grants)
        return True

    def release(self) -> None:
        """Let the next one have it.

        Raises
        ------
        NotHeldError
            If the caller does not have it; nothing is changed.
        LockLostError
            If it was lost before, so that somebody else may have had it as well.
        """
        grants = self._ending()
        if not give_back(grants):
            raise self._lost()

    async def arelease(self) -> None:
        """Do the same without blocking the event loop."""
        grants = self._ending()
        if not await give_back_async(grants, self._grounds):
            raise self._lost()

    def locked(self) -> bool:
        """Tell whether somebody has it, so that it could not be acquired just now."""
        return self.holder() is not None

    def holder(self) -> Holder | None:
        """Return who has it (pid, host, since), as far as that is known; None: nobody.

        A pid of 0 is somebody of whom nothing is known.

        Raises
        ------
        LockUnavailableError
            If nobody can say who has it.
        """
        # What is farthest away is what all have to get.
        return self._grounds[-1].holder(self._wanted)

    def is_lost(self) -> bool:
        """Tell whether the caller does not have it, or somebody else may have it by now."""
        holding = self._holding(caller())
        return holding is None or holding.is_lost()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.release()
        except LockError as problem:
            if error is None:
                raise
            error.add_note(str(problem))

    async def __aenter__(self) -> Self:
        await self.aacquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.arelease()
        except LockError as problem:
            if error is None:
                raise
            error.add_note(str(problem))

    # --- what differs

    @abstractmethod
    def _holding(self, owner: Owner) -> Holding | None:
        """Return what `owner` may release."""

    def _has_more(self, owner: Owner) -> bool:  # noqa: ARG002 - for those that can
        """Acquire once more what `owner` has, if that is possible."""
        return False

    def _refuse_deadlock(  # noqa: B027 - not all can notice it
        self, owner: Owner, patience: float | None, *, is_async: bool
    ) -> None:
        """Raise LockError if `owner` would wait for itself for ever."""

    # --- what is common

    def _note(self, owner: Owner, grants: tuple[Grant, ...]) -> None:
        self._holdings.add(self._identity, Holding(owner, grants))

    def _ending(self) -> tuple[Grant, ...]:
        """Return what to give back; nothing if it was acquired more often than released."""
        holding = self._holding(caller())
        if holding is None:
            raise self._not_held()
        holding.count -= 1
        if holding.count:
            return ()
        if not self._holdings.remove(self._identity, holding):
            raise self._not_held()  # another thread was faster
        return holding.grants

    def _not_held(self) -> NotHeldError:
        others = self._holdings.of(self._identity)
        if others is None:
            problem = "released by a process that does not have it"
        else:
            problem = f"released by somebody else than thread {others.owner.thread}, which has it"
        return NotHeldError(self.name, f"{problem}. Only who acquired it can release it.")

    def _lost(self) -> LockLostError:
        return LockLostError(
            self.name,
            "it was lost before it was released (its file was removed or the cache closed, its "
            "server lost it, or this process stood still for too long). Somebody else may have "
            "been let in meanwhile: see whether what it guards is in order.",
        )


def _patience(blocking: bool, timeout: float) -> float | None:
    if not blocking:
        if timeout != -1:
            raise ValueError("a timeout is of no use where nothing is waited for")
        return 0.0
    if timeout == -1:
        return None
    if not 0 <= timeout <= threading.TIMEOUT_MAX:
        raise ValueError(f"a timeout is a number of seconds, or -1, not {timeout!r}")
    return float(timeout)
