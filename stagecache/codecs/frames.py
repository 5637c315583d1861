"""Frames as Arrow tables and a plain header, whatever library they are of; bytes are elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache.codecs.pandas_frames import join_pandas, split_pandas
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS = {
    "pandas": ("DataFrame", "Series", "Index", "MultiIndex", "RangeIndex", "DatetimeIndex",
               "TimedeltaIndex", "PeriodIndex", "CategoricalIndex", "IntervalIndex"),
    "polars": ("DataFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch", "ChunkedArray"),
}  # fmt: skip


def kind_of(value: object) -> str | None:
    """Return for instance ``pandas.DataFrame``, or None if Arrow has no place for `value`.

    Parameters
    ----------
    value : object
        A subclass (a GeoDataFrame) is none of ours.

    Examples
    --------
    >>> kind_of([1, 2]) is None
    True
    """
    for package, names in _KINDS.items():
        module = sys.modules.get(package)
        for name in names if module is not None else ():
            if type(value) is getattr(module, name, None):
                return f"{package}.{name}"
    pyarrow = sys.modules.get("pyarrow")
    return "pyarrow.Array" if pyarrow and isinstance(value, pyarrow.Array) else None


def split(value: Any) -> tuple[Any, list[pa.Table]]:
    """Return the header, a plain value, and the tables of a frame.

    Parameters
    ----------
    value : frame, series, index, table or array
        Of a kind that :func:`kind_of` knows.

    Raises
    ------
    EncodeError
        If Arrow or the header has no form for it.
    """
    import pyarrow as pa

    kind = kind_of(value)
    if kind == "pyarrow.Table":
        return (kind,), [value]
    if kind == "pyarrow.RecordBatch":
        return (kind,), [pa.Table.from_batches([value])]
    if kind in ("pyarrow.Array", "pyarrow.ChunkedArray"):
        return (kind,), [pa.table({"0": value})]
    if kind == "polars.DataFrame":
        return (kind,), [value.to_arrow()]
    if kind == "polars.Series":
        return (kind,), [value.to_frame().to_arrow()]
    if kind is not None:
        header, tables = split_pandas(value)
        return (kind, header), tables
    raise EncodeError(f"{type(value).__qualname__} is no frame")


def join(header: Any, tables: list[pa.Table]) -> Any:
    """Return the frame that :func:`split` took apart, safe to write to.

    Parameters
    ----------
    header : plain value
        As :func:`split` gave it.
    tables : list of pyarrow.Table
        Valid: whoever read them from bytes has checked them.

    Raises
    ------
    DecodeError
        If they do not belong together; damaged headers raise other errors too.
    """
    import pyarrow as pa

    kind, *rest = header
    rows = iter(tables)
    value: Any
    if kind.startswith("pandas."):
        value = join_pandas(rest[0], rows)
    elif kind.startswith("polars."):
        import polars as pl

        try:
            value = pl.from_arrow(next(rows))
        except pl.exceptions.PanicException as panic:  # no Exception: nobody else would catch it
            raise DecodeError(f"polars cannot take the table: {panic}") from panic
        value = value.to_series() if kind == "polars.Series" else value
    elif kind == "pyarrow.Table":
        value = next(rows)
    elif kind == "pyarrow.RecordBatch":
        table = next(rows)
        columns = [column.combine_chunks() for column in table.columns]
        value = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    elif kind == "pyarrow.ChunkedArray":
        value = next(rows).column(0)
    elif kind == "pyarrow.Array":
        value = next(rows).column(0).combine_chunks()
    else:
        raise DecodeError(f"a frame of unknown kind {kind!r}")
    if next(rows, None) is not None:
        raise DecodeError("a frame with tables left over")
    return value
