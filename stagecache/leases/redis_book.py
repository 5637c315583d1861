"""What is written about leases on a Redis server, and how it is changed.

Under a key's name stands who has it, until a time that its holder keeps moving on; under another
what the holder waits for, so that those who wait for each other notice it. Who takes a key when,
and what follows from an answer, is not known here.

Nothing is run on the server: to change only what is ours, the name is watched, looked at and
changed in a transaction. So any server from 6.2 on will do, managed ones without scripts as well.
The protocol: https://redis.io/docs/latest/commands/set/#patterns, a random value for each lease.
"""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from redis.cluster import RedisCluster
from redis.exceptions import MovedError, ResponseError

from stagecache.errors import ShelfError, warn
from stagecache.leases.base import Holder, this_host
from stagecache.model import Key
from stagecache.remote.address import shown
from stagecache.remote.lasting import Lasting
from stagecache.remote.redis_clients import client_maker
from stagecache.remote.redis_errors import OUTAGES, TROUBLE
from stagecache.remote.redis_exchange import exchange, pinned, pool_of
from stagecache.remote.refusals import takes_nothing, untaken

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from stagecache.breaker import Breaker
    from stagecache.remote.redis_clients import Client

Answer = TypeVar("Answer")

_TRIES = 3
"""How often a change is tried that others' changes make void."""
_MANY = 100
"""Leases renewed in one transaction."""


class Taken(NamedTuple):
    """Who has a key that was asked for."""

    holder: Holder | None
    seconds: float
    """Until it is free at the latest, if nobody renews it."""


def signature(since: float) -> bytes:
    """Return what a lease of this process is known by: random, then words for people."""
    return f"{secrets.token_hex(16)} {os.getpid()} {since:.3f} {this_host()}".encode()


def holder_of(value: bytes | None) -> Holder | None:
    """Return who signed, if that can be read.

    Examples
    --------
    >>> holder_of(b"0f 812 5.0 nodeA")
    Holder(pid=812, host='nodeA', since=5.0)
    """
    try:
        _, pid, since, host = (value or b"").decode(errors="replace").split(" ", 3)
        return Holder(int(pid), host, float(since))
    except ValueError:
        return None


