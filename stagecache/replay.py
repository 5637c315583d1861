"""The word `Replay`: what a generator stage gives; where its items lie is not known here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

    from stagecache.model import Digest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Items that can be read any number of times."""

    @property
    def digest(self) -> Digest | None:
        """Fingerprint of all items and of what the generator returned, None if there is none."""

    @property
    def refs(self) -> tuple[object, ...]:
        """The user's classes and functions that the items name."""

    def read(self) -> Generator[T_co, None, object]:
        """Return a generator of the items, each loaded when it is asked for."""


class Replay(Iterator[T], Generic[T]):
    """The items that a generator stage yielded, loaded one at a time, to be read once.

    A call of the stage gives one whether the body ran or not. As an argument of another stage it
    counts by its items, none of which is loaded for that, as long as it has not been read from.

    Examples
    --------
    >>> from stagecache import Cache, stage
    >>> @stage
    ... def squares(n: int):
    ...     for i in range(n):
    ...         yield i * i
    >>> with Cache(":memory:"):
    ...     found = squares(4)
    ...     next(found), list(found), list(found.again())
    (0, [1, 4, 9], [0, 1, 4, 9])
    """

    __slots__ = ("_items", "_source")

    def __init__(self, source: Source[T]) -> None:
        self._source = source
        self._items: Iterator[T] | None = None

    @property
    def source(self) -> Source[T]:
        """Where the items come from."""
        return self._source

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been read yet."""
        return self._items is None

    def __iter__(self) -> Replay[T]:
        return self

    def __next__(self) -> T:
        if self._items is None:
            self._items = self._source.read()
        return next(self._items)

    def again(self) -> Replay[T]:
        """Return one that begins with the first item, wherever this one is."""
        return Replay(self._source)

    def close(self) -> None:
        """Give no more items."""
        self._items = iter(())

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "a Replay holds no items of its own and cannot be pickled; make a list of what it gives"
        )

    def __repr__(self) -> str:
        return f"<Replay{'' if self.is_untouched else ', read from'}>"


def untouched(value: Any) -> Any:
    """Return a Replay that begins with the first item if `value` is one, else `value` itself."""
    return value.again() if type(value) is Replay else value


def afresh(value: Any) -> Any:
    """Return `value` with an untouched copy for each Replay that it is or, as a container, holds.

    What one reader reads, another one of the same value does not miss.

    Examples
    --------
    >>> afresh([1, 2])
    [1, 2]
    """
    kind = type(value)
    if kind is Replay:
        return value.again()
    if kind is dict and Replay in set(map(type, value.values())):
        return {key: afresh(each) for key, each in value.items()}
    if kind in (list, tuple) and Replay in set(map(type, value)):
        return kind(map(afresh, value))
    return value
