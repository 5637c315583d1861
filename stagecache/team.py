"""What a team shares, made of settings: the tier that all of them reach, and leases among machines.

Nothing of it is imported where no team is set up. Where one is, its servers are asked once, so that
a wrong URL or password is told of at once; one that is out of reach may come later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from stagecache.breaker import Breaker
from stagecache.leases.chain import Chain

if TYPE_CHECKING:
    from stagecache.clock import Clock
    from stagecache.leases.base import Leases
    from stagecache.leases.redis import RedisLeases
    from stagecache.model import Key
    from stagecache.settings import Settings
    from stagecache.settings.urls import Url
    from stagecache.stores.base import Store
    from stagecache.stores.shared.keyring import Keyring
    from stagecache.stores.shared.store import SharedStore


class Team(NamedTuple):
    """What this process shares with others."""

    store: SharedStore | None = None
    """None: nothing is shared."""
    leases: RedisLeases | None = None
    """None: machines may compute the same at once."""

    def over(self, near: Leases, here: Store | None) -> Leases:
        """Return leases that hold on this machine and, as far as possible, among all machines.

        Parameters
        ----------
        near : Leases
            Those of this machine.
        here : Store or None
            What all processes of this machine share.
        """
        if self.leases is None:
            return near
        return Chain(near, self.leases, None if here is None else partial(_state, here))


def team_of(settings: Settings, clock: Clock) -> Team:
    """Return what the settings say is shared.

    Entries lie in the Redis (or memcached), large values in the object store; where there is only
    one of the two, all of it lies there.

    Parameters
    ----------
    settings : Settings
        Their ``redis``, ``store``, ``namespace``, ``role``, ``shared_ttl``, ``allow_pickle`` and
        ``signing_key``. With ``read_only`` nothing is given, whatever the role.
    clock : Clock
        Where the time comes from.

    Raises
    ------
    SettingsError
        If a URL cannot be used, its server refuses the password, a key cannot be read, or the
        extra is not installed. The message tells neither user nor password.

    Examples
    --------
    >>> from stagecache.clock import SystemClock
    >>> from stagecache.settings import resolve
    >>> team_of(resolve(directory=":memory:"), SystemClock())
    Team(store=None, leases=None)
    >>> team_of(resolve(store="memory:///"), SystemClock()).store
    SharedStore('memory:///', namespace='stagecache')
    """
    urls = [url for url in (settings.redis, settings.store) if url is not None]
    if not urls:
        return Team()
    from stagecache.stores.shared.opening import open_shelf
    from stagecache.stores.shared.store import SharedStore

    is_writer = settings.role == "writer" and not settings.read_only
    breaker = Breaker(clock)
    entries, *blobs = [open_shelf(str(url)) for url in urls]
    store = SharedStore(
        entries,
        blobs[0] if blobs else None,
        namespace=settings.namespace,
        role="writer" if is_writer else "reader",
        keyring=_keyring(settings),
        allow_pickle=settings.allow_pickle,
        clock=clock,
        seconds=settings.shared_ttl,
        breaker=breaker,
    )
    # To take a lease is to write: a reader takes none.
    leases = _leases(settings.redis, settings.namespace, breaker, clock) if is_writer else None
    return Team(store, leases)


def _state(store: Store, key: Key) -> tuple[int, bool] | None:
    entry = store.get(key)
    return None if entry is None else (entry.generation, entry.has_value)


def _keyring(settings: Settings) -> Keyring | None:
    if not settings.signing_key:
        return None
    from stagecache.stores.shared.keyring import Keyring

    return Keyring.read(settings.signing_key)


def _leases(url: Url | None, namespace: str, breaker: Breaker, clock: Clock) -> RedisLeases | None:
    if url is None or url.startswith("memcached:"):
        return None
    from stagecache.leases.redis import RedisLeases

    return RedisLeases(str(url), namespace=namespace, breaker=breaker, clock=clock)
