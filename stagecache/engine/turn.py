"""One caller's turn at a key: whether what is kept will do, what its body gave, what others get.

Where one waits (for a lease, for others, for a body) is left to ``compute``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stagecache.codecs.copies import copier
from stagecache.engine.body import Body
from stagecache.engine.handout import Handout
from stagecache.engine.lookup import Found, look_up, reads_hold
from stagecache.engine.publish import Produced
from stagecache.fingerprint.reads.recording import recording
from stagecache.model import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagecache.engine.context import Context
    from stagecache.engine.publish import Publisher
    from stagecache.engine.request import Request
    from stagecache.engine.spool import Spool
    from stagecache.leases.base import Holder
    from stagecache.model import Entry


class Turn:
    """What one caller knows while a request is computed for it.

    Parameters
    ----------
    context : Context
        The engine's means.
    publisher : Publisher
        Keeps what the body gives.
    request : Request
        What to compute.
    better_than : Entry, optional
        A kept result that is not good enough: only a newer one is taken instead of running.
    rescue : callable, optional
        Called, before anybody else may compute the request, if the body raises.
    load : callable, optional
        Loads the value of an entry for the caller, if he wants it.

    Attributes
    ----------
    found : Found
        What was kept when this turn looked last.
    mine : Produced or None
        What the body gave in this turn, with its very value.
    """

    def __init__(
        self,
        context: Context,
        publisher: Publisher,
        request: Request,
        better_than: Entry | None,
        rescue: Callable[[], object] | None,
        load: Callable[[Entry], tuple[bool, Any]] | None,
    ) -> None:
        self.request = request
        self.mine: Produced | None = None
        self._context = context
        self._store = context.store
        self._clock = context.clock
        self._publisher = publisher
        self._better_than = better_than
        self._rescue = rescue
        self._load = load
        self._asked: float | None = None
        self._judged: Entry | None = None
        self._started = 0.0

    def begin(self) -> None:
        """Take what others make from now on for good enough."""
        self._store.prepare()
        self._asked = self._clock.now()

    def already(self, *, was_heard: bool = False) -> Produced | None:
        """Return what is kept by now, for all who wait, if it is good enough.

        Parameters
        ----------
        was_heard : bool, optional
            Whether another process has just said that it is there.
        """
        self.found = found = self._look(was_heard=was_heard)
        if not self._is_good(found):
            return None
        self._judged = entry = found.entry
        assert entry is not None
        handout = Handout()
        if self._load is not None and entry.inline is not None:
            # It is small, so this takes less than to wake somebody who would begin to do so, too.
            load = self._load
            handout.load(lambda: load(entry))
        return Produced(entry, None, ran=False, is_kept=True, handout=handout)

    @contextmanager
    def body(self, bound: dict[str, Any]) -> Iterator[Body]:
        """Let the body run inside the block; if it raises, the old result is rescued."""
        with self._context.working():
            body = Body(self.request, bound, self._context)
        self._started = self._clock.monotonic()
        with body.noting():
            try:
                yield body
            except Exception:
                if self._rescue is not None:
                    with recording(None):  # nothing of it is the body's
                        self._rescue()
                raise

    def publish(self, body: Body, value: Any) -> Produced:
        """Keep what the body returned; return what others may have of it."""
        seconds = self._clock.monotonic() - self._started
        with self._context.working():
            self.mine = self._publisher.publish(body, value, seconds, self.found)
        return _shared(self.mine)

    def publish_items(
        self, body: Body, spool: Spool, replay: Callable[[Produced], Any]
    ) -> Produced:
        """Keep what a generator yielded; `replay` makes of it what the caller gets."""
        produced = self._publisher.publish_items(body, spool, self.found)
        self.mine = produced._replace(value=replay(produced))
        return _shared(self.mine)

    def outcome(self, shared: Produced) -> Produced | None:
        """Return what the caller gets where the threads share a result, or None: to try again."""
        if self.mine is not None:
            return self.mine
        entry = shared.entry
        if entry is not self._judged:
            # What another thread computed may have been invalidated while its body ran: it may have
            # asked before the mark, and of one that joined it later, nobody knows. No tier is
            # asked: when this thread looked the result up, it learned what concerns it.
            outdated = self._store.outdated(entry, self.request.stage.scopes)
            if outdated is not None and not outdated.is_soft:
                return None
        return shared._replace(ran=False) if shared.ran else shared

    def tell_waiting(self, holder: Holder | None, seconds: float) -> None:
        """Say for whom the caller waits."""
        import logging

        whom = f"pid {holder.pid} on {holder.host}" if holder else "another process"
        message = f"waiting for {whom}, {seconds:.0f} s"
        node = self.request.node
        logging.getLogger("stagecache").info("%s is %s", node, message)
        self._context.tell(Event("waiting", node, self._clock.now(), None, message))

    def _look(self, *, was_heard: bool) -> Found:
        """Look up under the lease; what was made since it was asked for is good enough.

        It may have expired already, by resting on something stale. If those who waited for it
        did not take it, they would all make the same, one after the other.
        """
        now = self._clock.now()
        found = look_up(self._store, self.request, now, was_heard=was_heard)
        entry, asked = found.entry, self._asked
        if asked is None or entry is None or found.is_good or found.changed is not None:
            return found
        if found.outdated is not None and not found.outdated.is_soft:
            return found
        return found._replace(
            is_good=asked < entry.created <= now and reads_hold(self._store, entry)
        )

    def _is_good(self, found: Found) -> bool:
        if not found.is_good or found.entry is None:
            return False
        if self._better_than is not None and found.entry.key == self._better_than.key:
            return found.entry.generation > self._better_than.generation
        return self._store.valued(found.entry) is not None


def _shared(produced: Produced) -> Produced:
    """Return the record only, if that will do: what others load must not alias our value."""
    if not produced.is_kept:
        return produced
    again = None if produced.entry.inline is None else copier(produced.value)
    return produced._replace(value=None, ran=False, handout=Handout(again))
