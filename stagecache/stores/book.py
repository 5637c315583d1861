"""The marks that are in force here: read from the tiers that keep them, asked for now and then.

One document in the first tier that can keep it holds the marks of this directory and what is known
of the team's; the team's log itself lies with the shared tier, which is asked at most every so
often. What it said last counts while it is out of reach.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.clock import SystemClock
from stagecache.errors import StoreError
from stagecache.forking import hold_over_forks
from stagecache.marks import (
    EVERYTHING,
    OWN,
    UNHEARD,
    Log,
    Standing,
    from_bytes,
    log_fields,
    log_of,
    to_bytes,
)
from stagecache.stores.base import KeepsMarks, Telling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stagecache.clock import Clock
    from stagecache.stores.base import Store, TeamLog

SHORTEST, LONGEST = 0.1, 2.0
"""Seconds between two looks at the team's marks, unless settings say otherwise; between these it
is so long that asking takes a hundredth of the time."""
_SHARE = 100


class Said(NamedTuple):
    """One mark that somebody sets."""

    scopes: tuple[str, ...]
    soft: bool
    by: str
    at: float

    def on(self, log: Log) -> Log:
        """Return the log with this mark."""
        return log.marked(self.scopes, soft=self.soft, by=self.by, at=self.at)


class Book:
    """What is known of all marks. Thread-safe.

    Parameters
    ----------
    keeper : KeepsMarks, optional
        Where they lie on this machine; None: in this process.
    team : TeamLog, optional
        The log of those who share a tier.
    coherence : float, optional
        Seconds between two looks at it; by default as long as looking takes, a hundred times.
    clock : Clock, optional
        Where the time comes from.

    Examples
    --------
    >>> book = Book()
    >>> book.mark(Said(("tag fx",), False, "nodeB", 0.0))
    True
    >>> book.standing(None).own.number
    1
    """

    def __init__(
        self,
        keeper: KeepsMarks | None = None,
        team: TeamLog | None = None,
        *,
        coherence: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._keeper = keeper
        self._team = team
        self._coherence = coherence
        self._pause = SHORTEST if coherence is None else coherence
        self._monotonic = (clock or SystemClock()).monotonic
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._standing = Standing(_begin())
        self._version: object = self  # equal to no version of a store
        self._due = self._heard = float("-inf")
        hold_over_forks(self)

    @classmethod
    def over(cls, stores: Sequence[Store], coherence: float | None = None) -> Book:
        """Return the book of those among `stores` that keep marks, here or for a team."""
        return cls(
            next((store for store in stores if isinstance(store, KeepsMarks)), None),
            next((store.team_log for store in stores if isinstance(store, Telling)), None),
            coherence=coherence,
        )

    @property
    def has_team(self) -> bool:
        """Whether marks reach other machines."""
        return self._team is not None

    def standing(self, version: object) -> Standing:
        """Return what is in force; what the keeper has is read again if its `version` differs."""
        if version != self._version:
            self._reload(version)
        return self._standing

    def numbers(self, version: object) -> dict[str, int]:
        """Return which marks a body knows of that starts now."""
        standing = self.standing(version)
        if self._team is not None and standing.team is None:
            return {**standing.numbers, UNHEARD: 0}
        return standing.numbers

    def check(self) -> None:
        """Ask the team what it knows, if that was not done a moment ago."""
        if self._team is None:
            return
        now = self._monotonic()
        if now < self._due:
            return
        # While one thread asks, the others go on with what was known a moment ago. If that was
        # longer ago, nobody has looked anything up for a while, and they wait for him.
        is_exact = self._pause <= 0
        is_late = now - self._heard > 2 * self._pause
        if not is_exact:
            if not self._asking.acquire(blocking=is_late):
                return
            if self._monotonic() < self._due:  # whoever asked meanwhile has told
                self._asking.release()
                return
        try:
            log = self._team.read(self._standing.team)
            if self._coherence is None:
                taken = self._monotonic() - now
                self._pause = min(LONGEST, max(SHORTEST, _SHARE * taken))
            if log is not None:
                if log is not self._standing.team:
                    self._learn(log)
                if self._standing.untold:
                    self._tell()
        finally:
            self._heard, self._due = now, now + self._pause
            if not is_exact:
                self._asking.release()

    def mark(self, said: Said) -> bool:
        """Set a mark; tell whether all who are to know of it do, or will when they look.

        Raises
        ------
        StoreError
            If it can be kept nowhere on this machine, though there is a keeper. It holds in this
            process then, and for the team if there is one.
        """
        if self._team is not None:
            # First the team's log, then what is known here: a process that is killed between the
            # two has told everybody, itself included.
            log = self._team.append(self._standing.team, said.on)
            if log is not None:
                self._learn(log)
                return True
        has_team = self._team is not None
        self._change(lambda standing: _marked(standing, said, has_team=has_team))
        return not has_team

    # --- shared

    def _tell(self) -> None:
        """Tell the team what was marked here while it was out of reach.

        Two processes of a machine may do so at once: then there are two marks, and what was made
        between them is made once more.
        """
        told = self._standing
        assert self._team is not None
        for soft in (False, True):
            scopes = tuple(scope for scope, softly in told.untold.items() if softly is soft)
            if not scopes:
                continue
            newest = told.own.marks.get(scopes[-1])
            by, at = (newest.by, newest.at) if newest is not None else ("", 0.0)
            log = self._team.append(self._standing.team, Said(scopes, soft, by, at).on)
            if log is None:
                return
            self._learn(log)
        with suppress(StoreError):  # else it is told again
            self._change(lambda standing: _settled(standing, told))

    def _learn(self, log: Log) -> None:
        """Note what the team's log says: for this process, and for all of this directory.

        Where the directory cannot keep it, this process knows, and the others ask for themselves.
        """
        with suppress(StoreError):
            self._change(lambda standing: _joined(standing, log))

    def _change(self, change: Callable[[Standing], Standing]) -> None:
        # No lock is held while the keeper is asked, which has locks of its own. If two threads
        # end in the wrong order, the version has changed, and the next lookup reads it again.
        if self._keeper is None:
            with self._lock:
                self._standing = change(self._standing)
            return
        made: list[Standing] = []

        def work(document: bytes | None) -> bytes:
            made[:] = [change(_read(document, self._standing))]
            return _document(made[0])

        try:
            self._keeper.change_marks(work)
        except StoreError:
            with self._lock:
                self._standing = change(self._standing)
            raise
        self._standing = made[0]

    def _reload(self, version: object) -> None:
        if self._keeper is not None:
            try:
                document = self._keeper.marks()
            except StoreError:
                return  # what was known counts
            read = _read(document, self._standing)
            team = self._standing.team
            if team is not None and (read.team is None or _is_older(read.team, team)):
                read = _joined(read, team)
            self._standing = read
            if document is not None and not _is_whole(document):
                with suppress(StoreError):  # a new one, that all go by
                    self._change(lambda standing: standing)
        self._version = version

    def before_fork(self) -> None:
        """Let nobody be at work."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; nobody asks the team in the child yet."""
        if in_child:
            self._asking = threading.Lock()
        self._lock.release()


