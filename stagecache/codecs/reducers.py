"""How some types are pickled otherwise than by themselves: without copies, without leftovers.

What is put in the stream here is read by whatever version comes later, so a function that a
reducer names stays where it is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache.codecs.files import reduce_file
from stagecache.file import File
from stagecache.sentinels import place_of, standing_at

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Reducer = Callable[[Any], Any]

IN_BAND = 1024
"""Bytes: smaller buffers stay inside the stream, so that a thousand tiny arrays are not as many
sections."""
_MOST_CHUNKS = 64


def reducers() -> dict[type, Reducer]:
    """Return the reducers by exact type, for ``Pickler.dispatch_table``; nothing is imported.

    Examples
    --------
    >>> from stagecache import File
    >>> File in reducers()
    True
    """
    found: dict[type, Reducer] = {File: reduce_file, object: _reduce_bare}
    for package, add in (
        ("numpy", _numpy),
        ("pandas", _pandas),
        ("pyarrow", _pyarrow),
        ("polars", _frames),
    ):
        module = sys.modules.get(package)
        if module is not None:
            found.update(add(module))
    return found


def times(numbers: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return the array that was pickled as numbers.

    Parameters
    ----------
    numbers : ndarray of int64
        Its memory.
    dtype : dtype
        Of times or spans of time.
    """
    return numbers.view(dtype)


def carrying(value: Any, put: dict[str, Any]) -> Any:
    """Return a frame or series with the attributes that somebody had put on it."""
    for name, what in put.items():
        object.__setattr__(value, name, what)
    return value


def _reduce_bare(value: object) -> Any:
    """Pickle a sentinel by where it stands, so that it is found to be the same after a hit."""
    place = place_of(value)
    return (object, ()) if place is None else (standing_at, place)


def _numpy(numpy: Any) -> dict[type, Reducer]:
    return {numpy.ndarray: _reduce_array}


def _pandas(pandas: Any) -> dict[type, Reducer]:
    arrays = getattr(pandas, "arrays", None)  # it may be half imported
    kinds = (getattr(arrays, name, None) for name in ("ArrowStringArray", "ArrowExtensionArray"))
    columns = {kind: _reduce_column for kind in kinds if kind is not None}
    return columns | _frames(pandas)


def _frames(package: Any) -> dict[type, Reducer]:
    kinds = (getattr(package, name, None) for name in ("DataFrame", "Series"))
    return {kind: _reduce_frame for kind in kinds if kind is not None}


def _pyarrow(pyarrow: Any) -> dict[type, Reducer]:
    if not hasattr(pyarrow, "RecordBatch"):
        return {}
    return {pyarrow.ChunkedArray: _reduce_chunks, pyarrow.RecordBatch: _reduce_batch}


def _reduce_array(array: Any) -> Any:
    """Pickle times as numbers: numpy has no buffer for them and copies them into the stream."""
    if (
        array.dtype.kind in "mM"
        and array.nbytes >= IN_BAND
        and (array.flags.c_contiguous or array.flags.f_contiguous)
    ):
        return times, (array.view("i8"), array.dtype)
    return array.__reduce_ex__(5)


def _reduce_column(column: Any) -> Any:
    """Pickle the chunks of a column as they are: pandas would copy them into one."""
    state = dict(column.__dict__)
    chunks = getattr(state.get("_pa_array"), "chunks", ())
    if not 0 < len(chunks) <= _MOST_CHUNKS:
        return column.__reduce_ex__(5)
    import copyreg

    state["_pa_array"] = [_whole(chunk) for chunk in chunks]
    if "_cache" in state:
        state["_cache"] = {}
    return copyreg.__newobj__, (type(column),), state  # type: ignore[attr-defined]


def _reduce_frame(frame: Any) -> Any:
    """Pickle what was put on a frame or series with it: itself it would be without."""
    kept = frame.__dict__
    put = {name: kept[name] for name in kept if name[0] != "_" and name not in frame._accessors}
    if not put:
        return frame.__reduce_ex__(5)
    return carrying, (frame.clone() if hasattr(frame, "clone") else frame.copy(deep=False), put)


def _reduce_chunks(chunked: Any) -> Any:
    import pyarrow as pa

    return pa.chunked_array, ([_whole(chunk) for chunk in chunked.chunks], chunked.type)


def _reduce_batch(batch: Any) -> Any:
    import pyarrow as pa

    columns = [_whole(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays, (columns, None, batch.schema)


def _whole(chunk: Any) -> Any:
    """Return a chunk without what a slice leaves out: Arrow pickles all of its buffers."""
    import pyarrow as pa

    if chunk.get_total_buffer_size() <= chunk.nbytes + chunk.nbytes // 8 + IN_BAND:
        return chunk
    try:
        return pa.concat_arrays([chunk])
    except pa.ArrowNotImplementedError:
        return chunk
