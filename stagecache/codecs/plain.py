"""The codec of plain values: an exact, tagged binary form that no bytes can turn into code.

Written out in this package rather than given to msgspec: its import costs 40 ms where this costs
under one, and its msgpack knows neither tuples nor sets nor large integers, so that a walk in
Python would have to tag the values first and to untag them afterwards anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.codecs.plain_form import TYPES
from stagecache.codecs.plain_reader import Reader
from stagecache.codecs.plain_writer import Writer
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stagecache.codecs.base import Sections


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
        return type(value) in TYPES

    def encode(self, value: object) -> Sections:
        """Return the value's bytes; large text and bytes follow as further sections."""
        return self.encode_around(value, {})

    def encode_around(self, value: object, numbers: Mapping[int, int]) -> Sections:
        """Do the same, with the objects in `numbers` only mentioned by their numbers."""
        writer = Writer(self._limit, numbers)
        try:
            writer.write(value, 0)
        except RecursionError:
            raise EncodeError("nested too deeply for a plain value") from None
        except RuntimeError as error:
            raise EncodeError(f"changed while it was encoded: {error}") from error
        return [writer.out, *writer.apart]

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the value, made anew."""
        return self.decode_around(sections, ())

    def decode_around(self, sections: Sequence[memoryview], elements: Sequence[object]) -> object:
        """Do the same, with `elements` where they are mentioned."""
        if not sections:
            raise DecodeError("a plain value without bytes")
        reader = Reader(bytes(sections[0]), sections[1:], elements)
        try:
            value = reader.whole()
        except DecodeError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise DecodeError(f"damaged plain value: {error}") from error
        except (RecursionError, MemoryError) as error:
            raise DecodeError(f"damaged plain value: {type(error).__name__}") from error
        return value
