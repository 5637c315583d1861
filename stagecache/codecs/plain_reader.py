"""Reads plain values; whatever the bytes are, it ends soon, and in a value or an error."""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from stagecache.codecs import plain_form as form
from stagecache.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAKERS: dict[int, Callable[..., Any]] = {tag: kind for kind, tag in form.CONTAINERS.items()}
_WORDS: dict[int, bool | None] = {form.NONE: None, form.TRUE: True, form.FALSE: False}
_FLOAT = struct.Struct("<d").unpack
_COMPLEX = struct.Struct("<dd").unpack
_SIZE = struct.Struct("<Q").unpack


class Reader:
    r"""Walks through the bytes of one value.

    Damaged bytes raise a DecodeError or one of the errors that taking them apart leads to
    (KeyError, IndexError, TypeError, ValueError, OverflowError, MemoryError, RecursionError).

    Parameters
    ----------
    data : bytes
        A copy: a mapped file could change between a check and what relies on it.
    apart : sequence of memoryview
        Large text and bytes.
    elements : sequence, optional
        What is only mentioned by its number.

    Examples
    --------
    >>> Reader(b"\x01l\x01*N", ()).whole()
    [None]
    """

    def __init__(
        self, data: bytes, apart: Sequence[memoryview], elements: Sequence[object] = ()
    ) -> None:
        self._data = data
        self._at = 0
        self._apart = list(reversed(apart))
        self._elements = elements
        self._nodes = 0
        self._done: list[tuple[Any, int]] = []
        self._keys: list[Sequence[str]] = []

    def whole(self) -> Any:
        """Return the value that all of the bytes are."""
        if self._byte() != form.VERSION:
            raise DecodeError("a plain value of another version")
        value = self._read(0)
        if self._at != len(self._data) or self._apart:
            raise DecodeError("bytes left over after a plain value")
        return value

    def _byte(self) -> int:
        octet = self._data[self._at]
        self._at += 1
        return octet

    def _take(self, size: int) -> bytes:
        start = self._at
        end = start + size
        if end > len(self._data):
            raise DecodeError("a plain value ends too early")
        self._at = end
        return self._data[start:end]

    def _size(self) -> int:
        size = self._byte()
        if size == form.LONG:
            (size,) = _SIZE(self._take(8))
        return size

    def _read(self, depth: int) -> Any:
        tag = self._byte()
        self._nodes += 1
        if tag == form.TEXT:
            return self._take(self._size()).decode("utf-8", "surrogatepass")
        if tag == form.INT:
            return int.from_bytes(self._take(self._size()), "little", signed=True)
        if tag == form.FLOAT:
            return _FLOAT(self._take(8))[0]
        if tag in _WORDS:
            return _WORDS[tag]
        if tag in _MAKERS:
            return self._container(_MAKERS[tag], depth)
        if tag == form.REFERENCE:
            value, nodes = self._done[self._size()]
            self._count(nodes)
            return value
        if tag == form.BYTES:
            return self._take(self._size())
        if tag == form.ELEMENT:
            return self._elements[self._size()]
        if tag == form.COMPLEX:
            return complex(*_COMPLEX(self._take(16)))
        if tag == form.TEXT_APART:
            return str(self._apart.pop(), "utf-8", "surrogatepass")
        if tag == form.BYTES_APART:
            return bytes(self._apart.pop())
        raise DecodeError("a plain value of unknown kind")

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > form.NODES:
            raise DecodeError("too many items for a plain value")

    def _container(self, make: Callable[..., Any], depth: int) -> Any:
        if depth >= form.DEPTH:
            raise DecodeError(f"nested more than {form.DEPTH} deep")
        before = self._nodes
        size = self._size()
        items = self._dict_keys(size, depth + 1) if make is dict else self._items(size, depth + 1)
        if make is dict:
            value = dict(zip(items, self._items(size, depth + 1), strict=True))
        else:
            value = make(items)
        if len(value) != size:
            raise DecodeError("a plain set or dict holds an item twice")
        if size:
            self._done.append((value, self._nodes - before))
        return value

    def _dict_keys(self, size: int, depth: int) -> Sequence[Any]:
        kind = self._data[self._at]
        if kind == form.KEYS:
            self._at += 1
            self._count(size)
            return self._keys[self._size()]
        keys = self._items(size, depth)
        if kind == form.TEXT:
            self._keys.append(keys)
        return keys

    def _items(self, size: int, depth: int) -> Sequence[Any]:
        kind = self._byte()
        if kind == form.MIXED:
            if size > len(self._data) - self._at:
                raise DecodeError("a plain container says that it holds more than it can")
            read = self._read
            return [read(depth) for _ in range(size)]
        if kind == form.TEXT:
            lengths = struct.unpack(f"<{size}I", self._take(4 * size))
            items: Sequence[Any] = self._texts(lengths)
        elif kind == form.FLOAT:
            items = struct.unpack(f"<{size}d", self._take(8 * size))
        elif kind == form.INT:
            items = struct.unpack(f"<{size}q", self._take(8 * size))
        else:
            raise DecodeError("a plain run of unknown kind")
        self._count(size)
        return items

    def _texts(self, lengths: tuple[int, ...]) -> list[str]:
        text = self._read(form.DEPTH)
        ends = list(accumulate(lengths, initial=0))
        if type(text) is not str or len(text) != ends[-1]:
            raise DecodeError("plain texts do not have the lengths they say")
        return [text[start:end] for start, end in pairwise(ends)]
