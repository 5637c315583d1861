"""The one thread of a process that looks after its leases on a server.

It renews what is held, lets in who waits, writes what the holders wait for and gives back what was
dropped. It outlives every error: while the server cannot be reached, leases come to their end by
our own clock, and who waits is let go.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from stagecache.errors import ShelfError
from stagecache.forking import hold_over_forks
from stagecache.leases.computing import computing
from stagecache.leases.redis_notices import Notices
from stagecache.leases.redis_waits import Wait, Waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.clock import Clock
    from stagecache.leases.redis_book import Book, Taken
    from stagecache.leases.redis_claims import Claim
    from stagecache.model import Key

_BEATS = 3
"""How often a lease is renewed before it would end."""
_AFTER = 0.002
"""Seconds after a lease must have ended that a waiter looks."""
_PATIENCE = 2
"""How often a waiter asks a server in vain before it goes on without."""


class Keeper:
    """Looks after the claims of one process.

    Parameters
    ----------
    book : Book
        Where leases are written.
    clock : Clock
        Where times come from.
    ttl : float
        Seconds that a lease outlives a holder that is gone.
    tick : float
        Seconds between two looks at what one waits for, if nothing is told meanwhile.
    """

    def __init__(self, book: Book, clock: Clock, ttl: float, tick: float) -> None:
        self._book = book
        self._clock = clock
        self._ttl = ttl
        self._tick = tick
        self._forget()
        self._mutex = threading.Lock()
        hold_over_forks(self)

    def _forget(self) -> None:
        self._held: set[Claim] = set()
        self._waiting: list[Claim] = []
        self._beside: list[Wait] = []
        self._dropped: deque[Claim] = deque()
        self._waits = Waits(self._book, self._ttl)
        self._thread: threading.Thread | None = None
        self._notices: Notices | None = None
        self._is_closing = False
        self._deaf_until = 0.0

    # --- called from any thread

    def refused(self, claim: Claim, taken: Taken) -> None:
        """Note who has the key, and when to ask again if nothing is heard."""
        claim.holder = taken.holder
        soon = min(self._in_a_while(), taken.seconds + _AFTER)
        claim.look_at = self._clock.monotonic() + soon
        if not claim.was_refused:
            claim.was_refused = True
            claim.wake()

    def try_once(self, claim: Claim) -> Taken | None:
        """Ask the server for the key; return who has it, or None if it is ours.

        Raises
        ------
        ShelfError
            If the server did not do what it was asked.
        """
        asked = self._clock.monotonic()
        claim.may_stand = True
        taken = self._book.take(claim.key, claim.value, self._ttl)
        claim.may_stand = taken is None
        if taken is None:
            claim.until = asked + self._ttl
            with self._mutex:
                self._held.add(claim)
                self._start()
        return taken

    def wait(self, claim: Claim) -> None:
        """Let the thread ask for the key until it is settled."""
        with self._mutex:
            if self._is_closing:
                claim.lose()
                return
            self._waiting.append(claim)
            self._start()
            self._ring()

    @contextmanager
    def beside(self, key: Key) -> Iterator[None]:
        """Note that this context may wait for a key in another place than the server."""
        wish = Wait(key, computing.get())
        with self._mutex:
            self._beside.append(wish)
        try:
            yield
        finally:
            with self._mutex:
                if wish in self._beside:  # in a forked child it is its parent's
                    self._beside.remove(wish)

    def give_back(self, claim: Claim) -> bool | None:
        """Hold and wish for it no longer; again: does nothing.

        Returns whether the server had it as ours until now; None if that is not known.
        """
        with self._mutex:
            claim.is_over = True
            self._held.discard(claim)
            if claim in self._waiting:
                self._waiting.remove(claim)
            may_stand = claim.may_stand and claim.pid == os.getpid()  # not of a parent that forked
            claim.may_stand = False
        if may_stand:
            with suppress(ShelfError):  # it ends by itself
                return self._book.give_back(claim.key, claim.value)
        return None

    def drop(self, claim: Claim) -> None:
        """Let the thread give it back; from a finalizer too, which may interrupt this very one."""
        is_known = claim.may_stand or claim in self._waiting
        if claim.is_over or not is_known:
            return
        claim.is_over = True
        self._dropped.append(claim)
        if self._mutex.acquire(blocking=False):
            try:
                self._start()
                self._ring()
            finally:
                self._mutex.release()

    def close(self) -> None:
        """Give everything back, let nobody wait, and end the thread."""
        with self._mutex:
            self._is_closing = True
            thread = self._thread
            self._ring()
            held, waiting = list(self._held), self._waiting
            self._waiting = []
            for claim in (*held, *waiting):
                claim.lose()
        if thread is not None:
            thread.join()
        for claim in held:
            self.give_back(claim)
        self._return_dropped()
        with self._mutex:
            self._is_closing = False

    def before_fork(self) -> None:
        """Let no claim change while the process forks."""
        self._mutex.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let the child hold nothing: every claim is its parent's."""
        mutex = self._mutex
        if in_child:
            for claim in (*self._held, *self._waiting):
                claim.is_lost = True
            if self._notices is not None:
                self._notices.close()
            self._forget()
        mutex.release()

    # --- under the mutex

    def _start(self) -> None:
        if self._thread is not None or self._is_closing:
            return
        notices = Notices(self._book)
        thread = threading.Thread(
            target=self._run, args=(notices,), name="stagecache-leases", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is going down
            notices.close()
            for claim in self._waiting:
                claim.lose()
            self._waiting.clear()
            return
        self._thread, self._notices = thread, notices

    def _ring(self) -> None:
        if self._notices is not None:
            self._notices.ring()

    def _is_over(self, beat_at: float) -> bool:
        """Tell whether the thread is to end; whoever comes from then on starts another one."""
        is_idle = not (self._held or self._waiting or self._beside or self._dropped)
        if self._is_closing or (is_idle and self._clock.monotonic() >= beat_at):
            self._thread = self._notices = None
            return True
        return False

    def _withdraw(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            if claim in self._waiting:
                self._waiting.remove(claim)
                claim.is_over = True
                if claim.may_stand:
                    self._dropped.append(claim)

    # --- in the thread

    def _run(self, notices: Notices) -> None:
        heard: set[Key] = set()
        beat_at = self._clock.monotonic() + self._ttl / _BEATS
        while True:
            with self._mutex:
                if self._is_over(beat_at):
                    break
            with _surviving():
                self._return_dropped()
            is_beat = self._clock.monotonic() >= beat_at
            if is_beat:
                beat_at = self._clock.monotonic() + self._ttl / _BEATS
                with _surviving():
                    self._renew()
            with _surviving():
                self._write_waits(is_beat=is_beat)
            self._let_in(heard)
            heard = set()
            with _surviving():
                self._follow(notices)
            heard = self._hear(notices, self._pause(beat_at))
        notices.close()

    def _return_dropped(self) -> None:
        while self._dropped:
            self.give_back(self._dropped.popleft())

    def _renew(self) -> None:
        with self._mutex:
            held = {claim.key: claim for claim in self._held if not claim.is_lost}
        if not held:
            return
        asked = self._clock.monotonic()
        answers = self._book.renew({key: each.value for key, each in held.items()}, self._ttl)
        for key, is_ours in answers.items():
            if is_ours:
                held[key].until = asked + self._ttl
            else:
                held[key].is_lost = True

    def _let_in(self, heard: set[Key]) -> None:
        with self._mutex:
            waiting = list(self._waiting)
        for claim in waiting:
            if claim.is_over:
                continue
            if claim.key in heard or claim.look_at <= self._clock.monotonic():
                with _surviving():
                    self._look(claim)

    def _look(self, claim: Claim) -> None:
        try:
            taken = self.try_once(claim)
        except ShelfError:
            # Who waits for somebody is not let go by one answer that is late.
            claim.failures += 1
            claim.look_at = self._clock.monotonic() + self._in_a_while()
            if not claim.was_refused or claim.failures >= _PATIENCE:
                self._settle(claim, is_ours=False)
            return
        if taken is None:
            self._settle(claim, is_ours=True)
            return
        claim.failures = 0
        self.refused(claim, taken)
        if self._waits.end_at(claim):
            # What was noted may have ended just now: only what still is so counts.
            if claim.is_suspect:
                self._settle(claim, is_ours=False)
            claim.is_suspect = True
        else:
            claim.is_suspect = False

    def _settle(self, claim: Claim, *, is_ours: bool) -> None:
        with self._mutex:
            is_wanted = claim in self._waiting
            if is_wanted:
                self._waiting.remove(claim)
                claim.is_lost = not is_ours
                claim.is_settled = True
                if is_ours:
                    self._withdraw(claim.rivals)
        if is_wanted:
            claim.wake()
        else:
            self.give_back(claim)  # whoever wished for it has gone meanwhile

    def _write_waits(self, *, is_beat: bool) -> None:
        with self._mutex:
            held = {claim.key for claim in self._held if not claim.is_lost}
            waits = [Wait(claim.key, claim.inside) for claim in self._waiting]
            waits += self._beside
        self._waits.write(held, waits, anew=is_beat)

    def _follow(self, notices: Notices) -> None:
        if self._clock.monotonic() < self._deaf_until:
            return
        with self._mutex:
            keys = {claim.key for claim in self._waiting if claim.was_refused}
        try:
            notices.follow(keys)
        except ShelfError:
            self._deaf_until = self._clock.monotonic() + self._tick

    def _hear(self, notices: Notices, seconds: float) -> set[Key]:
        try:
            return notices.wait(seconds)
        except Exception:  # noqa: BLE001 - as below
            notices.hang_up()
            time.sleep(self._tick / 10)  # what fails at once is not tried without end
            return set()

    def _pause(self, beat_at: float) -> float:
        """Return the seconds until there is something to do, if nothing is heard."""
        now = self._clock.monotonic()
        with self._mutex:
            if self._dropped or self._is_closing:
                return 0.0
            moments = [claim.look_at for claim in self._waiting]
            if self._beside:
                moments.append(now + self._tick)
        return max(0.0, min([beat_at, *moments]) - now)

    def _in_a_while(self) -> float:
        # By chance, so that those who wait for one key do not ask in step.
        return self._tick * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


@contextmanager
def _surviving() -> Iterator[None]:
    try:
        yield
    except Exception:  # whatever it is: the other leases must be renewed
        logging.getLogger("stagecache").debug("A step of keeping leases failed", exc_info=True)
