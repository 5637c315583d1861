"""Hears on one connection which keys have become free; only the thread that waits here reads it."""

from __future__ import annotations

import selectors
import socket
from typing import TYPE_CHECKING, Any

from stagecache.remote.redis_errors import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stagecache.leases.redis_book import Book
    from stagecache.model import Key

# Those that have no descriptor of their own: a forked child shares nothing with its parent.
_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


class Notices:
    """A connection that follows keys, and a bell by which other threads end the waiting.

    Parameters
    ----------
    book : Book
        Where leases are written.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._connection: Any = None
        self._followed: set[Key] = set()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)

    def ring(self) -> None:
        """End the waiting of the other thread; may be called while that one closes this."""
        try:
            self._bell.send(b"x")
        except OSError:  # it has been rung often enough, or nobody waits any more
            return

    def follow(self, keys: AbstractSet[Key]) -> None:
        """Hear of `keys` from now on, and of no other.

        That a key is followed is told like a notice: until then it may have become free unheard.

        Raises
        ------
        ShelfError
            If the server cannot be reached.
        """
        if self._connection is None:
            if not keys:
                return
            self._followed = set()
            self._connection = self._book.listening()
        try:
            self._say("SUBSCRIBE", keys - self._followed)
            self._say("UNSUBSCRIBE", self._followed - keys)
        except TROUBLE:
            self.hang_up()
        else:
            self._followed = set(keys)

    def wait(self, seconds: float) -> set[Key]:
        """Return keys to look at: after a notice, a bell, or `seconds`."""
        with _Selector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            if self._connection is not None:
                selector.register(self._connection._sock, selectors.EVENT_READ)
            ready = [each.fileobj for each, _ in selector.select(seconds)]
        if self._ear in ready:
            self._ear.recv(4096)
            ready.remove(self._ear)
        return self._read() if ready else set()

    def hang_up(self) -> None:
        """Hear nothing until keys are followed anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def close(self) -> None:
        """Let go of everything."""
        self.hang_up()
        self._bell.close()
        self._ear.close()

    def _say(self, verb: str, keys: AbstractSet[Key]) -> None:
        if keys:
            self._connection.send_command(verb, *map(self._book.channel, keys))

    def _read(self) -> set[Key]:
        heard = set()
        try:
            # All that has arrived, because what lies in buffers wakes no selector.
            while self._connection.can_read(timeout=0):
                kind, channel, _ = self._connection.read_response()
                if kind != b"unsubscribe":
                    heard.add(self._book.key_of(channel))
        except TROUBLE:
            # Nothing is lost: when it follows them anew, they are all looked at.
            self.hang_up()
        return heard
