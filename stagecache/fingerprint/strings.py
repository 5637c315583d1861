"""Digests long columns of text at one go, to one canonical form whoever holds them.

The form is Arrow's with nothing left open: which are null, where in the UTF-8 each ends, the UTF-8.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from stagecache.fingerprint.parts import COUNT, digest_of, text_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

_MANY = 1000
"""Strings from which on Arrow, if it is there, is faster."""

_WORDS = frozenset({str})
_NULLS = {frozenset({str, type(None)}), frozenset({str, float})}


def strings_digest(values: Sequence[object]) -> bytes | None:
    """Return the digest of a column of exact ``str``, or None if it is something else.

    Among the strings may be either None or NaN, which differ.

    Examples
    --------
    >>> strings_digest(["a", "b"]) == strings_digest(["ab", ""])
    False
    >>> strings_digest(["a", 1]) is None
    True
    """
    kinds = frozenset(map(type, values))
    if kinds == _WORDS:
        return _words_digest(values)  # type: ignore[arg-type]
    if kinds not in _NULLS:
        return None
    head = b"nan:" if float in kinds else b"none:"
    found = _arrow_digest(values)
    if found is not None:
        return digest_of(head + found)
    if float in kinds and any(type(value) is float and value == value for value in values):
        return None
    return digest_of(head + _slow_digest(values))


def _words_digest(words: Sequence[str]) -> bytes:
    """Join by a character that is in none of them, which is half the work of finding their ends."""
    data = "\0".join(words).encode("utf-8", "surrogatepass")
    if np.count_nonzero(np.frombuffer(data, np.uint8) == 0) == len(words) - 1:
        return digest_of(b"words:" + COUNT(len(words)) + digest_of(data))
    return _digest(words, b"")


def nullable_digest(values: Sequence[object]) -> bytes:
    """Return the digest of a column of ``str`` in which anything else is a null."""
    return _arrow_digest(values) or _slow_digest(values)


def _arrow_digest(values: Sequence[object]) -> bytes | None:
    """Let Arrow tell texts from nulls, in one pass; None: it is not there, or takes them not."""
    if len(values) < _MANY or "pyarrow" not in sys.modules:
        return None
    from stagecache.fingerprint.buffers import nullable_parts

    parts = nullable_parts(values)
    return None if parts is None else text_digest(len(values), *parts)


def _slow_digest(values: Sequence[object]) -> bytes:
    is_null = bytes([type(value) is not str for value in values])
    texts = [value if type(value) is str else "" for value in values]
    return _digest(texts, digest_of(is_null) if 1 in is_null else b"")


def _digest(texts: Sequence[str], nulls: bytes) -> bytes:
    if len(texts) >= _MANY and "pyarrow" in sys.modules:
        from stagecache.fingerprint.buffers import text_parts

        parts = text_parts(texts)
        if parts is not None:
            return text_digest(len(texts), nulls, *parts)
    joined = "".join(texts)
    if joined.isascii():
        data, lengths = joined.encode(), map(len, texts)
    else:
        data = joined.encode("utf-8", "surrogatepass")
        lengths = map(len, [text.encode("utf-8", "surrogatepass") for text in texts])
    ends = np.cumsum(np.fromiter(lengths, "<i8", len(texts)))
    return text_digest(len(texts), nulls, digest_of(ends.data), digest_of(data))
