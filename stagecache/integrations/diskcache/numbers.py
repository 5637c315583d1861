"""A cache by its numbers: what adds to one, among all processes."""

from __future__ import annotations

from typing import Any

from stagecache.integrations.diskcache.mapping import Mapping, lasts


class Numbers(Mapping):
    """What a cache does with numbers."""

    def incr(self, key: Any, delta: Any = 1, default: Any = 0, retry: bool = False) -> Any:
        """Add `delta` to the number under `key`, and return the sum.

        Parameters
        ----------
        key : object
            Whose number; its expiry and tag stay.
        delta : int or float, optional
            What to add.
        default : int or float or None, optional
            What is there if nothing is. None: that is an error.
        retry : bool, optional
            Whether to wait for other writers as long as it takes.

        Raises
        ------
        KeyError
            If nothing is there, and there is no default.
        TypeError
            If what is there is no number.
        """
        now = self._now()
        encoded = self._coding.key(key)
        total = self._summed(encoded, key, delta, now, retry)
        if total is not None:
            return total
        with self.transact(retry):
            found = self._stored(encoded, now)
            if found is None:
                if default is None:
                    raise KeyError(key)
                total = default + delta
                shown, expires, text = self._coding.shown(key), None, None
            else:
                value = self._coding.fetched(found.codec, found.value, False)
                total = _number(key, value) + delta
                shown, expires, text = found.shown, found.expires, found.tag
            codec, data = self._coding.value(total, False, key)
            self._keep(encoded, codec, data, now, shown, expires, text, retry)
            if found is not None and self._policy.counts_uses:
                self._policy.use(encoded, now)
        return total

    def decr(self, key: Any, delta: Any = 1, default: Any = 0, retry: bool = False) -> Any:
        """Take `delta` from the number under `key`, as :meth:`incr` adds it."""
        return self.incr(key, -delta, default, retry)

    # --- shared

    def _summed(
        self, encoded: bytes, key: Any, delta: Any, now: float, retry: bool
    ) -> int | float | None:
        """Add to a number in one statement; None if that cannot be, or somebody was quicker."""
        found = self._items.get_sealed(encoded)
        if found is None or found[0] not in ("i", "f") or not lasts(found[3], now):
            return None
        codec, data, sealed, expires = found
        total = _number(key, self._coding.fetched(codec, data, False)) + delta
        new_codec, new = self._coding.value(total, False, key)
        if not isinstance(new, bytes):
            return None
        row = (encoded, new_codec, new, sealed, expires)
        if not self._waiting(retry, lambda: self._items.exchange(*row)):
            return None
        if self._policy.is_bounded:  # written with others: a list of ranks is a page more
            self._policy.use(encoded, now)
        return total  # type: ignore[no-any-return]


def _number(key: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"the value under {key!r} is no number: {value!r}")
    return value
