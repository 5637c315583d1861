"""Values of items as bytes and back. What can run code is kept and read in private places only."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Protocol

from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer

    from stagecache.stores.disk.items.rows import Value

INLINE = 16 << 10
"""Bytes: larger values lie in blobs beside the rows."""
_DOUBLE = struct.Struct("<d")
_NAMING = b"\x82\x83\x84\x93"
"""The opcodes by which a pickle names something: without them it is made of built-in values
alone. To take them out of a small one takes a quarter of the time of any search."""
_SMALL = 4096
_dumps: Callable[[Any, int], bytes] | None = None
IMMUTABLE = frozenset((str, bytes, int, float, bool, type(None)))
"""Types of values that many may hold."""


class Place(Protocol):
    """Where values are kept."""

    @property
    def private(self) -> bool:
        """Whether only this user can write, and have written, there: only then is it pickled."""


def encode_value(value: Any, place: Place) -> tuple[str, Value]:
    """Return the name of how `value` is encoded, and its bytes or, if it is large, sections.

    Parameters
    ----------
    value : object
        What an item holds.
    place : Place
        Where it is kept; asked only where the answer matters.

    Raises
    ------
    EncodeError
        If no codec of that place holds it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> encode_value("a", SimpleNamespace(private=False))
    ('s', b'a')
    """
    kind = type(value)
    if kind is bytes:
        return "b", value if len(value) <= INLINE else [value]
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        return "s", data if len(data) <= INLINE else [data]
    if kind is int:
        return "i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if kind is float:
        return "f", _DOUBLE.pack(value)
    if value is None or kind is bool:
        return "c", repr(value).encode()
    if not place.private:
        return _placed(*_safely(value))
    if kind in (dict, list, tuple, set):
        data = _of_built_ins(value)
        if data is not None:
            return "p", data if len(data) <= INLINE else [data]
    return _placed(*_pickled(value))


def decode_value(codec: str, value: Value, place: Place) -> Any:
    """Return the value, made anew.

    Raises
    ------
    DecodeError
        If it is damaged, of another version, or may run code and is not in a private place.
    """
    if codec == "b":
        return bytes(value if isinstance(value, bytes) else value[0])
    if codec == "s":
        return str(value if isinstance(value, bytes) else value[0], "utf-8", "surrogatepass")
    if codec == "i":
        return int.from_bytes(value, "little", signed=True)  # type: ignore[arg-type]
    if codec == "p":
        return _unpickled(value if isinstance(value, bytes) else value[0], place)
    if codec == "f":
        return _DOUBLE.unpack(value)[0]  # type: ignore[arg-type]
    if codec == "c":
        return {b"None": None, b"True": True, b"False": False}[value]  # type: ignore[index]
    name, _, many = codec.partition("*")
    from stagecache.codecs import decode

    if isinstance(value, bytes):
        return decode(name, _cut(value, int(many)), private=place.private)
    return decode(name, [memoryview(part) for part in value], private=place.private)


def _of_built_ins(value: Any) -> bytes | None:
    """Return a pickle that names nothing: a tenth of the codec's time; None if there is none."""
    global _dumps
    if _dumps is None:  # to say `import` each time takes longer than to pickle a small value
        import pickle

        _dumps = pickle.dumps

    try:
        data = _dumps(value, 5)
    except Exception:  # noqa: BLE001 - whatever; the codecs say what is wrong
        return None
    if len(data) > _SMALL:
        return None if any(data.find(opcode) >= 0 for opcode in _NAMING) else data
    return data if len(data.translate(None, _NAMING)) == len(data) else None


def _unpickled(data: Buffer, place: Place) -> Any:
    if not place.private:
        raise DecodeError("'pickle' can run code and is not read from a shared place")
    import pickle

    try:
        return pickle.loads(data)
    except Exception as error:
        raise DecodeError(f"cannot be unpickled: {type(error).__name__}: {error}") from error


def _pickled(value: Any) -> tuple[str, Sequence[Buffer]]:
    from stagecache.codecs import codec

    failures = []
    for name in ("pickle", "cloudpickle"):
        try:
            return name, codec(name).encode(value)
        except EncodeError as error:
            failures.append(f"{name}: {error}")
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    raise EncodeError(f"no codec holds this {kind} ({'; '.join(failures)})")


def _safely(value: Any) -> tuple[str, Sequence[Buffer]]:
    from stagecache.codecs import encode
    from stagecache.errors import FingerprintError
    from stagecache.fingerprint.values import fingerprint

    def proof(what: object) -> Any:
        return fingerprint(what).digest

    try:
        return encode(value, wanted=None, private=False, proof=proof, expected=proof(value))
    except FingerprintError as error:
        raise EncodeError(f"no codec for a shared place holds this: {error}") from error


def _placed(name: str, sections: Sequence[Buffer]) -> tuple[str, Value]:
    views = [memoryview(section).cast("B") for section in sections]
    size = sum(view.nbytes for view in views)
    if size + 4 * len(views) > INLINE:
        return name, views
    lengths = struct.pack(f"<{len(views)}I", *(view.nbytes for view in views))
    return f"{name}*{len(views)}", b"".join([lengths, *views])


def _cut(data: bytes, count: int) -> list[memoryview]:
    view = memoryview(data)
    try:
        lengths = struct.unpack_from(f"<{count}I", view)
    except struct.error as error:
        raise DecodeError("it is too short") from error
    sections, start = [], 4 * count
    for length in lengths:
        sections.append(view[start : start + length])
        start += length
    if start != len(data):
        raise DecodeError("it is of another length than it says")
    return sections
