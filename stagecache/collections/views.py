"""Views of a persistent mapping, as a dict has them: they show what is there at the moment."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Keys(KeysView[K]):
    """The keys."""

    _mapping: Any

    def __reversed__(self) -> Iterator[K]:
        return self._mapping.__reversed__()  # type: ignore[no-any-return]


class Values(ValuesView[V]):
    """The values, read page by page."""

    _mapping: Any

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping._scan())

    def __reversed__(self) -> Iterator[V]:
        return (value for _, value in self._mapping._scan(reverse=True))


class Items(ItemsView[K, V]):
    """Keys and values, read page by page."""

    _mapping: Any

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._scan()  # type: ignore[no-any-return]

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._scan(reverse=True)  # type: ignore[no-any-return]
