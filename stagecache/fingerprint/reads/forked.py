"""Lets a body know what processes see that are forked while it runs.

A child has its parent's memory, the notes on what the body saw among it; what it adds to them is
told. Who is started as a program of its own is for ``handed``.
"""

from __future__ import annotations

import sys

from stagecache.fingerprint.reads import attribution
from stagecache.fingerprint.reads.boxes import Teller, box_of, whom_it_concerns
from stagecache.fingerprint.reads.memos import at_work
from stagecache.fingerprint.reads.once import once
from stagecache.forking import hold_over_forks


class _Forks:
    """Gives each body that runs a box when the process forks, and its notes in the child to it."""

    def __init__(self) -> None:
        self._tellers: list[Teller] = []

    def before_fork(self) -> None:
        attribution.lock.acquire()
        self._tellers = []
        if attribution.running:
            ledgers = at_work(sys._getframe())
            for one in attribution.running:
                one.has_forked = True
                box = box_of(one)
                self._tellers.append(Teller(box, whom_it_concerns(box, ledgers)))

    def after_fork(self, *, in_child: bool) -> None:
        attribution.lock.release()
        if not in_child:
            return
        for one, teller in zip(attribution.running, self._tellers, strict=True):
            if not one.is_copy:
                one.is_copy = True
                one.seen.tell = teller


_forks = _Forks()


@once
def install() -> None:
    """Begin to tell, once in the life of the process."""
    hold_over_forks(_forks)
