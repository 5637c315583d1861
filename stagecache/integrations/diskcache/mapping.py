"""A cache by its keys: what sets, gets and removes single items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.integrations.diskcache.base import Base
from stagecache.integrations.diskcache.coding import CERTAIN, tag_of, tag_text
from stagecache.integrations.diskcache.words import ENOVAL
from stagecache.stores.disk.items import Stored

if TYPE_CHECKING:
    from stagecache.integrations.diskcache.reader import Reader
    from stagecache.stores.disk.items.rows import Value

_TAKE = f"""DELETE FROM {{table}} WHERE {{place}} AND {CERTAIN} AND coalesce(expires > ?2, 1)
    RETURNING id, key, codec, value, seal, expires, tag"""  # noqa: S608 - a constant


class Mapping(Base):
    """What a cache does by key."""

    def set(
        self,
        key: Any,
        value: Any,
        expire: float | None = None,
        read: bool = False,
        tag: Any = None,
        retry: bool = False,
    ) -> bool:
        """Keep `value` under `key`; return True.

        Parameters
        ----------
        key, value
            The item.
        expire : float, optional
            Seconds after which it is gone.
        read : bool, optional
            Whether `value` is a file open for reading bytes, whose contents are kept.
        tag : str or int or float or bytes, optional
            What :meth:`evict` knows it by.
        retry : bool, optional
            Whether to wait for other writers as long as it takes.

        Raises
        ------
        Timeout
            If others were writing for longer than the cache's `timeout`.
        CollectionFullError
            If it is larger than `size_limit`.
        EncodeError
            If it cannot be encoded, or only by a pickle, in a directory others may write to.
        """
        now = self._now()
        encoded = self._coding.key(key)
        codec, data = self._coding.value(value, read, key)
        shown = self._coding.shown(key)
        expires = None if expire is None else now + expire
        self._keep(encoded, codec, data, now, shown, expires, tag_text(tag), retry)
        return True

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set(key, value, retry=True)

    def add(
        self,
        key: Any,
        value: Any,
        expire: float | None = None,
        read: bool = False,
        tag: Any = None,
        retry: bool = False,
    ) -> bool:
        """Keep `value` unless there is one; tell whether it is kept. One of many gets True.

        Parameters
        ----------
        key, value, expire, read, tag, retry
            As of :meth:`set`.
        """
        now = self._now()
        encoded = self._coding.key(key)
        codec, data = self._coding.value(value, read, key)
        self._admit(data)
        shown = self._coding.shown(key)
        expires = None if expire is None else now + expire
        text, rank = tag_text(tag), self._policy.rank(now)
        is_added = self._waiting(
            retry,
            lambda: self._items.add(
                encoded, codec, data, now=now, shown=shown, expires=expires, tag=text, due=rank
            ),
        )
        if is_added:
            self._note_expiry(expires)
            self._settle(now, encoded, size_of(data))
        return is_added

    def touch(self, key: Any, expire: float | None = None, retry: bool = False) -> bool:
        """Let an item live for `expire` seconds from now on, or for ever; tell if it was there."""
        now = self._now()
        encoded = self._coding.key(key)
        expires = None if expire is None else now + expire
        self._note_expiry(expires)
        return self._waiting(retry, lambda: self._items.touch(encoded, expires, now))

    def get(
        self,
        key: Any,
        default: Any = None,
        read: bool = False,
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = False,
    ) -> Any:
        """Return the value under `key`, or `default`.

        Parameters
        ----------
        key : object
            Whose value.
        default : object, optional
            What is returned if there is none.
        read : bool, optional
            Whether a file to read is wanted, of large bytes and of what was read from a file.
        expire_time, tag : bool, optional
            Whether when it expires, and its tag, are wanted as well: in a tuple.
        retry : bool, optional
            Has no effect: who reads waits for nobody.
        """
        del retry
        now = self._now()
        encoded = self._coding.key(key)
        stored = self._stored(encoded, now) if tag else None
        found = stored[3:6] if stored else None if tag else self._items.get(encoded)
        if found is not None and not lasts(found[2], now):
            found = None
        if self.statistics:
            self._counts.add("misses" if found is None else "hits")
        if found is None:
            return with_more(default, (None,) * (expire_time + tag))
        if self._policy.counts_uses:
            self._policy.use(encoded, now)
        codec, data, expires = found
        value = self._coding.fetched(codec, data, read)
        if stored is not None:
            return with_more(value, said(stored, expire_time, tag))
        return (value, expires) if expire_time else value

    def __getitem__(self, key: Any) -> Any:
        value = self.get(key, ENOVAL)
        if value is ENOVAL:
            raise KeyError(key)
        return value

    def read(self, key: Any, retry: bool = False) -> Reader | Any:
        """Return the value under `key` as a file to read.

        Raises
        ------
        KeyError
            If there is none.
        """
        value = self.get(key, ENOVAL, read=True, retry=retry)
        if value is ENOVAL:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        found = self._items.expiry(self._coding.key(key))
        return found is not None and found[0] > self._now()

    def pop(
        self,
        key: Any,
        default: Any = None,
        expire_time: bool = False,
        tag: bool = False,
        retry: bool = False,
    ) -> Any:
        """Forget what is under `key`, and return it; `default` if there is nothing.

        Parameters
        ----------
        key, default, expire_time, tag
            As of :meth:`get`.
        retry : bool, optional
            Whether to wait for other writers as long as it takes.
        """
        now = self._now()
        encoded = self._coding.key(key)
        found = self._taken("key = ?1", (encoded, now), retry)
        if found is not None:
            value = self._coding.fetched(found.codec, found.value, False)
            return with_more(value, said(found, expire_time, tag))
        with self.transact(retry):
            found = self._stored(encoded, now)
            if found is None:
                return with_more(default, (None,) * (expire_time + tag))
            value = self._coding.fetched(found.codec, found.value, False)
            self._items.delete([encoded])
        return with_more(value, said(found, expire_time, tag))

    def __delitem__(self, key: Any, retry: bool = True) -> None:
        if not self.delete(key, retry):
            raise KeyError(key)

    def delete(self, key: Any, retry: bool = False) -> bool:
        """Forget what is under `key`; tell whether it was there."""
        encoded, now = self._coding.key(key), self._now()
        gone = self._waiting(
            retry,
            lambda: self._items.discard("key = ? AND coalesce(expires > ?, 1)", encoded, now),
        )
        return bool(gone)

    # --- shared

    def _taken(self, condition: str, bindings: tuple[Any, ...], retry: bool) -> Stored | None:
        """Take an item in one statement; None if there is none, or it is to be looked at first.

        The second binding of the condition is the time.
        """
        if not self._store.private:
            return None
        statement = self._items.statement(_TAKE, condition)
        rows = self._waiting(retry, lambda: self._items.change(statement, bindings))
        if not rows:
            return None
        place, key, codec, data, sealed, expires, tag = rows[0]
        self._items.note(key)
        value = self._items.value(codec, data, None, sealed, key)
        return Stored(place, key, None, codec, value, expires, tag, None, None)

    def _keep(
        self,
        key: bytes,
        codec: str,
        data: Value,
        now: float,
        shown: bytes | None,
        expires: float | None,
        tag: str | None,
        retry: bool,
    ) -> None:
        self._admit(data)
        rank = self._policy.rank(now)
        self._waiting(
            retry,
            lambda: self._items.set(
                key, codec, data, shown=shown, expires=expires, tag=tag, due=rank
            ),
        )
        self._note_expiry(expires)
        self._settle(now, key, size_of(data))

    def _admit(self, data: Value) -> None:
        """Refuse a value that would have to give way at once."""
        if self._policy.is_bounded and self.cull_limit:
            self._policy.admit(size_of(data), self._limit())

    def _stored(self, key: bytes, now: float) -> Stored | None:
        found = self._items.get_many([key]).get(key)
        return found if found is not None and lasts(found.expires, now) else None


def size_of(data: Value) -> int:
    """Return the bytes of an encoded value."""
    return len(data) if isinstance(data, bytes) else sum(memoryview(d).nbytes for d in data)


def lasts(expires: float | None, now: float) -> bool:
    """Tell whether what expires then has not yet."""
    return expires is None or expires > now


def said(stored: Stored, expire_time: bool, tag: bool) -> tuple[Any, ...]:
    """Return what was asked for of an item besides its value."""
    said = (stored.expires,) if expire_time else ()
    return (*said, tag_of(stored.tag)) if tag else said


def with_more(value: Any, more: tuple[Any, ...]) -> Any:
    """Return a value, or a tuple of it and what was asked for besides."""
    return (value, *more) if more else value
