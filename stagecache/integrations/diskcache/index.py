"""`Index` of diskcache: a mapping in the order of insertion, over a cache that lets nothing go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stagecache.integrations.diskcache.cache import Cache
from stagecache.integrations.diskcache.words import ENOVAL

if TYPE_CHECKING:
    from stagecache.integrations.diskcache.memoizing import Memoizing

F = TypeVar("F", bound="Callable[..., Any]")


class Index(MutableMapping[Any, Any]):
    """A persistent mapping in the order of insertion, shared by threads and processes.

    ``Index(directory, ...)``, or ``Index(...)`` for one in a new temporary directory; what follows
    is what :class:`dict` takes.

    Examples
    --------
    >>> index = Index({"a": 1}, b=2)
    >>> index["c"] = 3
    >>> index.popitem(), list(index), index == {"b": 2, "a": 1}
    (('c', 3), ['a', 'b'], True)
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        directory = None
        if args and (args[0] is None or isinstance(args[0], (bytes, str))):
            directory, *args = args  # type: ignore[assignment]
        if isinstance(directory, bytes):
            directory = directory.decode()
        self._cache: Memoizing = Cache(directory, eviction_policy="none")
        self.update(*args, **kwargs)

    @classmethod
    def fromcache(cls, cache: Memoizing, *args: Any, **kwargs: Any) -> Self:
        """Return an index over the items of a cache, whose policy should be ``none``."""
        self = cls.__new__(cls)
        self._cache = cache
        self.update(*args, **kwargs)
        return self

    @property
    def cache(self) -> Memoizing:
        """What it lies over."""
        return self._cache

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self._cache.directory

    def __getitem__(self, key: Any) -> Any:
        return self._cache[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._cache[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._cache[key]

    def __contains__(self, key: object) -> bool:
        return key in self._cache

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cache)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._cache)

    def __len__(self) -> int:
        return len(self._cache)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Do as :meth:`dict.update` does, in one commit."""
        if args or kwargs:
            with self.transact():
                super().update(*args, **kwargs)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return the value under `key`, which is `default` if there was none."""
        while True:
            value = self._cache.get(key, ENOVAL)
            if value is not ENOVAL:
                return value
            self._cache.add(key, default, retry=True)

    def pop(self, key: Any, default: Any = ENOVAL) -> Any:
        """Forget what is under `key`, and return it; `default` if there is nothing.

        Raises
        ------
        KeyError
            If there is nothing, and no default.
        """
        value = self._cache.pop(key, default, retry=True)
        if value is ENOVAL:
            raise KeyError(key)
        return value

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        """Forget the last item, or the first, and return it.

        Raises
        ------
        KeyError
            If there is none.
        """
        with self.transact():
            key, value = self._cache.peekitem(last)
            del self._cache[key]
        return key, value

    def peekitem(self, last: bool = True) -> tuple[Any, Any]:
        """Return the last item, or the first.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._cache.peekitem(last, retry=True)  # type: ignore[no-any-return]

    def push(self, value: Any, prefix: str | None = None, side: str = "back") -> Any:
        """Keep `value` at an end of a queue, and return its key, as :meth:`Cache.push` does."""
        return self._cache.push(value, prefix, side, retry=True)

    def pull(
        self, prefix: str | None = None, default: Any = (None, None), side: str = "front"
    ) -> Any:
        """Take an item of a queue, and return key and value, as :meth:`Cache.pull` does."""
        return self._cache.pull(prefix, default, side, retry=True)

    def clear(self) -> None:
        """Forget all items."""
        self._cache.clear(retry=True)

    def memoize(
        self, name: str | None = None, typed: bool = False, ignore: Collection[int | str] = ()
    ) -> Callable[[F], F]:
        """Decorate a function whose results are kept here, as :meth:`Cache.memoize` does."""
        return self._cache.memoize(name, typed, ignore=ignore)

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Let what this thread does in the block be one: all of it or, on an exception, nothing."""
        with self._cache.transact(retry=True):
            yield

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Index, OrderedDict)):
            return list(self.items()) == list(other.items())
        return dict(self.items()) == dict(other.items()) if isinstance(other, Mapping) else False

    def __getstate__(self) -> str:
        return self.directory

    def __setstate__(self, state: str) -> None:
        self._cache = Cache(state, eviction_policy="none")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.directory!r})"
