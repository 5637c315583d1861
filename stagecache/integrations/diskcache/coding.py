"""Keys, values and tags as they are kept in rows: by our codecs, or by a subclass of `Disk`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.collections.values import decode_value, encode_value
from stagecache.errors import DecodeError, EncodeError
from stagecache.integrations.diskcache import keys
from stagecache.integrations.diskcache.disk import MODE_PICKLE, Disk
from stagecache.integrations.diskcache.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stagecache.collections.values import Place
    from stagecache.stores.disk.items.rows import Value

_PIECE = 1 << 22
_PICKLED_KEY = b"6"
_AS_PICKLED = f"{MODE_PICKLE}:b"
"""How a pickle is encoded that somebody else made."""
CERTAIN = "codec IN ('s', 'b', 'i', 'f', 'c', 'p') AND blob IS NULL"
"""Of what is decoded for certain, in a private place: it names nothing, and lies in the row."""


class Coding:
    """Our own codecs.

    Parameters
    ----------
    place : Place
        Says whether pickles may be written and read there.
    disk : Disk
        Holds the settings.
    """

    def __init__(self, place: Place, disk: Disk) -> None:
        self._place = place
        self._disk = disk

    def key(self, key: Any) -> bytes:
        """Return the bytes of a key."""
        return keys.encode(key)

    def shown(self, key: Any) -> bytes | None:
        """Return how a key is given back, if its bytes do not say that."""
        if keys.tells(key):
            return None
        codec, data = encode_value(key, self._place)
        return codec.encode() + b"|" + (data if isinstance(data, bytes) else b"".join(data))

    def given(self, key: bytes, shown: bytes | None) -> Any:
        """Return a key as it was written first."""
        if shown is None:
            return keys.decode(key)
        codec, _, data = shown.partition(b"|")
        return decode_value(codec.decode(), data, self._place)

    def value(self, value: Any, read: bool, key: Any) -> tuple[str, Value]:  # noqa: ARG002
        """Return the name of how a value is encoded, and its bytes, or sections if it is large."""
        kind = type(value)
        if read:
            return "b", [b"".join(iter(lambda: value.read(_PIECE), b""))]
        if kind is bytes:
            return "b", self._placed(value)
        if kind is str:
            return "s", self._placed(value.encode("utf-8", "surrogatepass"))
        return encode_value(value, self._place)

    def pickled(self, data: bytes) -> tuple[str, Value]:
        """Return, as :meth:`value` does, what keeps a pickle without running it.

        Raises
        ------
        EncodeError
            If others may write there.
        """
        if not self._place.private:
            raise EncodeError("a pickle is not kept in a place that others may write to")
        return _AS_PICKLED, self._placed(data)

    def fetched(self, codec: str, data: Value, read: bool) -> Any:
        """Return a value; a file to read, if it is asked for one and the value is large bytes."""
        if codec == _AS_PICKLED:
            return self._unpickled(codec, data, read)
        if read and codec == "b" and not isinstance(data, bytes):
            return Reader(data[0])
        return decode_value(codec, data, self._place)

    def _unpickled(self, codec: str, data: Value, read: bool) -> Any:
        mode, _, inner = codec.partition(":")
        if not self._place.private:
            raise DecodeError("a pickle can run code and is not read from a shared place")
        pickled = decode_value(inner, data, self._place)
        try:
            return self._disk.fetch(int(mode), None, pickled, read)
        except Exception as error:  # whatever it names or runs
            raise DecodeError(f"cannot be unpickled: {type(error).__name__}: {error}") from error

    def _placed(self, data: bytes) -> bytes | Sequence[bytes]:
        return data if len(data) < self._disk.min_file_size else [data]


class DiskCoding(Coding):
    """What a subclass of `Disk` makes of keys and values, kept by our codecs."""

    def key(self, key: Any) -> bytes:
        """Return the bytes of a key."""
        found, is_raw = self._disk.put(key)
        if isinstance(found, memoryview):  # ``sqlite3.Binary``
            found = bytes(found)
        return keys.encode(found) if is_raw else _PICKLED_KEY + bytes(found)

    def shown(self, key: Any) -> bytes | None:  # noqa: ARG002
        """Return None: the subclass makes the key of its bytes."""
        return None

    def given(self, key: bytes, shown: bytes | None) -> Any:  # noqa: ARG002
        """Return a key."""
        if key[:1] != _PICKLED_KEY:
            return self._disk.get(keys.decode(key), True)
        if not self._place.private:
            raise DecodeError("a pickled key can run code and is not read from a shared place")
        return self._disk.get(key[1:], False)

    def value(self, value: Any, read: bool, key: Any) -> tuple[str, Value]:
        """Return the name of how a value is encoded, and its bytes, or sections if it is large."""
        _, mode, filename, data = self._disk.store(value, read, key=key)
        if filename is not None:
            raise EncodeError(
                f"{type(self._disk).__name__}.store wrote the file {filename}. Values are kept "
                "beside their rows by the cache itself: return None and the bytes."
            )
        if isinstance(data, memoryview):
            data = bytes(data)
        if mode == MODE_PICKLE and not self._place.private:
            raise EncodeError("a pickle is not kept in a place that others may write to")
        codec, encoded = super().value(data, False, key)
        if read and isinstance(encoded, bytes):
            encoded = [encoded]
        return f"{mode}:{codec}", encoded

    def fetched(self, codec: str, data: Value, read: bool) -> Any:
        """Return a value, or a file to read."""
        mode, is_theirs, inner = codec.partition(":")
        if not is_theirs:  # written by a cache without the subclass
            return super().fetched(codec, data, read)
        if int(mode) == MODE_PICKLE:
            return self._unpickled(codec, data, read)
        return self._disk.fetch(int(mode), None, decode_value(inner, data, self._place), read)


def tag_text(tag: Any) -> str | None:
    """Return a tag as text: itself, or a number or bytes marked as such.

    Raises
    ------
    TypeError
        If it is nothing of that.

    Examples
    --------
    >>> [tag_of(tag_text(tag)) for tag in ("red", 12, 5.5, b"x", None)]
    ['red', 12, 5.5, b'x', None]
    """
    if tag is None:
        return None
    kind = type(tag)
    if kind is str:
        return f"\0s{tag}" if tag.startswith("\0") else tag
    if kind in (int, float):
        return f"\0{kind.__name__[0]}{tag!r}"
    if kind is bytes:
        return f"\0b{tag.hex()}"
    raise TypeError(f"a tag is text, a number or bytes, not {tag!r}")


def tag_of(text: str | None) -> Any:
    """Return the tag that :func:`tag_text` made a text of."""
    if text is None or not text.startswith("\0"):
        return text
    return _TAGS[text[1]](text[2:])


_TAGS: dict[str, Any] = {"s": str, "i": int, "f": float, "b": bytes.fromhex}
