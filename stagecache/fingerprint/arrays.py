"""Takes numpy's arrays, scalars, dtypes and random generators apart.

Contents count in C order whatever the order in memory. Up to 64 KiB every NaN counts as the same;
beyond that NaNs count by their bits, since looking for them would cost as much as the hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xxhash import xxh3_128

from stagecache.fingerprint.names import name_of
from stagecache.fingerprint.objects import take_object
from stagecache.fingerprint.parts import COUNT, Known, Parts, digest_of, framed
from stagecache.fingerprint.strings import strings_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_CHUNK = 1 << 20
_SMALL = 1 << 16
_GLOBAL: Any = getattr(np.random.mtrand, "_rand", None)
"""What draws for the functions of ``np.random``, and what frozen distributions hold."""
_PLAIN = frozenset("biufcmMSU")
"""Kinds of dtype whose string says all and whose bytes are the value."""


def contents(array: NDArray[Any]) -> bytes:
    """Return the digest of an array's bytes in C order; copies at most a megabyte at a time."""
    if array.nbytes == 0:
        return digest_of(b"")
    if array.dtype.kind in "fc":
        array = _canonical_floats(array)
    if array.flags.c_contiguous:
        return digest_of(_bytes(array))
    hasher = xxh3_128()
    for piece in _pieces(array):
        hasher.update(_bytes(np.ascontiguousarray(piece)))
    return hasher.digest()


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def contents_but(data: NDArray[Any], mask: NDArray[np.bool_]) -> bytes:
    """Return :func:`contents` of a column as if nothing lay under its mask."""
    if not mask.any():
        return contents(data)
    hasher = xxh3_128()
    step = _CHUNK // data.itemsize
    for start in range(0, len(data), step):
        part = data[start : start + step].copy()
        part[mask[start : start + step]] = 0
        hasher.update(_bytes(part))
    return hasher.digest()


