"""The items of one queue: put, taken, given back, finished, given up; who waits is not known here.

Every step is one statement or one transaction, and says by the note of a taking that it is still
of whom takes it: what a worker does with an item that went to another one changes nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.collections import standing
from stagecache.collections.failures import Failure, lost
from stagecache.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stagecache.clock import Clock
    from stagecache.collections.hearing import Bell
    from stagecache.collections.presence import Presence
    from stagecache.stores.disk.items import Collection
    from stagecache.stores.disk.items.rows import Value
_MANY = 64
"""Items that are taken, after which they are moved aside."""


class Taking(NamedTuple):
    """One taking of an item."""

    id: int
    note: str
    times: int
    """How often it was taken, this one included."""
    codec: str
    value: bytes | None
    blob: bytes | None
    seal: int


class Letter(NamedTuple):
    """An item that was given up, encoded."""

    id: int
    codec: str
    value: bytes | None
    blob: bytes | None
    seal: int
    failure: Failure


class Line:
    """The items of one queue.

    Parameters
    ----------
    collection : Collection
        Where they are.
    presence : Presence
        Who takes them.
    clock : Clock
        When leases end.
    came, left, ended : Bell
        Rung when there may be something to take, room to put, or nothing unfinished.
    """

    def __init__(
        self,
        collection: Collection,
        presence: Presence,
        clock: Clock,
        came: Bell,
        left: Bell,
        ended: Bell,
    ) -> None:
        self.collection = collection
        self._presence = presence
        self._clock = clock
        self._came, self._left, self._ended = came, left, ended
        self._numbers = count(1)
        self._takings = 0
        self._was_empty = True

    @property
    def maxsize(self) -> int:
        """How many items may wait; 0: any number."""
        self.collection.is_there()  # somebody else may have said it first
        return self.collection.settings["maxsize"]  # type: ignore[no-any-return]

    def prepare(self) -> None:
        """Let there be what who waits will watch: the directory, and the file of holders."""
        if not self.collection.is_there():
            self.collection.declare()
        self._presence.begin()

    # --- putting

    def put(self, encoded: Sequence[tuple[str, Value]], priority: int, delay: float | None) -> bool:
        """Keep items, all or none; return False if there is no room for them now."""
        due = None if delay is None else self._clock.now() + delay
        part = 0 if due is None else standing.LATER
        rest = (standing.first_of(priority), part)
        items = self.collection
        most = items.declare()["maxsize"]
        if len(encoded) == 1 and not most:
            items.push(*encoded[0], place=standing.PLACE, rest=rest, due=due)
        else:
            with items.transaction():
                if most and due is None and self.waiting() + len(encoded) > most:
                    return False
                for each in encoded:
                    items.push(*each, place=standing.PLACE, rest=rest, due=due)
        items.access.afterwards(self._came.ring)
        return True

    # --- taking

    def take(self, seconds: float) -> Taking | None:
        """Take the first item that waits, for `seconds`; None if there is none."""
        items = self.collection
        if self._was_empty and not items.select(items.statement(standing.FIRST)):
            return None  # who asks in vain keeps nobody from writing
        token = f"{self._presence.token}-{next(self._numbers)}"
        rows = items.change(items.statement(standing.TAKE), (self._clock.now() + seconds, token))
        self._was_empty = not rows
        if not rows:
            return None
        if items.settings["maxsize"]:
            items.access.afterwards(self._left.ring)
        self._takings += 1
        if self._takings % _MANY == 0 and self._count(standing.COUNT_TAKEN_IN_LINE) >= _MANY:
            self._run(standing.MOVE_ASIDE)
        where, codec, value, blob, sealed, note = rows[0]
        return Taking(where, note, standing.times(note), codec, value, blob, sealed)

    def value(self, taking: Taking | Letter) -> Value:
        """Return what is in an item.

        Raises
        ------
        StoreError
            If it is damaged.
        """
        return self.collection.value(taking.codec, taking.value, taking.blob, taking.seal)

    # --- what becomes of a taken item; each returns whether it still was of this taking

    def done(self, taking: Taking) -> bool:
        """Forget an item."""
        where, note = taking.id, taking.note
        # One after the other: an item goes aside and, under this note, never comes back.
        is_ours = bool(
            self._run(standing.DONE, where, note)
            or self._run(standing.DONE, where + standing.ASIDE, note)
        )
        self.collection.access.afterwards(self.tell_end)
        return is_ours

    def renew(self, taking: Taking, seconds: float) -> bool:
        """Let the lease end `seconds` from now."""
        return bool(self._run(standing.RENEW, taking.id, taking.note, self._clock.now() + seconds))

    def give_back(self, taking: Taking, delay: float | None) -> bool:
        """Let an item be taken again, as if this taking had not been."""
        return self._back(taking.id, taking.note, taking.times - 1, delay)

    def fail(self, taking: Taking, failure: Failure, most: int, delay: float | None) -> bool:
        """Let an item be taken again, unless it was taken `most` times: then it is given up."""
        if taking.times >= most:
            return self._give_up(taking.id, taking.note, failure)
        return self._back(taking.id, taking.note, taking.times, delay, failure)

    # --- what comes back by itself

    def tend(self, most: int, *, thoroughly: bool) -> None:
        """Let items come back whose time has come.

        Parameters
        ----------
        most : int
            Takings after which one is given up.
        thoroughly : bool
            Whether to look as well who of those that have taken something is no more.
        """
        items = self.collection
        self._presence.renew()
        overdue = items.select(items.statement(standing.OVERDUE), (self._clock.now(),))
        orphans = self._orphans() if thoroughly else []
        if not (overdue or orphans):
            return
        with items.transaction():
            for where, note in overdue:
                if where < -standing.SPAN:
                    self._move(where, note, standing.place_of(where), None, note)
                else:
                    self._lost(where, note, most, "its lease ended before it was finished")
            for where, note in orphans:
                self._lost(where, note, most, "its worker ended before it was finished")

    def next_due(self) -> float:
        """Return the seconds until something may come back by itself."""
        found = self.collection.select(self.collection.statement(standing.NEXT_DUE))
        return max(0.0, found[0][0] - self._clock.now()) if found else standing.NEVER

    # --- counts

    def waiting(self) -> int:
        """Return how many items wait, without those that are put off."""
        if not self.maxsize:
            in_line = self._count(standing.COUNT_IN_LINE)
            return in_line - self._count(standing.COUNT_TAKEN_IN_LINE)
        # Both are counted without a look at an item.
        return self.collection.count() - self._count(standing.COUNT_OTHERS)

    def taken(self) -> int:
        """Return how many items are taken."""
        return self._count(standing.COUNT_TAKEN)

    def later(self) -> int:
        """Return how many items are put off."""
        return self._count(standing.COUNT_LATER)

    def given_up(self) -> int:
        """Return how many items were given up."""
        return self._count(standing.COUNT_GIVEN_UP)

    def is_waiting(self) -> bool:
        """Tell whether something can be taken now."""
        return bool(self.collection.select(self.collection.statement(standing.FIRST)))

    def is_unfinished(self) -> bool:
        """Tell whether something waits, is taken, or is put off."""
        return bool(self.collection.select(self.collection.statement(standing.UNFINISHED)))

    def tell_end(self) -> None:
        """Wake those who wait for the end, if it is there."""
        with suppress(StoreError):  # what was done is done; who waits looks now and then
            if self._ended.is_there() and not self.is_unfinished():
                self._ended.ring()

    # --- what was given up

    def letters(self) -> list[Letter]:
        """Return what was given up, in that order."""
        rows = self.collection.select(self.collection.statement(standing.LETTERS))
        return [Letter(*row[:-1], Failure(*json.loads(row[-1]))) for row in rows]  # type: ignore[call-arg]

    def revive(self, letter: Letter) -> bool:
        """Let an item that was given up wait again, as if it had just been put."""
        first = standing.first_of(letter.failure.priority)
        is_there = bool(self._run(standing.REVIVE, letter.id, _said(letter.failure), first))
        self.collection.access.afterwards(self._came.ring)
        return is_there

    def discard(self, letter: Letter) -> bool:
        """Forget an item that was given up."""
        return bool(self._run(standing.DISCARD, letter.id, _said(letter.failure)))

    def scan(self, *, reverse: bool = False) -> Iterator[tuple[str, Value]]:
        """Yield what waits, as it is encoded, up to where the end is now."""
        first, last = standing.SPAN, -standing.SPAN
        for (number,) in self.collection.select(self.collection.statement(standing.ENDS)):
            first, last = min(first, number), max(last, number)
        start, end = (last + 1, first) if reverse else (first - 1, last)
        while True:
            page = self.collection.items(
                standing.BACKWARDS if reverse else standing.FORWARDS, (start, end)
            )
            for stored in page:
                yield stored.codec, stored.value
            if len(page) < standing.PAGE:
                return
            start = page[-1].id

    def clear(self) -> int:
        """Forget all items, taken ones and given up ones too; return how many there were."""
        gone = self.collection.clear()
        for bell in (self._left, self._ended):
            self.collection.access.afterwards(bell.ring)
        return gone

    # --- shared

    def _orphans(self) -> list[tuple[Any, ...]]:
        items = self.collection
        gone: dict[str, bool] = {}
        found = []
        for where, note in items.select(items.statement(standing.HELD)):
            token = standing.holder_of(note)
            if token not in gone:
                gone[token] = self._presence.is_gone(token)
            if gone[token]:
                found.append((where, note))
        return found

    def _lost(self, where: int, note: str, most: int, reason: str) -> None:
        number = standing.times(note)
        failure = lost(reason)
        if number >= most:
            self._give_up(where, note, failure)
        else:
            self._back(where, note, number, None, failure)

    def _back(
        self,
        where: int,
        note: str,
        number: int,
        delay: float | None,
        failure: Failure | None = None,
    ) -> bool:
        place = standing.place_of(where)
        said = None if failure is None else failure._replace(priority=standing.priority_of(place))
        if delay is None:
            return self._move(where, note, place, None, number, said)
        due = self._clock.now() + delay
        return self._move(where, note, place + standing.LATER, due, number, said)

    def _give_up(self, where: int, note: str, failure: Failure) -> bool:
        items = self.collection
        priority = standing.priority_of(standing.place_of(where))
        said = failure._replace(
            times=standing.times(note), when=self._clock.now(), priority=priority
        )
        with items.transaction():
            last = items.select(items.statement(standing.LAST_GIVEN_UP))[0][0]
            place = (standing.GIVEN_UP if last is None else last) + 1
            is_ours = self._move(where, note, place, standing.NEVER, standing.times(note), said)
        items.access.afterwards(self.tell_end)
        return is_ours

    def _move(
        self,
        where: int,
        note: object,
        place: int,
        due: float | None,
        noted: object,
        failure: Failure | None = None,
    ) -> bool:
        said = None if failure is None else _said(failure)
        is_moved = bool(self._run(standing.MOVE, where, note, place, due, noted, said))
        self.collection.access.afterwards(self._came.ring)
        return is_moved

    def _run(self, statement: str, *bindings: object) -> int:
        return self.collection.run(self.collection.statement(statement), bindings)

    def _count(self, statement: str) -> int:
        found = self.collection.select(self.collection.statement(statement))
        return int(found[0][0]) if found else 0


def _said(failure: Failure) -> bytes:
    return json.dumps(failure).encode()
