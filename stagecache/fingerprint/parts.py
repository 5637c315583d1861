"""The words of the value walk: a stand-in, a value taken apart, and a refusal.

Who takes which type apart is decided by ``dispatch``; how parts become a digest by ``walk``.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest as digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stagecache.model import Digest

__all__ = ["COUNT", "Known", "Parts", "Refused", "digest_of", "framed", "text_digest"]

COUNT = Struct("<q").pack
"""Eight bytes for a length or a number."""


class Known:
    """A stand-in for a value whose fingerprint is known already: a pipeline node's result.

    It may stand anywhere inside lists, tuples, dicts and named tuples: the fingerprint of the
    whole is the same as with the value itself.

    Parameters
    ----------
    digest : Digest
        The value's fingerprint.
    refs : tuple
        The classes and functions that it names.
    """

    __slots__ = ("digest", "refs")

    def __init__(self, digest: Digest | bytes, refs: tuple[object, ...] = ()) -> None:
        self.digest = digest
        self.refs = refs


class Parts:
    """A value taken apart: what is its own, and the values that it is composed of.

    Parameters
    ----------
    head : bytes
        Type tag and plain data. It must delimit itself: no head may begin another.
    children : sequence
        Values, walked in this order.
    ref : object, optional
        A user's class or function that the value names.
    label : callable, optional
        Index of a child -> how a person gets from the value to it, for example ``['db']``.
    unordered : bool, optional
        Whether the order of the children means nothing.
    """

    __slots__ = ("children", "head", "label", "ref", "unordered")

    def __init__(
        self,
        head: bytes,
        children: Sequence[Any] = (),
        *,
        ref: object = None,
        label: Callable[[int], str] | None = None,
        unordered: bool = False,
    ) -> None:
        self.head = head
        self.children = children
        self.ref = ref
        self.label = label
        self.unordered = unordered


class Refused(Exception):  # noqa: N818 - becomes a FingerprintError where the path is known
    """A value that cannot be taken apart.

    Parameters
    ----------
    problem : str
        Why, in words that follow "Cannot fingerprint X:".
    remedy : str, optional
        What to do instead; by default the general ways out.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy


def framed(*pieces: bytes | str) -> bytes:
    """Join pieces so that no other pieces join to the same bytes."""
    joined = []
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        joined.append(COUNT(len(data)))
        joined.append(data)
    return b"".join(joined)


def text_digest(length: int, nulls: bytes, ends: bytes, data: bytes) -> bytes:
    """Return the digest of a column from the digests of its three parts.

    Parameters
    ----------
    length : int
        Strings and nulls in all.
    nulls : bytes
        Digest of one byte a string, 1 for a null; empty if there is none.
    ends : bytes
        Digest of the ends as 64-bit little-endian integers.
    data : bytes
        Digest of the UTF-8.
    """
    return digest_of(b"text:" + COUNT(length) + COUNT(len(nulls)) + nulls + ends + data)
