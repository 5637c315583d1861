"""Writes plain values; refuses what the layout has no exact form for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from stagecache.codecs import plain_form as form
from stagecache.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from typing_extensions import Buffer

_FLOATS, _INTS, _TEXTS = frozenset((float,)), frozenset((int,)), frozenset((str,))
_FLOAT = struct.Struct("<Bd").pack
_COMPLEX = struct.Struct("<Bdd").pack
_SIZE = struct.Struct("<BQ").pack


class Writer:
    r"""Collects the bytes of one value.

    Parameters
    ----------
    limit : int or None
        Bytes that `out` may have.
    numbers : mapping, optional
        ``id`` of an object -> the number that stands for it.

    Examples
    --------
    >>> writer = Writer(None)
    >>> writer.write([None], 0)
    >>> bytes(writer.out)
    b'\x01l\x01*N'
    """

    def __init__(self, limit: int | None, numbers: Mapping[int, int] | None = None) -> None:
        self.out = bytearray((form.VERSION,))
        self.apart: list[Buffer] = []
        self._limit = limit
        self._numbers = numbers or {}
        self._nodes = 0
        self._done: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self._keys: dict[tuple[str, ...], int] = {}

    def write(self, value: Any, depth: int) -> None:
        """Append `value`, which is `depth` containers deep.

        Raises
        ------
        EncodeError
            If it is not plain, too deep, too large, or contains itself.
        """
        kind = type(value)
        if self._numbers and id(value) in self._numbers:
            self.out.append(form.ELEMENT)
            self._size(self._numbers[id(value)])
        elif kind is str:
            self._sized(form.TEXT, form.TEXT_APART, value.encode("utf-8", "surrogatepass"))
        elif kind is int:
            size = value.bit_length() // 8 + 1
            self._sized(form.INT, None, value.to_bytes(size, "little", signed=True))
        elif kind is float:
            self.out += _FLOAT(form.FLOAT, value)
        elif value is None:
            self.out.append(form.NONE)
        elif kind is bool:
            self.out.append(form.TRUE if value else form.FALSE)
        elif kind in form.CONTAINERS:
            self._container(value, depth)
        elif kind is bytes:
            self._sized(form.BYTES, form.BYTES_APART, value)
        elif kind is complex:
            self.out += _COMPLEX(form.COMPLEX, value.real, value.imag)
        else:
            raise EncodeError(f"{kind.__module__}.{kind.__qualname__} is not plain")
        self._nodes += 1

    def _sized(self, tag: int, apart: int | None, octets: bytes) -> None:
        out, size = self.out, len(octets)
        if size >= form.APART and apart is not None:
            out.append(apart)
            self.apart.append(octets)
            return
        out.append(tag)
        self._size(size)
        out += octets

    def _size(self, size: int) -> None:
        if size < form.LONG:
            self.out.append(size)
        else:
            self.out += _SIZE(form.LONG, size)

    def _container(self, value: Collection[Any], depth: int) -> None:
        identity = id(value)
        if identity in self._done:
            order, nodes = self._done[identity]
            self.out.append(form.REFERENCE)
            self._size(order)
            self._nodes += nodes
            self._check_bounds()
            return
        if identity in self._open:
            raise EncodeError("a plain value cannot contain itself")
        if depth >= form.DEPTH:
            raise EncodeError(f"nested more than {form.DEPTH} deep")
        before = self._nodes
        self._open.add(identity)
        self.out.append(form.CONTAINERS[type(value)])
        self._size(len(value))
        items = tuple(value)
        if type(value) is dict:
            self._dict_keys(items, depth + 1)
            items = tuple(value.values())
        self._items(items, depth + 1)
        self._open.discard(identity)
        if items:  # the empty tuple is one object everywhere: a reference would say nothing
            self._done[identity] = len(self._done), self._nodes - before
        self._check_bounds()

    def _check_bounds(self) -> None:
        if self._nodes > form.NODES:
            raise EncodeError("too many items for a plain value")
        if self._limit is not None and len(self.out) > self._limit:
            raise EncodeError(f"more than the {self._limit} bytes that a small plain value has")

    def _dict_keys(self, keys: tuple[Any, ...], depth: int) -> None:
        if set(map(type, keys)) != _TEXTS:
            self._items(keys, depth)
            return
        order = self._keys.get(keys)
        if order is not None:
            self.out.append(form.KEYS)
            self._size(order)
        else:
            self._keys[keys] = len(self._keys)
            self._texts(keys)
        self._nodes += len(keys)

    def _items(self, items: tuple[Any, ...], depth: int) -> None:
        kinds = set(map(type, items))
        if self._numbers and not self._numbers.keys().isdisjoint(map(id, items)):
            kinds.clear()
        if kinds == _TEXTS:
            self._texts(items)
        elif kinds == _FLOATS:
            self.out += struct.pack(f"<B{len(items)}d", form.FLOAT, *items)
        elif kinds == _INTS and min(items) >= -(1 << 63) and max(items) < 1 << 63:
            self.out += struct.pack(f"<B{len(items)}q", form.INT, *items)
        else:
            self.out.append(form.MIXED)
            for item in items:
                self.write(item, depth)
            return
        self._nodes += len(items)

    def _texts(self, texts: tuple[str, ...]) -> None:
        self.out += struct.pack(f"<B{len(texts)}I", form.TEXT, *map(len, texts))
        octets = "".join(texts).encode("utf-8", "surrogatepass")
        self._sized(form.TEXT, form.TEXT_APART, octets)
