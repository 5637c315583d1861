"""Lets the threads of a process write in the order in which they came.

Python's own locks go to whoever comes by when they are free: a thread that takes one again at once
keeps the others waiting for as long as it likes. Here whoever finds the lock taken gets a ticket,
and only who has the first one goes to wait at the lock itself. The lock stays Python's own, and is
taken by ``with`` where it is needed: Ctrl-C at the wrong moment can cost a ticket, never the lock.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Any

import apsw

_TICK = 0.1
"""Seconds after which the first ticket is called lost, if the lock is free."""


class Turns:
    """Who comes next at one lock.

    Parameters
    ----------
    lock : threading.RLock
        What they wait for.

    Examples
    --------
    >>> lock = threading.RLock()
    >>> turns = Turns(lock)
    >>> ticket = turns.wait()
    >>> with lock:
    ...     turns.passed(ticket)
    """

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self._mutex = threading.Lock()
        self._tickets: deque[threading.Lock] = deque()

    def wait(self, patience: float | None = None) -> threading.Lock | None:
        """Wait until nobody is before this thread but who has the lock; return its ticket.

        Parameters
        ----------
        patience : float, optional
            Seconds after which it gives up. The lock is then free when this returns, and stays so
            for whoever has the ticket.

        Raises
        ------
        apsw.BusyError
            If they are over.
        """
        lock = self._lock
        if not self._tickets and lock.acquire(blocking=False):
            lock.release()
            return None
        until = math.inf if patience is None else time.monotonic() + patience
        ticket = threading.Lock()
        ticket.acquire()
        with self._mutex:
            self._tickets.append(ticket)
        try:
            while (first := self._before(ticket)) is not None:
                tick = min(_TICK, max(0.0, until - time.monotonic()))
                if not ticket.acquire(timeout=tick):
                    _refuse_after(until)
                    if self._is_lost(first):
                        self.passed(first)
            if patience is not None:
                while not lock.acquire(timeout=max(0.0, until - time.monotonic())):
                    _refuse_after(until)
                lock.release()
        except BaseException:
            self.passed(ticket)
            raise
        return ticket

    def passed(self, ticket: threading.Lock | None) -> None:
        """Give a ticket back: with the lock had, or given up; again: does nothing."""
        if ticket is None:
            return
        with self._mutex:
            is_first = bool(self._tickets) and self._tickets[0] is ticket
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            if is_first and self._tickets:
                following = self._tickets[0]
                if following.locked():
                    following.release()

    def _before(self, ticket: threading.Lock) -> threading.Lock | None:
        """Return the first ticket, or None if that is `ticket`, or `ticket` was called lost."""
        with self._mutex:
            if ticket not in self._tickets or self._tickets[0] is ticket:
                return None
            return self._tickets[0]

    def _is_lost(self, first: threading.Lock) -> bool:
        """Tell whether a ticket is still the first and nobody waits at the lock with it."""
        with self._mutex:
            if not self._tickets or self._tickets[0] is not first:
                return False
        if not self._lock.acquire(blocking=False):
            return False
        self._lock.release()
        return True


def _refuse_after(until: float) -> None:
    if time.monotonic() >= until:
        raise apsw.BusyError("other threads of this process are writing")