def columns_contents(block: NDArray[Any]) -> list[bytes]:
    """Return :func:`contents` of each row of `block`, reading each cache line once.

    Made for pandas' blocks, which hold a column in each row; where they view an array of
    records, the elements of one column lie far apart.
    """
    if block.strides[-1] == block.itemsize or block.nbytes <= _SMALL * len(block):
        return [contents(column) for column in block]
    hashers = [xxh3_128() for _ in block]
    step = max(1, _CHUNK // (len(block) * block.itemsize))
    for start in range(0, block.shape[1], step):
        rows = np.ascontiguousarray(block[:, start : start + step])
        for hasher, row in zip(hashers, rows, strict=True):
            hasher.update(_bytes(row))
    return [hasher.digest() for hasher in hashers]


def array_digest(dtype: np.dtype[Any], shape: tuple[int, ...], content: bytes) -> bytes:
    """Return the digest of an exact ndarray with a plain dtype."""
    sizes = b"".join([COUNT(size) for size in shape])
    return digest_of(b"ndarray:" + framed(dtype.str, sizes) + content)


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Tell whether :func:`array_digest` is for this dtype."""
    return dtype.kind in _PLAIN and dtype.metadata is None and dtype.char not in "gG"


def _canonical_floats(array: NDArray[Any]) -> NDArray[Any]:
    if array.nbytes > _SMALL:
        return array
    is_nan = np.isnan(array)
    if not is_nan.any():
        return array
    if array.dtype.kind == "f":
        return np.where(is_nan, np.asarray(np.nan, array.dtype), array)
    copy = np.array(array, order="C")
    for part in (copy.real, copy.imag):
        part[np.isnan(part)] = np.nan
    return copy


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if array.nbytes <= _CHUNK or array.flags.c_contiguous:
        yield array
    elif len(array) == 1:
        yield from _pieces(array[0])
    else:
        step = max(1, len(array) * _CHUNK // array.nbytes)
        for start in range(0, len(array), step):
            yield from _pieces(array[start : start + step])


def _take_array(value: NDArray[Any]) -> Parts | bytes:
    kind = type(value)
    if kind is np.ndarray or kind is np.memmap:
        return _take_exact(value.view(np.ndarray))
    name, ref = name_of(kind)
    return Parts(
        b"ndarray subclass:" + name,
        (value.view(np.ndarray), object.__getstate__(value)),  # attributes and slots
        ref=ref,
        label=("", ".__dict__").__getitem__,
    )


def _take_exact(value: NDArray[Any]) -> Parts | bytes:
    dtype = value.dtype
    if is_plain(dtype):
        return array_digest(dtype, value.shape, contents(value))
    if dtype.names is not None:  # bytes between the fields are anything
        fields = [value[name] for name in dtype.names]
        return Parts(
            b"structured array:",
            (dtype, value.shape, *fields),
            label=lambda at: f"[{dtype.names[at - 2]!r}]",  # type: ignore[index]
        )
    if dtype.kind in "OT":
        return _take_elements(value)
    if dtype.char in "gG":
        return _take_long(value)
    return Parts(b"array:", (dtype, value.shape, Known(contents(value))))


def _take_elements(value: NDArray[Any]) -> Parts:
    elements = value.reshape(-1).tolist()
    strings = strings_digest(elements)
    children = elements if strings is None else [Known(strings)]

    def label(at: int) -> str:
        place = np.unravel_index(at - 2, value.shape)
        return f"[{', '.join(str(number) for number in place)}]"

    return Parts(b"object array:", [value.dtype, value.shape, *children], label=label)


def _take_long(value: NDArray[Any]) -> Parts:
    """Leave out the bytes that pad an 80-bit number to 128."""
    used = 10 if np.finfo(value.dtype).nmant == 63 else np.dtype("g").itemsize
    flat = np.ascontiguousarray(value).reshape(-1).view(np.dtype("g"))
    numbers = flat.view(np.uint8).reshape(len(flat), -1)[:, :used]
    return Parts(b"long double array:", (value.dtype.str, value.shape, Known(contents(numbers))))


def _take_masked(value: np.ma.MaskedArray[Any, Any]) -> Parts | bytes:
    if value is np.ma.masked:
        return digest_of(b"masked:")
    if type(value) is not np.ma.MaskedArray:
        return take_object(value)
    if value.dtype.names is not None:
        fields = [value[name] for name in value.dtype.names]
        return Parts(b"masked records:", (value.dtype, value.shape, value.fill_value, *fields))
    mask = np.ma.getmaskarray(value)
    data = np.array(value.data)
    data[mask] = np.zeros((), data.dtype)  # what lies under the mask is no data
    return Parts(b"masked array:", (data, mask, value.fill_value, value.hardmask))


def _take_scalar(value: np.generic) -> Parts | bytes:
    dtype = value.dtype
    if not is_plain(dtype):
        return Parts(b"numpy scalar:", (np.asarray(value),), label=lambda _: "")
    return digest_of(b"numpy scalar:" + framed(dtype.str) + contents(np.asarray(value)))


def _take_dtype(value: np.dtype[Any]) -> Parts:
    if value.names is not None and value.fields is not None:
        fields = [(name, *value.fields[name]) for name in value.names]
        layout: tuple[Any, ...] = (fields, value.itemsize, value.isalignedstruct)
    elif value.subdtype is not None:
        layout = value.subdtype
    elif value.kind == "T":
        layout = value.__reduce__()[1:]  # type: ignore[assignment]
    else:
        layout = (value.name,)
    metadata = None if value.metadata is None else dict(value.metadata)
    of_its_own = () if value.kind != "V" or value.type is np.void else (value.type,)  # np.record
    children = (*layout, metadata, *of_its_own)
    return Parts(b"dtype:" + framed(value.str), children, label=lambda _: ".dtype")


def _take_generator(value: np.random.Generator) -> Parts:
    return Parts(b"random generator:", (value.bit_generator,), label=lambda _: ".bit_generator")


def _take_random_state(value: np.random.RandomState) -> Parts | bytes:
    if value is _GLOBAL and value._bit_generator._seed_seq is not None:
        return digest_of(b"random state:the process's own")  # nobody chose its seed
    return Parts(b"random state:", (value.get_state(legacy=False),))


def _take_bit_generator(value: np.random.BitGenerator) -> Parts:
    name, ref = name_of(type(value))
    return Parts(
        b"bit generator:" + name,
        (value.state, value.seed_seq),
        ref=ref,
        label=(".state", ".seed_seq").__getitem__,
    )


def _take_seed_sequence(value: np.random.SeedSequence) -> Parts:
    return Parts(b"seed sequence:", (value.state,))


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "ndarray": _take_array,
    "MaskedArray": _take_masked,
    "generic": _take_scalar,
    "dtype": _take_dtype,
    "Generator": _take_generator,
    "RandomState": _take_random_state,
    "BitGenerator": _take_bit_generator,
    "SeedSequence": _take_seed_sequence,
}
