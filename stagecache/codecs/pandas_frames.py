"""What Arrow cannot say of a pandas frame, said beside it in a header; the rest are tables.

A frame is up to three tables: its columns under their positions, the levels of its index, the
levels of its column labels. Positions as names, because Arrow wants them to be text and unique;
labels as a table, because they may be timestamps or of several levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa

_ARROW = "arrow"
"""Stands for the dtype of a column that is Arrow in memory too: the table knows its type."""
_PYTHONS = "python's "
"""Before the dtype of text that Python stores: its name is that of Arrow's."""


def split_pandas(value: Any) -> tuple[Any, list[pa.Table]]:
    """Return the header, a plain value, and the tables.

    Parameters
    ----------
    value : DataFrame, Series or Index
        Anything that Arrow has no type for raises pyarrow's errors.

    Examples
    --------
    >>> import pandas as pd
    >>> header, tables = split_pandas(pd.Series([1, 2], name="a"))
    >>> [table.shape for table in tables]
    [(2, 1)]
    """
    import pandas as pd

    if isinstance(value, pd.Index):
        index, tables = _split_index(value)
        return ("index", index), tables
    index, index_tables = _split_index(value.index)
    if isinstance(value, pd.Series):
        body = value.to_frame("0").reset_index(drop=True)
        header: Any = ("series", index, value.name, _dtypes(body), dict(value.attrs))
        return header, [_table(body), *index_tables]
    labels, label_tables = _split_index(value.columns)
    body = value.set_axis(_positions(value.shape[1]), axis=1).reset_index(drop=True)
    header = ("frame", index, labels, _dtypes(body), len(value), dict(value.attrs))
    return header, [_table(body), *index_tables, *label_tables]


def join_pandas(header: Any, tables: Iterator[pa.Table]) -> Any:
    """Return what :func:`split_pandas` took apart, safe to write to.

    Parameters
    ----------
    header : plain value
        As :func:`split_pandas` gave it; a damaged one raises whatever it leads to.
    tables : iterator of pyarrow.Table
        Those that belong to the value are taken.

    Examples
    --------
    >>> import pandas as pd
    >>> header, tables = split_pandas(pd.Index(["x", "y"], name="k"))
    >>> join_pandas(header, iter(tables)).tolist()
    ['x', 'y']
    """
    import pandas as pd

    match header:
        case "index", index:
            return _join_index(index, tables)
        case "series", index, name, dtypes, attrs:
            column = _frame(next(tables), dtypes).iloc[:, 0]
            value: Any = column.set_axis(_join_index(index, tables)).rename(name)
        case "frame", index, labels, dtypes, rows, attrs:
            value = _frame(next(tables), dtypes) if dtypes else pd.DataFrame(index=range(rows))
            if not dtypes:
                next(tables)
            value = value.set_axis(_join_index(index, tables), axis=0)
            value = value.set_axis(_join_index(labels, tables), axis=1)
        case _:
            raise DecodeError("a pandas value of unknown kind")
    value.attrs.update(attrs)
    return value


def _positions(count: int) -> list[str]:
    return [str(position) for position in range(count)]


def _table(frame: pd.DataFrame) -> pa.Table:
    """Return the columns as Arrow.

    Those that are Arrow already go past pandas's own metadata, whose names of nested types
    cannot be read back.
    """
    import pandas as pd
    import pyarrow as pa

    is_arrow = [isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes]
    others = pa.Table.from_pandas(
        frame.loc[:, [not arrow for arrow in is_arrow]], preserve_index=False
    )
    columns: list[Any] = [
        frame[name].array.__arrow_array__() if arrow else others.column(name)
        for name, arrow in zip(frame.columns, is_arrow, strict=True)
    ]
    table = pa.Table.from_arrays(columns, names=list(frame.columns))
    return table.replace_schema_metadata(others.schema.metadata)


def _dtypes(frame: pd.DataFrame) -> list[str]:
    import pandas as pd

    def name_of(dtype: Any) -> str:
        if isinstance(dtype, pd.ArrowDtype):
            return _ARROW
        is_pythons = isinstance(dtype, pd.StringDtype) and dtype.storage == "python"
        return _PYTHONS * is_pythons + str(dtype)

    return [name_of(dtype) for dtype in frame.dtypes]


def _dtype(name: str) -> Any:
    """Return the dtype of a name, which pandas does not tell of text that Python stores."""
    import pandas as pd

    if not name.startswith(_PYTHONS):
        return name
    missing = pd.NA if name == f"{_PYTHONS}string" else float("nan")
    return pd.StringDtype("python", na_value=missing)


def _frame(table: pa.Table, dtypes: list[str]) -> pd.DataFrame:
    import pandas as pd

    if table.num_columns != len(dtypes):
        raise DecodeError("a frame whose columns are not those it says")
    others = [position for position, dtype in enumerate(dtypes) if dtype != _ARROW]
    frame: Any = table.select(others).to_pandas()
    for place, position in enumerate(others):
        column = frame.iloc[:, place]
        if dtypes[position] == "object" and column.dtype != object:
            frame.isetitem(place, _objects(table.column(position)))
        elif str(column.dtype) != dtypes[position]:
            frame.isetitem(place, column.astype(_dtype(dtypes[position])))
        elif not _is_writable(column.array):
            frame.isetitem(place, column.copy())
    for position, dtype in enumerate(dtypes):
        if dtype == _ARROW:
            array = pd.arrays.ArrowExtensionArray(table.column(position))
            frame.insert(position, str(position), array)
    return frame  # type: ignore[no-any-return]


def _objects(column: pa.ChunkedArray[Any]) -> pd.Series[Any]:
    """Return a column of Python objects, where pandas would make text or numbers of them."""
    import pandas as pd
    import pyarrow as pa

    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return pd.Series(column.to_numpy() if is_text else column.to_pylist(), dtype=object)


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
    if index.dtype == object and index.nlevels == 1:  # labels of mixed types are no column
        return ("objects", names, list(index)), []
    levels = pd.DataFrame(
        {str(level): index.get_level_values(level) for level in range(index.nlevels)}
    )
    freq = getattr(index, "freqstr", None)
    return (type(index).__name__, names, _dtypes(levels), freq), [_table(levels)]


def _join_index(header: Any, tables: Iterator[pa.Table]) -> Any:
    import pandas as pd

    kind, names, *rest = header
    if kind == "range":
        start, stop, step = rest
        return pd.RangeIndex(start, stop, step, name=names[0])
    if kind == "objects":
        return pd.Index(rest[0], dtype=object, name=names[0])
    dtypes, freq = rest
    levels = _frame(next(tables), dtypes)
    if kind == "MultiIndex":
        return pd.MultiIndex.from_frame(levels, names=names)
    index = pd.Index(levels.iloc[:, 0], dtype=levels.dtypes.iloc[0]).rename(names[0])
    if freq is not None and kind in ("DatetimeIndex", "TimedeltaIndex"):
        index.freq = freq
    return index
