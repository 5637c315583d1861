"""What the rooms of the engine share: where results lie, what time it is, who listens."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

from stagecache import model
from stagecache.errors import NotToldError, SettingsError, StoreError, warn
from stagecache.fingerprint.reads.attribution import owner
from stagecache.marks import gone_scope, key_scope, results_scope
from stagecache.settings import MEMORY_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from stagecache.clock import Clock
    from stagecache.leases.base import Leases
    from stagecache.leases.flight import Flight
    from stagecache.model import Event, Key, Memo
    from stagecache.settings import Settings
    from stagecache.stores.tiered import Tiered


_system_random = SystemRandom()
"""Not the module's own generator: a lookup must not disturb what the user has seeded."""


class Context:
    """The means that one engine works with.

    Parameters
    ----------
    store : Tiered
        Where results are kept, listed and counted, and small facts remembered.
    leases : Leases
        Exclusion among processes.
    flight : Flight
        Exclusion inside this process.
    clock : Clock
        Where time comes from.
    settings : Settings
        Which executor, how many jobs.
    draw : callable, optional
        Returns a random number from 0 up to but not 1; by default nobody's seed changes it.

    Attributes
    ----------
    listeners : list of callable
        Each takes every :class:`~stagecache.model.Event`.
    """

    def __init__(
        self,
        *,
        store: Tiered,
        leases: Leases,
        flight: Flight,
        clock: Clock,
        settings: Settings,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self.store = store
        self.leases = leases
        self.flight = flight
        self.clock = clock
        self.settings = settings
        self.draw = draw or _system_random.random
        self.home = settings.directory
        """Where results are kept, as others would find them; in memory they would not."""
        if self.home == MEMORY_ONLY:
            self.home = f"{MEMORY_ONLY} {id(store)}"
        self.listeners: list[Callable[[Event], None]] = []

    def refuse_if_read_only(self, what: str) -> None:
        """Let nobody believe that `what` is done where nothing is written.

        Raises
        ------
        SettingsError
            If the settings say ``read_only``.
        """
        if self.settings.read_only:
            raise SettingsError(
                f"Cannot {what} in {self.settings.directory}: the setting `read_only` lets nothing "
                "be changed there. Unset it for that."
            )

    def invalidate(self, scopes: Sequence[str], *, soft: bool) -> None:
        """Say that results of `scopes` that were computed before now are not good any more.

        Raises
        ------
        NotToldError
            If others who share results could not be told.
        SettingsError
            If nothing may be changed here.
        """
        import socket

        self.refuse_if_read_only("invalidate results")
        with self.working():
            is_told = self.store.invalidate(
                scopes, soft=soft, by=socket.gethostname(), at=self.clock.now()
            )
        if not is_told:
            raise NotToldError(
                "It is invalidated on this machine, but the others could not be told: the tier "
                "that they share is out of reach, or this machine only reads there. They go on "
                "with what they have. They are told as soon as anything is looked up here and that "
                "is possible again; or invalidate it once more, there or here."
            )

    def forget(self, keys: Iterable[Key], scopes: Sequence[str] | None = None) -> int:
        """Drop what is kept under `keys`, here and for all who share results; return how many.

        It is marked as well: what bodies made of these results is outdated until they are back.

        Parameters
        ----------
        keys : iterable of Key
            Of results.
        scopes : sequence of str, optional
            What others are to forget; by default the same keys.
        """
        wanted = list(keys)
        with self.working():
            found = self.store.get_many(wanted)
        if scopes is None:
            stages = sorted({entry.stage for entry in found.values()})
            scope_of = key_scope if self.store.book.has_team else gone_scope
            scopes = [*map(scope_of, wanted), *map(results_scope, stages)]
        if found or self.store.book.has_team:
            self.spread(scopes)
        with self.working():
            return self.store.remove(wanted)

    def spread(self, scopes: Sequence[str], *, soft: bool = False) -> None:
        """Mark `scopes` as outdated, for the others too if there are any.

        A warning if that is not possible at present: what is done here does not depend on it.
        """
        if not scopes:
            return
        try:
            self.invalidate(scopes, soft=soft)
        except (NotToldError, StoreError) as error:
            warn(str(error))

    def tell(self, event: Event) -> None:
        """Pass an event to whoever listens."""
        for listener in self.listeners:
            listener(event)

    def working(self) -> Working:
        """Let fingerprints find this engine's memo, and let what it opens be nobody's read."""
        return Working(self.store)


class Working:
    """A block of the engine's own work. Every call enters one: a generator would cost it 2 us.

    Parameters
    ----------
    memo : Memo
        What fingerprints find.
    """

    __slots__ = ("_memo", "_nobody", "_token")

    def __init__(self, memo: Memo) -> None:
        self._memo = memo

    def __enter__(self) -> None:
        self._token = model.memo.set(self._memo)
        self._nobody = owner.set(None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        owner.reset(self._nobody)
        model.memo.reset(self._token)
