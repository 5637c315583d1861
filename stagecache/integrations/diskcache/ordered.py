"""A cache by its order: iteration, the first and the last item, and queues of numbered keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from stagecache.integrations.diskcache import keys
from stagecache.integrations.diskcache.coding import tag_text
from stagecache.integrations.diskcache.mapping import lasts, said, size_of, with_more
from stagecache.integrations.diskcache.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagecache.stores.disk.items import Stored

_PAGE = 100
_MIDDLE = 500_000_000_000_000
_LAST = 999_999_999_999_999
_FIRST = """id = (SELECT id FROM {{table}} WHERE key > ?1 AND key < ?3
    ORDER BY key {order} LIMIT 1)"""
_TRIM = """DELETE FROM {{table}}
    WHERE id = (SELECT id FROM {{table}} WHERE key IS NOT NULL ORDER BY key {order} LIMIT 1)
    AND (SELECT count FROM collections WHERE number = ?) > ?"""
_SIDES = {"front": "ASC", "back": "DESC"}


class Ordered(Numbers):
    """What a cache does in the order of coming, and in that of its keys."""

    # --- in the order of coming

    def __len__(self) -> int:
        return self._items.count()

    def __iter__(self) -> Iterator[Any]:
        return self._by_place(*self._ends(), reverse=False)

    def __reversed__(self) -> Iterator[Any]:
        return self._by_place(*self._ends(), reverse=True)

    def peekitem(
        self,
        last: bool = True,
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = False,
    ) -> Any:
        """Return key and value of the last item, or the first; expired ones before it go.

        Parameters
        ----------
        last : bool, optional
            Which end.
        expire_time, tag, retry
            As of :meth:`get`, of which the item is a tuple.

        Raises
        ------
        KeyError
            If there is none.
        """
        clause = f"WHERE key IS NOT NULL ORDER BY id {'DESC' if last else 'ASC'} LIMIT 1"
        found = self._first(clause, (), retry)
        if found is None:
            raise KeyError("dictionary is empty")
        return with_more(self._pair(found), said(found, expire_time, tag))

    # --- in the order of keys

    def iterkeys(self, reverse: bool = False) -> Iterator[Any]:
        """Yield the keys in their order: numbers, text, bytes, others.

        Examples
        --------
        >>> from stagecache.integrations.diskcache import Cache
        >>> with Cache() as cache:
        ...     for key in (4, 1, 3):
        ...         cache[key] = key
        ...     list(cache.iterkeys()), list(cache.iterkeys(reverse=True))
        ([1, 3, 4], [4, 3, 1])
        """
        for key, shown in self._rows_by_key(reverse):
            yield self._coding.given(key, shown)

    def push(
        self,
        value: Any,
        prefix: str | None = None,
        side: str = "back",
        expire: float | None = None,
        read: bool = False,
        tag: Any = None,
        retry: bool = False,
    ) -> Any:
        """Keep `value` at an end of a queue, and return its key: a number, or ``prefix-number``.

        Parameters
        ----------
        value, expire, read, tag, retry
            As of :meth:`set`.
        prefix : str, optional
            The queue's name; by default the queue of numbers.
        side : str, optional
            ``back`` or ``front``.

        Raises
        ------
        OverflowError
            If the number beyond the end is a key already.

        Examples
        --------
        >>> from stagecache.integrations.diskcache import Cache
        >>> with Cache() as cache:
        ...     cache.push("a"), cache.push("b", prefix="users"), cache.pull()
        (500000000000000, 'users-500000000000000', (500000000000000, 'a'))
        """
        now = self._now()
        order, text = _order(side), tag_text(tag)
        expires = None if expire is None else now + expire
        codec, data = self._coding.value(value, read, None)
        self._admit(data)
        rank = self._policy.rank(now)
        end = f"""SELECT key FROM {self._items.table}
            WHERE key > ? AND key < ? ORDER BY key {order} LIMIT 1"""  # noqa: S608 - constants
        last: list[tuple[Any, ...]] | None = None
        while (found := self._items.select(end, _range(prefix))) != last:
            last = found
            number = _MIDDLE
            if found:
                number = _number(found[0][0], prefix) + (1 if side == "back" else -1)
            key = number if prefix is None else f"{prefix}-{number:015d}"
            encoded = keys.encode(key)
            if self._waiting(
                retry,
                partial(
                    self._items.add, encoded, codec, data, now=now, expires=expires, tag=text,
                    due=rank,
                ),
            ):  # fmt: skip
                self._note_expiry(expires)
                self._settle(now, encoded, size_of(data))
                return key
            # Somebody else has pushed one there: the end is another one now.
        raise OverflowError(f"{key!r}, beyond the end of the queue, is a key already")

    def pull(
        self,
        prefix: str | None = None,
        default: Any = (None, None),
        side: str = "front",
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = False,
    ) -> Any:
        """Take the item at an end of a queue, and return key and value; `default` if it is empty.

        Parameters
        ----------
        prefix, side
            As of :meth:`push`.
        default, expire_time, tag, retry
            As of :meth:`pop`.
        """
        low, high = _range(prefix)
        found = self._taken(_FIRST.format(order=_order(side)), (low, self._now(), high), retry)
        if found is not None:
            return with_more(self._queued(found), said(found, expire_time, tag))
        with self.transact(retry):
            found = self._end(prefix, side, retry)
            if found is None:
                return with_more(default, (None,) * (expire_time + tag))
            pair = self._queued(found)
            self._discard([found.id])
        return with_more(pair, said(found, expire_time, tag))

    def peek(
        self,
        prefix: str | None = None,
        default: Any = (None, None),
        side: str = "front",
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = False,
    ) -> Any:
        """Return what :meth:`pull` would take, and leave it; expired items before it go.

        Parameters
        ----------
        prefix, default, side, expire_time, tag, retry
            As of :meth:`pull`.
        """
        found = self._end(prefix, side, retry)
        if found is None:
            return with_more(default, (None,) * (expire_time + tag))
        return with_more(self._queued(found), said(found, expire_time, tag))

    # --- shared

    def _end(self, prefix: str | None, side: str, retry: bool) -> Stored | None:
        clause = f"WHERE key > ? AND key < ? ORDER BY key {_order(side)} LIMIT 1"
        return self._first(clause, _range(prefix), retry)

    def _first(self, clause: str, bindings: tuple[Any, ...], retry: bool) -> Stored | None:
        """Return the first item of a clause that has not expired; forget those before it."""
        while found := self._items.items(clause, bindings):
            first = found[0]
            if lasts(first.expires, self._now()):
                return first
            self._waiting(retry, partial(self._discard, [first.id]))
        return None

    def _pair(self, stored: Stored) -> tuple[Any, Any]:
        assert stored.key is not None
        key = self._coding.given(stored.key, stored.shown)
        return key, self._coding.fetched(stored.codec, stored.value, False)

    def _queued(self, stored: Stored) -> tuple[Any, Any]:
        """Return key and value of an item of a queue, whose key no disk has a say in."""
        assert stored.key is not None
        return keys.decode(stored.key), self._coding.fetched(stored.codec, stored.value, False)

    def _ends(self) -> tuple[int, int]:
        table = self._items.table
        found = self._items.select(f"SELECT min(id), max(id) FROM {table}")  # noqa: S608
        first, last = found[0] if found else (None, None)
        return (0, -1) if first is None else (first, last)

    def _by_place(self, first: int, last: int, *, reverse: bool) -> Iterator[Any]:
        """Yield the keys of the items that are there now, also of those that have expired."""
        statement = f"""SELECT id, key, shown FROM {self._items.table}
            WHERE id BETWEEN ? AND ? AND key IS NOT NULL
            ORDER BY id {"DESC" if reverse else "ASC"} LIMIT {_PAGE}"""  # noqa: S608 - constants
        while rows := self._items.select(statement, (first, last)):
            for place, key, shown in rows:  # noqa: B007 - where the next page begins
                yield self._coding.given(key, shown)
            first, last = (first, place - 1) if reverse else (place + 1, last)

    def _rows_by_key(self, reverse: bool) -> Iterator[tuple[bytes, bytes | None]]:
        statement = f"SELECT key, shown FROM {self._items.table} {_page(reverse)}"  # noqa: S608
        at = _end(reverse)
        while rows := self._items.select(statement, (at,)):
            yield from rows
            at = rows[-1][0]

    def _items_by_key(self, reverse: bool = False) -> Iterator[Stored]:
        clause = _page(reverse)
        at = _end(reverse)
        while found := self._items.items(clause, (at,)):
            yield from found
            assert found[-1].key is not None
            at = found[-1].key

    def _trimmed(self, most: float, side: str) -> bool:
        """Forget the item at an end if there are more than `most`; tell whether there were."""
        statement = self._items.statement(_TRIM.format(order=_order(side)))
        return bool(self._items.run(statement, (self._items.number, most)))

    def _item_at(self, place: int) -> Stored | None:
        """Return the item at a place in the order of keys; a negative one counts from the end."""
        order, offset = ("ASC", place) if place >= 0 else ("DESC", -place - 1)
        clause = f"WHERE key IS NOT NULL ORDER BY key {order} LIMIT 1 OFFSET ?"
        found = self._items.items(clause, (offset,))
        return found[0] if found else None


def _page(reverse: bool) -> str:
    order, sign = ("DESC", "<") if reverse else ("ASC", ">")
    return f"WHERE key {sign} ? ORDER BY key {order} LIMIT {_PAGE}"


def _end(reverse: bool) -> bytes:
    return b"\xff" if reverse else b""


def _order(side: str) -> str:
    if side not in _SIDES:
        raise ValueError(f"side is 'front' or 'back', not {side!r}")
    return _SIDES[side]


def _range(prefix: str | None) -> tuple[bytes, bytes]:
    """Return the keys between which those of a queue lie."""
    if prefix is None:
        return keys.encode(0), keys.encode(_LAST)
    return keys.encode(f"{prefix}-{0:015d}"), keys.encode(f"{prefix}-{_LAST}")


def _number(key: bytes, prefix: str | None) -> int:
    found = keys.decode(key)
    return int(found if prefix is None else found.rpartition("-")[2])