def _begin() -> Log:
    return Log(f"{OWN}{os.urandom(8).hex()}")


def _is_older(one: Log, other: Log) -> bool:
    return one.name == other.name and one.number < other.number


def _marked(standing: Standing, said: Said, *, has_team: bool) -> Standing:
    untold = dict(standing.untold)
    if standing.joined or has_team:
        for scope in said.scopes:
            untold[scope] = said.soft and untold.get(scope, True)
    own = said.on(standing.own)
    return Standing(own, standing.team, standing.joined, standing.settled, untold)


def _joined(standing: Standing, log: Log) -> Standing:
    """Return what is in force when the team's log says this."""
    if standing.team is not None and _is_older(log, standing.team):
        return standing
    is_kept = standing.joined or standing.untold  # what the team is yet to be told concerns it
    settled = standing.settled if is_kept else standing.own.number
    return Standing(standing.own, log, standing.joined or log.name, settled, standing.untold)


def _settled(standing: Standing, told: Standing) -> Standing:
    """Return what is in force when the team was told of what was untold in `told`."""
    if standing.own.number != told.own.number:
        return standing  # somebody has set a mark meanwhile: all are told once more
    return Standing(standing.own, standing.team, standing.joined, standing.own.number)


def _document(standing: Standing) -> bytes:
    team = None if standing.team is None else log_fields(standing.team)
    return to_bytes(
        {
            "own": log_fields(standing.own),
            "team": team,
            "joined": standing.joined,
            "settled": standing.settled,
            "untold": dict(standing.untold),
        }
    )


def _read(document: bytes | None, otherwise: Standing) -> Standing:
    """Return what a document says; of a damaged one, that nothing made before it is good."""
    if document is None:
        return Standing(otherwise.own, otherwise.team, otherwise.joined, otherwise.settled)
    try:
        fields: dict[str, Any] = from_bytes(document)
        team = fields["team"]
        return Standing(
            log_of(fields["own"]),
            None if team is None else log_of(team),
            str(fields["joined"]),
            int(fields["settled"]),
            {str(scope): bool(soft) for scope, soft in fields["untold"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Standing(_begin().marked([EVERYTHING], soft=False, by="", at=0.0))


def _is_whole(document: bytes) -> bool:
    try:
        from_bytes(document)
    except ValueError:
        return False
    return True
