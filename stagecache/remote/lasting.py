"""A client of a server that lasts from its first use to a fork, or until it is let go of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    from collections.abc import Callable

Client = TypeVar("Client")


class Lasting(Generic[Client]):
    """What connects when it is needed.

    A child has a client of its own: two processes on one connection would read each other's
    answers, and a pool's locks may have been held by a thread that the child does not have.

    Parameters
    ----------
    make : callable
        Returns a client that its threads may share.

    Examples
    --------
    >>> client = Lasting(list)
    >>> client.current is None
    True
    >>> client.made() is client.made() is client.current
    True
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self.current: Client | None = None
        """The client that there is; read without a call, because that is what every use does."""
        self._make = make
        self._lock = threading.Lock()
        hold_over_forks(self)

    def made(self) -> Client:
        """Return the client; make it if there is none."""
        with self._lock:
            if self.current is None:
                self.current = self._make()
            return self.current

    def let_go(self) -> Client | None:
        """Return the client that there was, and have none."""
        with self._lock:
            client, self.current = self.current, None
            return client

    def before_fork(self) -> None:
        """Wait until nobody makes a client."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child have none: the connections of the parent are only let go of there."""
        if in_child:
            self.current = None
        self._lock.release()
