"""What a cache stands on: its directory, its settings, and how it waits for others."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from stagecache.errors import StoreError
from stagecache.integrations.diskcache.coding import Coding, DiskCoding
from stagecache.integrations.diskcache.counting import Counts
from stagecache.integrations.diskcache.disk import Disk
from stagecache.integrations.diskcache.giving_way import OVERHEAD, Policy, beyond
from stagecache.integrations.diskcache.place import Place
from stagecache.integrations.diskcache.words import COUNTERS, DEFAULT_SETTINGS, ENOVAL, Timeout

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

T = TypeVar("T")

_LOOK = 1.0
"""Seconds between two looks for what others set and has expired."""
_SHARE = 16
"""A cache looks anew when it has filled this part of the room that was left when it looked last."""
_MORE = ("shards",)
_NUMBERS = ("size_limit", "cull_limit", "statistics", "shards")


class Base:
    """A cache as far as it is a place.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Where it lies; by default in a new temporary directory.
    timeout : float, optional
        Seconds to wait for other writers before :class:`Timeout` is raised.
    disk : type, optional
        `Disk`, or a subclass that encodes keys and values in its own way.
    **settings
        Any of ``DEFAULT_SETTINGS``, or of the arguments of `disk` with ``disk_`` before it. They
        are kept in the directory.

    Raises
    ------
    TypeError
        If there is no such setting, or it is no number where it should be one.
    ValueError
        If `disk` is no such type, or there is no such policy.
    OSError
        If the directory cannot be made or used.
    """

    _per_limit = 1
    """How many times `size_limit` the cache may hold."""

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        timeout: float = 60,
        disk: type[Disk] = Disk,
        **settings: Any,
    ) -> None:
        if not (isinstance(disk, type) and issubclass(disk, Disk)):
            raise ValueError("disk must subclass diskcache.Disk")  # noqa: TRY004 - as in diskcache
        self._timeout = timeout
        self._place = Place(directory, timeout)
        self._items = self._place.collection
        self._store = self._place.store
        kept = self._place.kept()
        wanted = self._wanted(kept, settings)
        self._disk = disk(self.directory, **_of_disk(wanted))
        self._coding = (Coding if disk is Disk else DiskCoding)(self._store, self._disk)
        self._policy = Policy(wanted["eviction_policy"], self._items)
        self._counts = Counts(self._place)
        self._next_look = 0.0
        self._room = 0.0
        vars(self).update({name: value for name, value in wanted.items() if _is_setting(name)})
        changed = {name: value for name, value in wanted.items() if kept.get(name) != value}
        if self._store.writable and (changed or not self._items.is_there()):
            if "eviction_policy" in changed:
                self._policy.take_over(Policy(kept["eviction_policy"], self._items))
            self._waiting(True, lambda: self._place.change(changed))

    if TYPE_CHECKING:  # settings

        def __getattr__(self, name: str) -> Any: ...

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self._place.directory

    @property
    def timeout(self) -> float:
        """Seconds that a writer waits for others."""
        return self._timeout

    @property
    def disk(self) -> Disk:
        """What encodes keys and values, if it is of a subclass; the settings with ``disk_``."""
        return self._disk

    def reset(self, key: str, value: Any = ENOVAL, update: bool = True) -> Any:
        """Change a setting for all, or read anew what it is; return it.

        Parameters
        ----------
        key : str
            A setting, or one of ``count``, ``size``, ``hits`` and ``misses``.
        value : object, optional
            What it is to be; by default what is kept is read.
        update : bool, optional
            Whether to keep it in the directory.

        Raises
        ------
        TypeError
            If there is no such setting, or it is no number where it should be one.
        ValueError
            If there is no such policy.
        """
        if key in COUNTERS:
            return self._reset_count(key, value)
        if value is ENOVAL:
            value = self._place.kept()[key]
        else:
            _check(key, value)
            if key == "eviction_policy":
                Policy(value, self._items)  # or it is refused
            if update:
                self._waiting(True, lambda: self._place.change({key: value}))
        if key == "eviction_policy" and value != self._policy.name:
            before, self._policy = self._policy, Policy(value, self._items)
            self._waiting(True, lambda: self._policy.take_over(before))
        elif key.startswith("disk_"):
            setattr(self._disk, key[5:], value)
        setattr(self, key, value)
        self._room = 0.0
        return value

    @contextmanager
    def transact(self, retry: bool = False) -> Iterator[None]:
        """Let all that this thread does in the block be one: all of it or, on an exception, none.

        Who wants to write meanwhile waits. A block in a block is undone alone.

        Parameters
        ----------
        retry : bool, optional
            Whether to wait for others as long as it takes.

        Raises
        ------
        Timeout
            If others were writing for longer than the cache's `timeout`.

        Examples
        --------
        >>> from stagecache.integrations.diskcache import Cache
        >>> with Cache() as cache:
        ...     with cache.transact():
        ...         _ = cache.incr("total", 123.5), cache.incr("count", 1)
        ...     cache["total"] / cache["count"]
        123.5
        """
        with ExitStack() as stack:
            self._waiting(retry, lambda: stack.enter_context(self._items.transaction()))
            yield

    def close(self) -> None:
        """Close what is open of the directory; a later use opens it again."""
        self._counts.let_go()
        self._policy.let_go()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> tuple[Any, ...]:
        return self.directory, self.timeout, type(self.disk)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.directory!r})"

    # --- shared

    def _wanted(self, kept: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings, of what is kept and what is said now."""
        for name, value in settings.items():
            _check(name, value)
        return {**DEFAULT_SETTINGS, **kept, **settings}

    def _waiting(self, retry: bool, work: Callable[[], T]) -> T:
        """Return what `work` returns; wait on if others are writing and that is wanted."""
        while True:
            try:
                return work()
            except StoreError as error:
                if not _is_of_waiting(error):
                    raise
                if not retry or self._items.access.is_busy:
                    raise Timeout(f"others were writing for {self._timeout:g} s") from error

    def _settle(self, now: float, spared: bytes, size: int) -> None:
        """Make room after an item was kept; whoever is kept from it by others leaves it to them."""
        try:
            self._make_room(now, spared, size)
        except StoreError as error:
            if not _is_of_waiting(error):
                raise

    def _make_room(self, now: float, spared: bytes, size: int) -> None:
        """Let items go as settings say: those that have expired, then by the policy."""
        limit = self.cull_limit
        if not limit:
            return
        self._room -= size + OVERHEAD
        if now < self._next_look and (self._room > 0 or not self._policy.is_bounded):
            return
        held, is_expired = beyond(self._items, now)
        self._next_look = now if is_expired else now + _LOOK
        if is_expired:
            expired = (
                f"id IN (SELECT id FROM {self._items.table} WHERE expires < ?1 "  # noqa: S608
                "AND key IS NOT ?3 ORDER BY expires LIMIT ?2)"
            )
            limit -= self._items.discard(expired, now, limit, spared)
            if limit <= 0:
                return
            held, _ = beyond(self._items, now)
        self._room = (self._limit() - held) / _SHARE
        if self._policy.is_bounded and held >= self._limit():
            self._discard(self._policy.victims(limit, spared))

    def _note_expiry(self, expires: float | None) -> None:
        if expires is not None and expires < self._next_look:
            self._next_look = expires

    def _limit(self) -> float:
        return self.size_limit * self._per_limit  # type: ignore[no-any-return]

    def _discard(self, places: list[int]) -> int:
        if not places:
            return 0
        return self._items.discard(f"id IN ({', '.join(map(str, places))})")

    def _reset_count(self, key: str, value: Any) -> int:
        if key in ("hits", "misses"):
            return self._counts.reset(key, value)
        return self._items.count() if key == "count" else self._items.size()

    def _now(self) -> float:
        return time.time()


def _is_of_waiting(error: StoreError) -> bool:
    return isinstance(error.__cause__, apsw.BusyError)


def _is_setting(name: str) -> bool:
    return name in DEFAULT_SETTINGS or name in _MORE or name.startswith("disk_")


def _check(name: str, value: Any) -> None:
    if not _is_setting(name):
        raise TypeError(f"there is no setting {name!r}")
    if name in _NUMBERS and not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number, not {value!r}")


def _of_disk(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name[5:]: value for name, value in settings.items() if name.startswith("disk_")}
