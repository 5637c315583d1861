"""The store in memory whose bound and order are those of a mapping that the user gave.

The mapping holds one token for each result, which weighs as much as the result and goes when the
mapping lets it go. The encoded values stay here, so that nobody else can change them.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from stagecache.errors import warn
from stagecache.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagecache.model import Entry, Key


class Mapping(Protocol):
    """What is asked of a mapping; those of cachetools, cachebox and ``stagecache.memory`` do it."""

    def get(self, key: Any, /) -> Any:
        """Return what is under `key`, which is used by that, or None."""

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Put `value`; raises ValueError if it is too large."""

    def pop(self, key: Any, default: Any, /) -> Any:
        """Take out what is under `key`."""


class Token:
    """Stands in a mapping for a result that is kept in memory.

    Its length is the result's size in bytes, so ``getsizeof=len`` bounds a mapping by bytes.

    Examples
    --------
    >>> len(Token(2048))
    2048
    """

    __slots__ = ("__weakref__", "size", "until")

    def __init__(self, size: int, until: float | None = None) -> None:
        self.size = size
        self.until = until

    def __len__(self) -> int:
        return self.size

    def __sizeof__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"<result of {self.size} bytes>"


class _Watch(weakref.ref[Token]):
    """Sees a token go."""

    __slots__ = ("key",)
    key: Key


class MappedStore(MemoryStore):
    """Keeps results in this process as long as a mapping keeps their tokens.

    Parameters
    ----------
    mapping : mapping
        Need not be safe for threads: it is used under a lock, by nobody else.
    ttl : float, optional
        Seconds that a result stays at most.
    timer : callable, optional
        Tells the time in seconds.

    Examples
    --------
    >>> from cachetools import LFUCache
    >>> store = MappedStore(LFUCache(1 << 20, getsizeof=len))
    >>> print(store.get(bytes(16)))
    None
    """

    def __init__(
        self,
        mapping: Mapping,
        ttl: float | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(sys.maxsize)
        self.policy = type(mapping).__name__
        self._mapping = mapping
        self._ttl = ttl
        self._timer = timer
        self._watches: dict[Key, _Watch] = {}
        self._gone: deque[_Watch] = deque()
        """Watches whose token went. A mapping may let go at any time, in the middle of anything."""
        self._has_warned = False

    def get(self, key: Key) -> Entry | None:
        """Return the entry under `key` if the mapping has kept its token."""
        with self._lock:
            if self._gone:
                self._sweep()
            if key in self._entries:
                token = self._ask(self._mapping.get, key)
                until = getattr(token, "until", None)
                if token is None or (until is not None and self._timer() >= until):
                    self._drop(key)
            return super().get(key)

    def close(self) -> None:
        """Let go of everything, in the mapping too."""
        with self._lock:
            for key in list(self._watches):
                self._drop(key)
            super().close()

    @property
    def limit(self) -> int | None:
        """Bytes that may be taken: the mapping does not say."""
        return None

    def _add(self, entry: Entry, value: int = 0) -> None:
        super()._add(entry, value)
        key, size = entry.key, self._costs[entry.key]
        if self.is_refuge(key):
            size += sum(self._costs[part] for part in set(entry.parts) if self._parts.get(part))
        token = Token(size, None if self._ttl is None else self._timer() + self._ttl)
        watch = _Watch(token, self._gone.append)
        watch.key = key
        self._watches[key] = watch
        self._ask(self._mapping.__setitem__, key, token)
        del token  # alive from here on only if the mapping has taken it
        self._sweep()

    def _drop(self, key: Key) -> None:
        if self._watches.pop(key, None) is not None:
            self._ask(self._mapping.pop, key, None)
        super()._drop(key)

    def _sweep(self) -> None:
        """Drop what the mapping has let go; the lock is held."""
        while self._gone:
            watch = self._gone.popleft()
            if self._watches.get(watch.key) is watch:
                self.evictions += 1
                self._drop(watch.key)

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the mapping; what goes wrong there costs a result in memory, not the job."""
        try:
            return question(*arguments)
        except (ValueError, OverflowError):  # larger than the whole mapping
            return None
        except Exception as error:  # noqa: BLE001 - whatever a mapping of the user's raises
            if not self._has_warned:
                self._has_warned = True
                warn(
                    f"The mapping given as `memory` ({self.policy}) raised "
                    f"{type(error).__name__}: {error}. What it should have kept is not kept in "
                    "memory, and may be read from disk or computed again. Check the mapping, or "
                    "leave `memory` at its default."
                )
            return None


def memory_tier(memory: Any, ttl: float | None = None) -> MemoryStore:
    """Return the memory tier that the settings ask for.

    Parameters
    ----------
    memory : int or mapping
        A bound in bytes, under which the least recently used results give way; or what keeps.
    ttl : float, optional
        Seconds that a result stays at most.

    Examples
    --------
    >>> memory_tier(1 << 20).policy, memory_tier({}).policy
    ('lru', 'dict')
    """
    if not isinstance(memory, int):
        return MappedStore(memory, ttl)
    if ttl is None:
        return MemoryStore(memory)
    from cachetools import LRUCache

    return MappedStore(LRUCache(memory, getsizeof=len), ttl)
