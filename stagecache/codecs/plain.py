"""The codec of plain values: an exact, tagged binary form that no bytes can turn into code.

Written out here rather than given to msgspec: its import costs 40 ms where this costs under one,
and its msgpack knows neither tuples nor sets nor large integers, so that a walk in Python would
have to tag the values first and to untag them afterwards anyway.

Layout: a version byte, then one tagged value. A container is a count and its items; items of one
type (all float, all small int, all str) are packed as one run. A container met twice is written
once and then referred to by the order of completion, so sharing survives, and a cycle (never
complete when it is met again) cannot be written at all.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from typing_extensions import Buffer

    from stagecache.codecs.base import Sections

_VERSION = 1
_DEPTH = 100
_NODES = 100_000_000
"""Nodes a value may have with every reference written out: 40 tuples, each holding the one
before it twice, would otherwise take years to hash or to fingerprint."""
_APART = 64 << 10
"""Text and bytes from this size on are sections of their own, uncopied."""
_LONG = 255
"""A size that does not fit into one byte is this byte and eight more."""

_TYPES = frozenset(
    (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
)
_FLOATS, _INTS, _TEXTS = frozenset((float,)), frozenset((int,)), frozenset((str,))
_UTF8 = ("utf-8", "surrogatepass")


class Plain:
    """Holds None, numbers, text, bytes and the built-in containers of them, exactly.

    Subclasses (``True`` is no int here, a named tuple no tuple) are left to other codecs.

    Parameters
    ----------
    limit : int, optional
        Refuse values that take more than this many bytes beside their large text and bytes.

    Examples
    --------
    >>> codec = Plain()
    >>> sections = codec.encode({"a": (1, True), 2.5: {"b"}})
    >>> codec.decode([memoryview(section) for section in sections])
    {'a': (1, True), 2.5: {'b'}}
    """

    name = "plain"
    safe = True

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit

    def accepts(self, value: object) -> bool:
        """Tell whether `value` is of a plain type; what it holds is seen when it is encoded."""
        return type(value) in _TYPES

    def encode(self, value: object) -> Sections:
        """Return the value's bytes; large text and bytes follow as further sections."""
        writer = _Writer(self._limit)
        try:
            writer.write(value, 0)
        except RecursionError:
            raise EncodeError("nested too deeply for a plain value") from None
        except RuntimeError as error:
            raise EncodeError(f"changed while it was encoded: {error}") from error
        return [writer.out, *writer.apart]

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the value, made anew."""
        if not sections:
            raise DecodeError("a plain value without bytes")
        reader = _Reader(bytes(sections[0]), sections[1:])
        try:
            value = reader.whole()
        except DecodeError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise DecodeError(f"damaged plain value: {error}") from error
        except (RecursionError, MemoryError, struct.error) as error:
            raise DecodeError(f"damaged plain value: {type(error).__name__}") from error
        return value


class _Writer:
    def __init__(self, limit: int | None) -> None:
        self.out = bytearray((_VERSION,))
        self.apart: list[Buffer] = []
        self._limit = limit
        self._nodes = 0
        self._done: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def write(self, value: Any, depth: int) -> None:
        kind = type(value)
        out = self.out
        if kind is str:
            self._text(b"sS", value.encode(*_UTF8))
        elif kind is int:
            octets = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self._text(b"i", octets)
        elif kind is float:
            out += struct.pack("<cd", b"f", value)
        elif value is None:
            out += b"N"
        elif kind is bool:
            out += b"T" if value else b"F"
        elif kind is bytes:
            self._text(b"bB", value)
        elif kind is complex:
            out += struct.pack("<cdd", b"c", value.real, value.imag)
        elif kind in _CONTAINERS:
            self._container(value, depth)
        else:
            raise EncodeError(f"{kind.__module__}.{kind.__qualname__} is not plain")
        self._count(1)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _NODES:
            raise EncodeError("too many items for a plain value")
        if self._limit is not None and len(self.out) > self._limit:
            raise EncodeError(f"more than the {self._limit} bytes that a small plain value has")

    def _size(self, size: int) -> None:
        self.out += bytes((size,)) if size < _LONG else struct.pack("<BQ", _LONG, size)

    def _text(self, tags: bytes, octets: bytes) -> None:
        if len(octets) >= _APART and len(tags) > 1:
            self.out.append(tags[1])
            self.apart.append(octets)
            return
        self.out.append(tags[0])
        self._size(len(octets))
        self.out += octets

    def _container(self, value: Collection[Any], depth: int) -> None:
        identity = id(value)
        if identity in self._done:
            order, nodes = self._done[identity]
            self.out += b"r"
            self._size(order)
            self._count(nodes)
            return
        if identity in self._open:
            raise EncodeError("a plain value cannot contain itself")
        if depth >= _DEPTH:
            raise EncodeError(f"nested more than {_DEPTH} deep")
        self._open.add(identity)
        before = self._nodes
        self.out += _CONTAINERS[type(value)]
        self._size(len(value))
        if type(value) is dict:
            self._items(tuple(value), depth + 1)
            self._items(tuple(value.values()), depth + 1)
        else:
            self._items(tuple(value), depth + 1)
        self._open.discard(identity)
        if value:  # the empty tuple is one object everywhere: a reference would say nothing
            self._done[identity] = len(self._done), self._nodes - before

    def _items(self, items: tuple[Any, ...], depth: int) -> None:
        kinds = set(map(type, items))
        if kinds == _TEXTS:
            lengths = struct.pack(f"<{len(items)}I", *map(len, items))
            octets = "".join(items).encode(*_UTF8)
            self.out += b"s" + lengths
            self._text(b"sS", octets)
        elif kinds == _FLOATS:
            self.out += struct.pack(f"<c{len(items)}d", b"f", *items)
        elif kinds == _INTS and min(items) >= -(1 << 63) and max(items) < 1 << 63:
            self.out += struct.pack(f"<c{len(items)}q", b"i", *items)
        else:
            self.out += b"*"
            for item in items:
                self.write(item, depth)
            return
        self._count(len(items))


class _Reader:
    def __init__(self, data: bytes, apart: Sequence[memoryview]) -> None:
        self._data = data
        self._at = 0
        self._apart = list(reversed(apart))
        self._nodes = 0
        self._done: list[tuple[Any, int]] = []

    def whole(self) -> Any:
        if self._take(1)[0] != _VERSION:
            raise DecodeError("a plain value of another version")
        value = self._read(0)
        if self._at != len(self._data) or self._apart:
            raise DecodeError("bytes left over after a plain value")
        return value

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise DecodeError("a plain value ends too early")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _size(self) -> int:
        size = self._take(1)[0]
        if size == _LONG:
            (size,) = struct.unpack("<Q", self._take(8))
        return int(size)

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _NODES:
            raise DecodeError("too many items for a plain value")

    def _read(self, depth: int) -> Any:
        tag = self._take(1)
        value: Any
        if tag == b"s":
            value = str(self._take(self._size()), *_UTF8)
        elif tag == b"i":
            value = int.from_bytes(self._take(self._size()), "little", signed=True)
        elif tag == b"f":
            (value,) = struct.unpack("<d", self._take(8))
        elif tag in _WORDS:
            value = _WORDS[tag]
        elif tag == b"b":
            value = self._take(self._size())
        elif tag == b"c":
            value = complex(*struct.unpack("<dd", self._take(16)))
        elif tag == b"S":
            value = str(self._apart.pop(), *_UTF8)
        elif tag == b"B":
            value = bytes(self._apart.pop())
        elif tag == b"r":
            value, nodes = self._done[self._size()]
            self._count(nodes)
        else:
            value = self._container(tag, depth)
        self._count(1)
        return value

    def _container(self, tag: bytes, depth: int) -> Any:
        if depth >= _DEPTH:
            raise DecodeError(f"nested more than {_DEPTH} deep")
        make = _MAKERS[tag]
        before = self._nodes
        size = self._size()
        items = self._items(size, depth + 1)
        value = (
            dict(zip(items, self._items(size, depth + 1), strict=True))
            if make is dict
            else make(items)
        )
        if len(value) != size:
            raise DecodeError("a plain set or dict holds an item twice")
        if size:
            self._done.append((value, self._nodes - before))
        return value

    def _items(self, size: int, depth: int) -> Sequence[Any]:
        kind = self._take(1)
        if kind == b"*":
            if size > len(self._data) - self._at:
                raise DecodeError("a plain container says that it holds more than it can")
            return [self._read(depth) for _ in range(size)]
        self._count(size)
        if kind == b"f":
            return struct.unpack(f"<{size}d", self._take(8 * size))
        if kind == b"i":
            return struct.unpack(f"<{size}q", self._take(8 * size))
        if kind == b"s":
            return self._texts(struct.unpack(f"<{size}I", self._take(4 * size)))
        raise DecodeError("a plain run of unknown kind")

    def _texts(self, lengths: tuple[int, ...]) -> list[str]:
        ends = list(accumulate(lengths, initial=0))
        text = self._read(_DEPTH)
        if type(text) is not str or len(text) != ends[-1]:
            raise DecodeError("plain texts do not have the lengths they say")
        return [text[start:end] for start, end in pairwise(ends)]


_CONTAINERS: dict[type, bytes] = {list: b"l", tuple: b"t", dict: b"d", set: b"e", frozenset: b"z"}
_MAKERS: dict[bytes, Callable[..., Any]] = {tag: kind for kind, tag in _CONTAINERS.items()}
_WORDS: dict[bytes, bool | None] = {b"N": None, b"T": True, b"F": False}
