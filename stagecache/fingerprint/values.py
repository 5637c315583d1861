"""Fingerprints values: equal values have equal fingerprints in every process, others do not.

How a type is taken apart is decided by ``dispatch``; what the code of the classes and functions
that a value names adds is decided by ``code``.
"""

from __future__ import annotations

from typing import NamedTuple

from stagecache.errors import FingerprintError
from stagecache.fingerprint.parts import Known
from stagecache.fingerprint.registry import register_fingerprint
from stagecache.fingerprint.scalars import SCALARS, plain_digest
from stagecache.model import Digest

__all__ = ["Fingerprint", "Known", "fingerprint", "item_digest", "register_fingerprint"]

_MOST_ITEMS = 1000
_SEQUENCE, _MAPPING = b"s", b"m"


class Fingerprint(NamedTuple):
    """What identifies a value."""

    digest: Digest
    """Of the canonical form of the data; of classes and functions their qualified names only."""
    refs: tuple[object, ...] = ()
    """The user's classes and functions that the value names, in order of first meeting."""
    items: bytes | None = None
    """Digests of the elements of a list, tuple or dict; see :func:`item_digest`."""


_make = tuple.__new__


def fingerprint(
    value: object, *, items: bool = False, name: str = "value", is_input: bool = False
) -> Fingerprint:
    """Return the fingerprint of a value.

    Parameters
    ----------
    value : object
        Anything that is data: plain values and containers, frames, arrays, tables, functions,
        classes, and objects that can be taken apart as pickle does.
    items : bool, optional
        Whether digests of the elements are wanted as well: of a list, tuple or dict of at most
        1,000 elements that names no references.
    name : str, optional
        What errors call the value.
    is_input : bool, optional
        Whether it is what a body gets, of which nothing counts that another body worked out.

    Raises
    ------
    FingerprintError
        If something in the value cannot be taken apart; it says where, and the ways out.
    FileNotFoundError
        If a :class:`~stagecache.File` in the value does not exist.

    Examples
    --------
    >>> fingerprint({"a": [1, 2]}) == fingerprint({"a": [1, 2]})
    True
    >>> fingerprint(1) == fingerprint(True)
    False
    >>> first = Known(fingerprint([1, 2]).digest)
    >>> fingerprint([first, 3]) == fingerprint([[1, 2], 3])
    True
    """
    try:
        scalar = SCALARS.get(type(value))
        if scalar is not None:
            return _make(Fingerprint, (scalar(value), (), None))
        if not items:
            digest = plain_digest(value)
            if digest is not None:
                return _make(Fingerprint, (digest, (), None))
        return _walked(value, items=items, name=name, is_input=is_input)
    except TypeError as error:  # a class in it is no key of a dict: its metaclass compares
        raise FingerprintError(name, f"it cannot be taken apart ({error})") from error


def _walked(value: object, *, items: bool, name: str, is_input: bool) -> Fingerprint:
    from stagecache.fingerprint.derived import looking
    from stagecache.fingerprint.walk import Walk

    walk = Walk(name)
    before, looking.at_inputs = looking.at_inputs, is_input
    try:
        digest, refs = walk.run(value)
    finally:
        looking.at_inputs = before
    packed = None
    if items and not refs and not walk.has_cycle:
        packed = _pack(value, walk.digests)
    return _make(Fingerprint, (digest, refs, packed))


def _pack(value: object, digests: list[bytes]) -> bytes | None:
    kind = type(value)
    if kind is dict and len(digests) <= 2 * _MOST_ITEMS:
        return _MAPPING + b"".join(digests)
    if (kind is list or kind is tuple) and len(digests) <= _MOST_ITEMS:
        return _SEQUENCE + b"".join(digests)
    return None


def item_digest(items: bytes, index: object) -> Digest | None:
    """Return the fingerprint of ``value[index]``, or None if it is not to be had.

    Parameters
    ----------
    items : bytes
        ``fingerprint(value, items=True).items``.
    index : object
        An int for a list or tuple, a key for a dict.

    Examples
    --------
    >>> items = fingerprint({"train": [1], "test": [2]}, items=True).items
    >>> item_digest(items, "test") == fingerprint([2]).digest
    True
    >>> item_digest(items, "other") is None
    True
    """
    digests = items[1:]
    if items[:1] == _SEQUENCE:
        if type(index) is not int:
            return None
        count = len(digests) // 16
        at = 16 * (index + count if index < 0 else index)
        return Digest(digests[at : at + 16]) if 0 <= at < len(digests) else None
    wanted = fingerprint(index).digest
    for at in range(0, len(digests), 32):
        if digests[at : at + 16] == wanted:
            return Digest(digests[at + 16 : at + 32])
    return None
