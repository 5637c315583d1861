"""The fields of an item's row, and the seal by which damage to it is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

Value: TypeAlias = "bytes | Sequence[Buffer]"
"""An encoded value: bytes lie in the row, sections in a blob beside. As it is read, sections are
memoryviews; writable ones are the caller's alone."""

COLUMNS = "key, shown, codec, value, blob, size, seal, expires, tag, used, due, note"
_SHIFT = 1 << 63


class Stored(NamedTuple):
    """An item as it is kept."""

    id: int
    """Its place: items are in the order of their ids."""
    key: bytes | None
    shown: bytes | None
    """How the key is given back, if it does not say that itself."""
    codec: str
    value: Value
    expires: float | None
    """Seconds since the epoch. Expired items are there until somebody takes them away."""
    tag: str | None
    due: float | None
    note: Any


def seal(number: int, key: bytes | None, codec: str, payload: bytes) -> int:
    """Return the digest of an item, as SQLite can keep it: it does not check its pages.

    Parameters
    ----------
    number : int
        The collection's.
    key, codec
        The item's.
    payload : bytes
        Its value, or the address of its blob.
    """
    return xxh3_64_intdigest(b"".join((key or b"", codec.encode(), payload)), number) - _SHIFT


def is_sealed(number: int, row: Sequence[Any]) -> bool:
    """Tell whether a row of COLUMNS is as it was written.

    Raises
    ------
    TypeError, AttributeError
        If not even the types are right.
    """
    key, _, codec, value, blob, _, sealed, *_ = row
    return bool(sealed == seal(number, key, codec, value if blob is None else blob))
