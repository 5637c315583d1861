"""Whether the views of Arrow's text and binary views lead to where bytes are, under nulls too.

``validate(full=True)`` skips what is null, and a cast reads it all the same: a wrong length there
ended the process (pyarrow 26). The layout is that of
https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import DecodeError

if TYPE_CHECKING:
    import pyarrow as pa

_SHORT = 12
"""Bytes that lie in the view itself."""


def check_views(table: pa.Table) -> None:
    """Look at every view in a table that was validated otherwise.

    Raises
    ------
    DecodeError
        If one leads elsewhere.
    """
    waiting: list[Any] = [chunk for column in table.columns for chunk in column.chunks]
    while waiting:
        array = waiting.pop()
        waiting += _inside(array)
        if array.type.id in _view_types() and len(array):
            _check(array)


def _inside(array: Any) -> list[Any]:
    """Return the arrays that an array is made of, with what no value of it shows."""
    import pyarrow as pa

    if isinstance(array, pa.ExtensionArray):
        return [array.storage]
    if isinstance(array, pa.DictionaryArray):
        return [array.dictionary]
    if isinstance(array, (pa.StructArray, pa.UnionArray)):
        return [array.field(number) for number in range(array.type.num_fields)]
    values = getattr(array, "values", None)  # of lists, maps, run ends
    return [] if values is None else [values]


def _check(array: Any) -> None:
    import numpy as np

    _, views, *data = array.buffers()
    numbers = np.frombuffer(views, "<i4", 4 * len(array), 16 * array.offset).reshape(-1, 4)
    lengths = numbers[:, 0].astype(np.int64)
    if (lengths < 0).any():
        raise DecodeError("damaged table: a text of negative length")
    where = numbers[lengths > _SHORT].astype(np.int64)
    if len(where):
        sizes = np.array([0 if buffer is None else buffer.size for buffer in data], np.int64)
        buffers, starts = where[:, 2], where[:, 3]
        if (buffers < 0).any() or (buffers >= len(sizes)).any() or (starts < 0).any() or (
            starts + where[:, 0] > sizes[buffers]
        ).any():  # fmt: skip
            raise DecodeError("damaged table: a text that lies elsewhere")


def _view_types() -> tuple[int, int]:
    import pyarrow as pa

    return pa.string_view().id, pa.binary_view().id
