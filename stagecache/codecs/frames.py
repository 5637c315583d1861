"""Frames as Arrow tables and a header of what Arrow cannot say; the bytes are for the codecs.

A pandas frame is up to three tables: its columns under their positions, the levels of its index,
the levels of its column labels. Positions as names, because Arrow wants them to be text and
unique; labels as a table, because they may be timestamps or of several levels.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
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
    if kind == "pandas.DataFrame":
        index, index_tables = _split_index(value.index)
        labels, label_tables = _split_index(value.columns)
        body = value.set_axis(_positions(value.shape[1]), axis=1).reset_index(drop=True)
        dtypes = [str(dtype) for dtype in value.dtypes]
        header = (kind, index, labels, dtypes, value.shape[0], dict(value.attrs))
        return header, [_table(body), *index_tables, *label_tables]
    if kind == "pandas.Series":
        index, tables = _split_index(value.index)
        body = value.to_frame("0").reset_index(drop=True)
        return (kind, index, value.name, str(value.dtype), dict(value.attrs)), [
            _table(body),
            *tables,
        ]
    if kind is not None:
        index, tables = _split_index(value)
        return ("pandas.Index", index), tables
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
    kind, *rest = header
    rows = iter(tables)
    value: Any
    if kind == "pandas.DataFrame":
        value = _join_frame(rows, *rest)
    elif kind == "pandas.Series":
        index, name, dtype, attrs = rest
        column = _frame(next(rows), [dtype]).iloc[:, 0]
        value = column.set_axis(_join_index(index, rows)).rename(name)
        value.attrs.update(attrs)
    elif kind == "pandas.Index":
        value = _join_index(rest[0], rows)
    elif kind.startswith("polars."):
        import polars as pl

        value = pl.from_arrow(next(rows))
        value = value.to_series() if kind == "polars.Series" else value
    elif kind == "pyarrow.Table":
        value = next(rows)
    elif kind == "pyarrow.RecordBatch":
        (value,) = next(rows).to_batches()
    elif kind == "pyarrow.ChunkedArray":
        value = next(rows).column(0)
    elif kind == "pyarrow.Array":
        value = next(rows).column(0).chunk(0)
    else:
        raise DecodeError(f"a frame of unknown kind {kind!r}")
    if next(rows, None) is not None:
        raise DecodeError("a frame with tables left over")
    return value


def _positions(count: int) -> list[str]:
    return [str(position) for position in range(count)]


def _table(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def _frame(table: pa.Table, dtypes: list[str]) -> pd.DataFrame:
    frame: Any = table.to_pandas()
    if frame.shape[1] != len(dtypes):
        raise DecodeError("a frame whose columns are not those it says")
    for position, dtype in enumerate(dtypes):
        column = frame.iloc[:, position]
        if str(column.dtype) != dtype:
            frame.isetitem(position, column.astype(dtype))
        elif not _is_writable(column.array):
            frame.isetitem(position, column.copy())
    return frame  # type: ignore[no-any-return]


def _is_writable(array: Any) -> bool:
    """Tell whether no memory of `array` lies, read-only, in the sections.

    Arrow hands out numpy memory as read-only wherever it did not copy; an array of a class that
    wraps several (masked, interval) is made by copies, and Arrow's own are immutable.
    """
    memory = getattr(array, "_ndarray", getattr(array, "_codes", None))
    return memory is None or bool(memory.flags.writeable)


def _split_index(index: pd.Index) -> tuple[Any, list[pa.Table]]:
    import pandas as pd

    names = list(index.names)
    if type(index) is pd.RangeIndex:
        return ("range", names, index.start, index.stop, index.step), []
    levels = pd.DataFrame(
        {str(level): index.get_level_values(level) for level in range(index.nlevels)}
    )
    dtypes = [str(dtype) for dtype in levels.dtypes]
    freq = getattr(index, "freqstr", None)
    return (type(index).__name__, names, dtypes, freq), [_table(levels)]


def _join_index(header: Any, tables: Iterator[pa.Table]) -> pd.Index:
    import pandas as pd

    kind, names, *rest = header
    index: pd.Index
    if kind == "range":
        start, stop, step = rest
        return pd.RangeIndex(start, stop, step, name=names[0])
    dtypes, freq = rest
    levels = _frame(next(tables), dtypes)
    if kind == "MultiIndex":
        return pd.MultiIndex.from_frame(levels, names=names)
    index = pd.Index(levels.iloc[:, 0], dtype=levels.dtypes.iloc[0], name=names[0])
    if freq is not None and kind in ("DatetimeIndex", "TimedeltaIndex"):
        index.freq = freq  # type: ignore[attr-defined]
    return index


def _join_frame(
    tables: Iterator[pa.Table], index: Any, labels: Any, dtypes: Any, rows: int, attrs: Any
) -> pd.DataFrame:
    frame = _frame(next(tables), dtypes)
    if not dtypes:
        import pandas as pd

        frame = pd.DataFrame(index=range(rows))
    frame = frame.set_axis(_join_index(index, tables), axis=0)
    frame = frame.set_axis(_join_index(labels, tables), axis=1)
    frame.attrs.update(attrs)
    return frame
