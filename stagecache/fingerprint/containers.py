"""Takes apart Python's containers, and the views and ranges that its iteration knows."""

from __future__ import annotations

import builtins
from itertools import chain
from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.names import name_of
from stagecache.fingerprint.parts import Parts, digest_of, framed
from stagecache.fingerprint.scalars import DICT, FROZENSET, LIST, SET, TUPLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_BUILTINS = vars(builtins)


def short(key: object) -> str:
    """Return what an error shows of a key; never a user's ``repr``."""
    if type(key) in (int, float, bool, str, bytes, type(None)):
        text = repr(key)
        return text if len(text) <= 40 else text[:36] + "..." + text[0]
    if type(key) is tuple:
        return f"({', '.join(short(part) for part in key)})"
    return f"<{type(key).__qualname__}>"


def at_index(index: int) -> str:
    """Return how a person gets to an element of a sequence."""
    return f"[{index}]"


def pairs(items: Iterable[tuple[Any, Any]]) -> list[Any]:
    """Return keys and values in turn."""
    return list(chain.from_iterable(items))


def at_key(flat: list[Any]) -> Callable[[int], str]:
    """Return the label function of children made by :func:`pairs`."""
    return lambda index: f"[{short(flat[index - 1])}]" if index % 2 else ".keys()"


def _take_list(value: list[Any]) -> Parts:
    return Parts(LIST, list(value), label=at_index)


def _take_tuple(value: tuple[Any, ...]) -> Parts:
    return Parts(TUPLE, value, label=at_index)


def _take_dict(value: Mapping[Any, Any], head: bytes = DICT) -> Parts:
    if value is _BUILTINS:  # which exec puts into every namespace
        return Parts(b"builtins:", ())
    children = pairs(value.items())
    return Parts(head, children, label=at_key(children))


def _take_set(value: set[Any] | frozenset[Any]) -> Parts:
    kind = type(value)
    head = SET if isinstance(value, set) else FROZENSET
    elements = Parts(head, list(value), label=lambda _: "{...}", unordered=True)
    if kind is set or kind is frozenset:
        return elements
    # Its own __reduce__ would give the elements in the order of their hashes.
    name, ref = name_of(kind)
    exact: Any = set(value) if isinstance(value, set) else frozenset(value)
    children = (exact, object.__getstate__(value))
    return Parts(b"set object:" + name, children, ref=ref, label=lambda at: ("", ".__dict__")[at])


def _take_trie(value: Any) -> Parts:
    """Take a map or a set without an order of its own: it lies by hashes."""
    name, ref = name_of(type(value))
    elements = list(value.items()) if hasattr(value, "items") else list(value)
    return Parts(b"trie:" + name, elements, ref=ref, label=lambda _: "{...}", unordered=True)


def _take_range(value: range) -> bytes:
    return digest_of(b"range:%x:%x:%x" % (value.start, value.stop, value.step))


def _take_slice(value: slice) -> Parts:
    names = ("start", "stop", "step")
    children = (value.start, value.stop, value.step)
    return Parts(b"slice:", children, label=lambda at: f".{names[at]}")


def _take_memoryview(value: memoryview) -> bytes:
    shape = b",".join(b"%d" % size for size in value.shape or ())
    data = value if value.c_contiguous else value.tobytes()
    return digest_of(b"memoryview:" + framed(value.format, shape, digest_of(data)))


def _take_view(head: bytes) -> Callable[[Iterable[Any]], Parts]:
    return lambda value: Parts(head, list(value), label=at_index)


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "list": _take_list,
    "tuple": _take_tuple,
    "dict": _take_dict,
    "HashTrieMap": _take_trie,
    "HashTrieSet": _take_trie,
    "set": _take_set,
    "frozenset": _take_set,
    "range": _take_range,
    "slice": _take_slice,
    "memoryview": _take_memoryview,
    "mappingproxy": lambda value: _take_dict(value, b"mappingproxy:"),
    "dict_keys": _take_view(b"dict_keys:"),
    "dict_values": _take_view(b"dict_values:"),
    "dict_items": _take_view(b"dict_items:"),
}
