"""Holds things still while the process forks: what they guard is whole in the child as well."""

from __future__ import annotations

import os
import threading
from itertools import count
from typing import Protocol
from weakref import WeakValueDictionary


class Forkable(Protocol):
    """Something with locks or connections that a fork would copy in the middle of their use."""

    def before_fork(self) -> None:
        """Take all locks, let go of what must not be inherited."""

    def after_fork(self, *, in_child: bool) -> None:
        """Release the locks."""


_known: WeakValueDictionary[int, Forkable] = WeakValueDictionary()
_numbers = count()
_held: list[Forkable] = []
_lock = threading.RLock()


def hold_over_forks(forkable: Forkable) -> None:
    """Call `forkable` before and after every fork, as long as it lives.

    What was made later is called earlier: a thing that uses another, and takes its lock under its
    own, is made after it. Do not call this under a lock that is taken before a fork.
    """
    with _lock:
        _known[next(_numbers)] = forkable


def _before() -> None:
    _lock.acquire()
    _held.extend([forkable for _, forkable in sorted(_known.items(), reverse=True)])
    for forkable in _held:
        forkable.before_fork()


def _after(*, in_child: bool) -> None:
    for forkable in reversed(_held):
        forkable.after_fork(in_child=in_child)
    _held.clear()
    _lock.release()


def _after_in_parent() -> None:
    _after(in_child=False)


def _after_in_child() -> None:
    _after(in_child=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
