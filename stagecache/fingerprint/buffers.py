"""Digests an Arrow column from its buffers, as if it were one chunk with nothing under nulls."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_128

from stagecache.fingerprint.parts import COUNT, Refused, digest_of, text_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    # Its stubs have no class for what all arrays, or all nested types, can do.
    Chunk = Any
    Kind = Any
    Bytes = NDArray[Any]

_WINDOW = 1 << 17
"""Elements looked at in one go where something has to be copied."""

types = pa.types
_decode_runs: Any = pc.__dict__["run_end_decode"]


def column_digest(kind: Kind, chunks: list[Chunk]) -> bytes:
    """Return the digest of a column's values; the type is not in it.

    Parameters
    ----------
    kind : pyarrow.DataType
        The column's type.
    chunks : list of pyarrow.Array
        Of that type.

    Raises
    ------
    Refused
        If pyarrow itself cannot handle the type.
    """
    try:
        return _digest(kind, chunks)
    except pa.ArrowNotImplementedError as error:
        raise Refused(f"pyarrow cannot read the type {kind} piece by piece ({error})") from error


def _digest(kind: Kind, chunks: list[Chunk]) -> bytes:
    chunks = [chunk for chunk in chunks if len(chunk)]
    if isinstance(kind, pa.BaseExtensionType):
        return column_digest(kind.storage_type, [chunk.storage for chunk in chunks])
    if types.is_union(kind):
        return _union(kind, chunks)
    if types.is_run_end_encoded(kind):
        return column_digest(kind.value_type, [_decode_runs(chunk) for chunk in chunks])
    length, nulls = sum(map(len, chunks)), _nulls(chunks)
    if _is_text(kind):
        return text_digest(length, nulls, *_text(kind, chunks))
    head = b"column:" + COUNT(length) + COUNT(len(nulls)) + nulls
    return digest_of(head + b"".join(_values(kind, chunks)))


def _values(kind: Kind, chunks: list[Chunk]) -> list[bytes]:
    """Return the digests of everything but the length and the nulls."""
    if types.is_null(kind):
        return []
    if types.is_dictionary(kind):
        joined: Any = pa.chunked_array(chunks, cast("Any", kind))
        whole = joined.unify_dictionaries().chunks
        words = [whole[0].dictionary] if whole else []
        return [
            column_digest(kind.index_type, [chunk.indices for chunk in whole]),
            column_digest(kind.value_type, words),
        ]
    if types.is_map(kind):
        chunks = [_as_list(chunk) for chunk in chunks]
        kind = chunks[0].type if chunks else pa.list_(pa.null())
    if types.is_struct(kind):
        fields = [chunk.flatten() for chunk in chunks]
        return [
            column_digest(kind.field(at).type, [field[at] for field in fields])
            for at in range(kind.num_fields)
        ]
    if kind.num_fields:
        inner = column_digest(kind.value_type, [chunk.flatten() for chunk in chunks])
        if types.is_fixed_size_list(kind):
            return [inner]
        return [_streamed(map(_lengths, chunks)), inner]
    if types.is_boolean(kind):
        return [_streamed(map(_booleans, _windows(chunks)))]
    return [_streamed(chain.from_iterable(_fixed(chunk) for chunk in chunks))]


def _streamed(pieces: Iterator[Any]) -> bytes:
    hasher = xxh3_128()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def _windows(chunks: list[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        for start in range(0, len(chunk), _WINDOW):
            yield chunk.slice(start, _WINDOW)


def _nulls(chunks: list[Chunk]) -> bytes:
    if not any(chunk.null_count for chunk in chunks):
        return b""
    return _streamed(_bits(window.is_null()) for window in _windows(chunks))


def _bits(array: Chunk) -> Bytes:
    """Return one byte a truth value."""
    first, start = divmod(array.offset, 8)
    packed = np.frombuffer(array.buffers()[1], np.uint8)[first:]
    return np.unpackbits(packed, count=start + len(array), bitorder="little")[start:]


def _lengths(lists: Chunk) -> Bytes:
    lengths: Any = pc.list_value_length(lists)
    return lengths.fill_null(0).to_numpy().astype("<i8")  # type: ignore[no-any-return]


def _booleans(array: Chunk) -> Bytes:
    return _bits(array.fill_null(False) if array.null_count else array)


def _fixed(chunk: Chunk) -> Iterator[Bytes]:
    width = chunk.type.bit_width // 8
    whole = np.frombuffer(chunk.buffers()[1], np.uint8)
    whole = whole[chunk.offset * width : (chunk.offset + len(chunk)) * width]
    if not chunk.null_count:
        yield whole
        return
    for start in range(0, len(chunk), _WINDOW):
        window = chunk.slice(start, _WINDOW)
        values = whole[start * width : (start + len(window)) * width].copy()
        values.reshape(len(window), width)[_bits(window.is_null()).view(bool)] = 0
        yield values


def _is_text(kind: Kind) -> bool:
    return any(asks(kind) for asks in _TEXT)


_TEXT: list[Callable[[Kind], bool]] = [
    types.is_string,
    types.is_large_string,
    types.is_binary,
    types.is_large_binary,
    types.is_string_view,
    types.is_binary_view,
]


def _text(kind: Kind, chunks: list[Chunk]) -> tuple[bytes, bytes]:
    """Return the digests of where the values end and of their bytes."""
    if types.is_string_view(kind):
        chunks = [chunk.cast(pa.large_string()) for chunk in chunks]
    elif types.is_binary_view(kind):
        chunks = [chunk.cast(pa.large_binary()) for chunk in chunks]
    ends, data = xxh3_128(), xxh3_128()
    base = 0
    for given in chunks:
        chunk, offsets = given, _offsets(given)
        if chunk.null_count and _has_text_under_nulls(chunk, offsets):
            chunk = chunk.fill_null("" if _is_string(chunk.type) else b"")
            offsets = _offsets(chunk)
        first, last = int(offsets[0]), int(offsets[-1])
        shift = base - first
        if shift == 0 and offsets.dtype == np.int64:
            ends.update(offsets[1:].data)
        else:
            for start in range(1, len(offsets), _WINDOW):
                ends.update((offsets[start : start + _WINDOW].astype("<i8") + shift).data)
        if last > first:
            data.update(np.frombuffer(chunk.buffers()[2], np.uint8)[first:last].data)
        base += last - first
    return ends.digest(), data.digest()


def text_parts(texts: Sequence[str]) -> tuple[bytes, bytes] | None:
    """Return the digests of where texts end and of their UTF-8; None if they have none."""
    kind = pa.large_string()
    try:
        return _text(kind, [pa.array(texts, kind)])
    except UnicodeEncodeError:  # a lone surrogate
        return None


def nullable_parts(values: Sequence[object]) -> tuple[bytes, bytes, bytes] | None:
    """Return the digests of which texts are null, of where they end, and of their UTF-8.

    None: there is something else among them than texts and nulls, or a lone surrogate.
    """
    kind = pa.large_string()
    try:
        column: Any = pa.array(values, kind, from_pandas=True)
    except (UnicodeEncodeError, pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return _nulls([column]), *_text(kind, [column])


def _is_string(kind: Kind) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _offsets(chunk: Chunk) -> NDArray[Any]:
    is_large = types.is_large_string(chunk.type) or types.is_large_binary(chunk.type)
    offsets = np.frombuffer(chunk.buffers()[1], np.int64 if is_large else np.int32)
    return offsets[chunk.offset : chunk.offset + len(chunk) + 1]


def _has_text_under_nulls(chunk: Chunk, offsets: NDArray[Any]) -> bool:
    for start in range(0, len(chunk), _WINDOW):
        window = offsets[start : start + _WINDOW + 1]
        is_null: Any = chunk.slice(start, _WINDOW).is_null()
        # To look at all places takes a fifth of picking out those of the nulls.
        has_text = np.packbits(window[1:] != window[:-1], bitorder="little")
        packed = np.frombuffer(is_null.buffers()[1], np.uint8)[: len(has_text)]
        if (has_text & packed).any():
            return True
    return False


def _as_list(chunk: Chunk) -> Chunk:
    """Return a map's pairs as a list of structs, which can be flattened."""
    pairs = pa.struct([chunk.type.key_field, chunk.type.item_field])
    inner = pa.StructArray.from_arrays([chunk.keys, chunk.items], fields=list(pairs))
    buffers = chunk.buffers()[:2]
    return pa.Array.from_buffers(
        pa.list_(pairs), len(chunk), buffers, offset=chunk.offset, children=[inner]
    )


def _union(kind: Kind, chunks: list[Chunk]) -> bytes:
    """Digest which child each element is in, and each child's elements that are used."""
    # `type_codes` and `offsets` of a slice are those of the whole.
    codes = [_own(chunk, 1, np.int8) for chunk in chunks]
    digests = [_streamed(iter(codes))]
    for at, code in enumerate(kind.type_codes):
        used = []
        for chunk, own in zip(chunks, codes, strict=True):
            place = np.flatnonzero(own == code)
            if kind.mode == "dense":
                place = _own(chunk, 2, np.int32)[place]
            used.append(chunk.field(at).take(pa.array(place)))
        digests.append(column_digest(kind.field(at).type, used))
    return digest_of(b"union:" + b"".join(digests))


def _own(chunk: Chunk, buffer: int, dtype: type[np.generic]) -> NDArray[Any]:
    return np.frombuffer(chunk.buffers()[buffer], dtype)[chunk.offset :][: len(chunk)]
