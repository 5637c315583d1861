"""The layout of plain values: tags and bounds that their writer and their reader share.

A version byte, then one tagged value. A container is its tag, its count and its items; a dict has
its keys and then its values as items. Items are one tag and, if they are all floats, small ints or
texts, one packed run; else each is a tagged value. The keys of a dict that are all text are
written once for all dicts that have the same. A size is one byte, or ``LONG`` and eight more.

A container met twice is written once and referred to by its order of completion, so that sharing
survives, and a cycle (not complete when it is met again) cannot be written at all. Large text and
bytes are sections of their own, in the order in which they are met.
"""

from __future__ import annotations

VERSION = 1
DEPTH = 100
NODES = 100_000_000
"""Nodes that a value may have with every reference written out: 40 tuples, each holding the one
before it twice, would otherwise take years to hash or to fingerprint."""
APART = 64 << 10
"""Size in bytes from which text and bytes are sections of their own."""
LONG = 255

NONE: int = ord("N")
TRUE: int = ord("T")
FALSE: int = ord("F")
INT: int = ord("i")
FLOAT: int = ord("f")
COMPLEX: int = ord("c")
TEXT: int = ord("s")
BYTES: int = ord("b")
TEXT_APART: int = ord("S")
BYTES_APART: int = ord("B")
LIST: int = ord("l")
TUPLE: int = ord("t")
DICT: int = ord("d")
SET: int = ord("e")
FROZENSET: int = ord("z")
REFERENCE: int = ord("r")
MIXED: int = ord("*")
KEYS: int = ord("k")
ELEMENT: int = ord("p")
"""Followed by the number of an element that is kept elsewhere."""

CONTAINERS: dict[type, int] = {
    list: LIST,
    tuple: TUPLE,
    dict: DICT,
    set: SET,
    frozenset: FROZENSET,
}
TYPES = frozenset((type(None), bool, int, float, complex, str, bytes, *CONTAINERS))