class Book:
    """The leases of one namespace on one server. Thread-safe, and usable on both sides of a fork.

    Every method but :meth:`close` raises :class:`~stagecache.errors.ShelfError`: with
    ``is_outage`` if the server is out of reach, of which the user is warned once an outage.

    Parameters
    ----------
    url : str
        See :func:`~stagecache.remote.redis_clients.client_maker`.
    namespace : str
        What all names begin with.
    timeout : float
        Seconds that the server may be silent.
    breaker : Breaker
        Says when the server is left alone; what is done beside the user's work asks nevertheless.

    Raises
    ------
    SettingsError
        If the URL cannot be used.
    """

    def __init__(self, url: str, namespace: str, timeout: float, breaker: Breaker) -> None:
        self.name = shown(url)
        self.breaker = breaker
        self._prefix = namespace
        self._client: Lasting[Client] = Lasting(client_maker(url, timeout))

    def channel(self, key: Key) -> bytes:
        """Return where it is told that `key` is free."""
        return f"{self._prefix}/free/{key.hex()}".encode()

    def key_of(self, channel: bytes) -> Key:
        """Return the key that is free when something is told there."""
        return Key(bytes.fromhex(channel[-32:].decode()))

    def take(self, key: Key, value: bytes, ttl: float) -> Taken | None:
        """Sign for `key` with `value` unless somebody did; return who, or None if it is ours."""
        name = self._name(key)
        commands = (
            ("SET", name, value, "NX", "PX", round(ttl * 1000)),
            ("GET", name),
            ("PTTL", name),
        )
        with self._asking():
            is_taken, found, left = self._at(
                name, lambda connection: settled(*exchange(connection, *commands))
            )
        # If the answer to an earlier try was lost, the value that stands is our own.
        if is_taken is not None or found == value:
            return None
        return Taken(holder_of(found), max(0, left) / 1000)

    def renew(self, signed: dict[Key, bytes], ttl: float) -> dict[Key, bool]:
        """Let leases last for `ttl` seconds from now; tell of each, if known, if it is ours."""
        renewed: dict[Key, bool] = {}
        with self._asking():
            for keys in self._together(signed):
                work = partial(self._renew, {key: signed[key] for key in keys}, ttl)
                renewed |= self._at(self._name(keys[0]), work)
        return renewed

    def give_back(self, key: Key, value: bytes) -> bool | None:
        """Strike out `value` and tell those who wait.

        Returns whether it still stood there; None if it does: others change it all the time.
        """
        with self._asking():
            return self._at(self._name(key), partial(self._give_back, key, value))

    def holder(self, key: Key) -> Holder | None:
        """Return who has `key`."""
        with self._asking():
            return holder_of(self._made().get(self._name(key)))

    def note(self, notes: Mapping[Key, Collection[Key]], ttl: float) -> None:
        """Write for each key which others its holder waits for; none: strike it out."""
        with self._asking():
            client = self._made()
            for key, waits in notes.items():
                if waits:
                    client.set(self._note(key), b"".join(waits), px=round(ttl * 1000))
                else:
                    client.unlink(self._note(key))

    def waits(self, keys: Iterable[Key]) -> set[Key]:
        """Return what the holders of `keys` wait for."""
        with self._asking():
            client = self._made()
            notes = [client.get(self._note(key)) or b"" for key in keys]
        return {
            Key(note[start : start + 16]) for note in notes for start in range(0, len(note), 16)
        }

    def listening(self) -> Any:
        """Return a connection that is the caller's to listen on, and to disconnect."""
        with self._asking():
            pool = pool_of(self._made())
            connection = pool.make_connection()
            connection.connect()
            return connection

    def ask(self, name: str, work: Callable[[Any], Answer]) -> Answer:
        """Return what `work` returns, called with a connection to the server that has `name`."""
        with self._asking():
            return self._at(name, work)

    def beside_leases(self, kind: str, key: Key) -> str:
        """Return the name of what is written under `key` and is no lease."""
        return f"{self._prefix}/{kind}/{{{key.hex()}}}"

    def close(self) -> None:
        """Let go of connections; a later use opens them again."""
        client = self._client.let_go()
        if client is not None:
            client.close()

    def _name(self, key: Key) -> str:
        return f"{self._prefix}/lease/{{{key.hex()}}}"

    def _note(self, key: Key) -> str:
        return f"{self._prefix}/waits/{{{key.hex()}}}"

    def _made(self) -> Client:
        return self._client.current or self._client.made()

    def _at(self, name: str, work: Callable[[Any], Answer]) -> Answer:
        try:
            with pinned(self._made(), name) as connection:
                return work(connection)
        except MovedError:
            self._made().get(name)  # redis-py learns from it where the name is now
            with pinned(self._made(), name) as connection:
                return work(connection)

    def _together(self, keys: Iterable[Key]) -> list[list[Key]]:
        """Divide keys by what one transaction may reach."""
        most = 1 if isinstance(self._made(), RedisCluster) else _MANY
        all_keys = list(keys)
        return [all_keys[start : start + most] for start in range(0, len(all_keys), most)]

    def _renew(self, signed: dict[Key, bytes], ttl: float, connection: Any) -> dict[Key, bool]:
        names = [self._name(key) for key in signed]
        milliseconds = round(ttl * 1000)
        for _ in range(_TRIES):
            _, found = settled(*exchange(connection, ("WATCH", *names), ("MGET", *names)))
            ours = [key for key, value in zip(signed, found, strict=True) if value == signed[key]]
            moves = [("PEXPIRE", self._name(key), milliseconds) for key in ours]
            *_, done = exchange(connection, ("MULTI",), *moves, ("EXEC",))
            settled(done)
            if done is not None:
                return dict.fromkeys(signed, False) | dict(zip(ours, map(bool, done), strict=True))
        return {}  # others change them all the time: the next beat will see

    def _give_back(self, key: Key, value: bytes, connection: Any) -> bool | None:
        name = self._name(key)
        for _ in range(_TRIES):
            _, found = settled(*exchange(connection, ("WATCH", name), ("GET", name)))
            if found != value:
                settled(*exchange(connection, ("UNWATCH",)))
                return False
            # Telling is not part of the transaction: a user who may not must not hold the key
            # for ever. Who is told in vain looks and waits on.
            _, _, done, _ = exchange(
                connection,
                ("MULTI",),
                ("DEL", name),
                ("EXEC",),
                ("PUBLISH", self.channel(key), b""),
            )
            settled(done)
            if done is not None:
                return True
        return None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except OUTAGES as error:
            problem = str(error) or type(error).__name__
            if self.breaker.failed():
                self._warn(
                    f"{self.name}, which keeps machines from computing the same at once, is out "
                    f"of reach ({problem}), probably because the server or the network is down. "
                    "Until it is back, machines may compute the same result twice; nothing else "
                    "changes. `stagecache doctor` shows whether it can be reached."
                )
            raise ShelfError(self.name, problem, is_outage=True) from error
        except TROUBLE as error:
            if takes_nothing(error):
                if self.breaker.refused(type(error).__name__):
                    self._warn(untaken(self.name, str(error).rstrip(".")))
            elif self.breaker.refused("lease"):
                self._warn(
                    f"{self.name} refused a lease ({error}), probably because its user may "
                    "not do that. Machines may compute the same result twice; nothing "
                    "else changes. A lease needs SET, GET, MGET, PTTL, PEXPIRE, DEL, UNLINK, "
                    "WATCH, MULTI, EXEC, PUBLISH and SUBSCRIBE."
                )
            raise ShelfError(self.name, str(error), is_outage=False) from error
        if self.breaker.worked():
            logging.getLogger("stagecache").info("%s is back", self.name)

    def _warn(self, message: str) -> None:
        warn(message)


def settled(*answers: Any) -> Sequence[Any]:
    """Return answers of which none is a refusal."""
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return answers
