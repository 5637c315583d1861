"""The queues of one cache: what their handles share in this process, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.collections.hearing import Bell, Ears
from stagecache.collections.line import Line
from stagecache.collections.presence import Presence
from stagecache.collections.taken import Outstanding
from stagecache.errors import QueueClosedError, SettingsError
from stagecache.forking import hold_over_forks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stagecache.collections.means import Means

DEFAULTS = {"maxsize": 0}
"""What holds of a queue of which nothing was said."""


def declared(maxsize: int) -> dict[str, Any]:
    """Return what was said of a queue.

    Raises
    ------
    SettingsError
        If that is no number.
    """
    if type(maxsize) is not int or maxsize < 0:
        raise SettingsError(f"maxsize is a number of at least 1, or 0 for any, not {maxsize!r}")
    return {"maxsize": maxsize} if maxsize else {}


class Counter:
    """One queue, as this process serves it: its items, its bells, and who here has which item.

    Parameters
    ----------
    line : Line
        The items.
    came, left, ended : Ears
        Hear that there may be something to take, room to put, or nothing unfinished.
    """

    def __init__(self, line: Line, came: Ears, left: Ears, ended: Ears) -> None:
        self.line = line
        self.came, self.left, self.ended = came, left, ended
        self.outstanding = Outstanding()
        self._is_closed = False
        hold_over_forks(self.outstanding)

    def check(self) -> None:
        """See that it is open.

        Raises
        ------
        QueueClosedError
            If it is not.
        """
        if self._is_closed:
            raise QueueClosedError(self.line.collection.name)

    def close(self) -> None:
        """Let nobody of this process wait any longer."""
        self._is_closed = True
        for ears in (self.came, self.left, self.ended):
            ears.bell.ring()
            ears.close()


class Queues:
    """The queues of one cache.

    Parameters
    ----------
    means : Means
        What they work with.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._counters: dict[str, Counter] = {}
        self._presence = Presence(means.store.items.directory)

    def open(self, name: str, settings: Mapping[str, Any]) -> Counter:
        """Return what serves the queue of that name.

        Raises
        ------
        SettingsError
            If it was made as something else, or with other settings.
        """
        collection = self._means.store.items.open(
            name, "queue", settings, DEFAULTS, counted=bool(settings)
        )
        directory = self._means.store.items.directory
        ends = ("came", "left", "ended")
        bells = [Bell(directory, f"{collection.number:016x}.{end}") for end in ends]
        line = Line(collection, self._presence, self._means.clock, *bells)
        counter = Counter(line, *[Ears(bell, directory.holders) for bell in bells])
        return self._counters.setdefault(name, counter)

    def close(self) -> None:
        """End waiting, and let others have at once what was taken here."""
        for counter in list(self._counters.values()):
            counter.close()
        self._presence.close()
