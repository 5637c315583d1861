"""An exact description of values, written apart from the fingerprints that the engine uses."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

from stagecache.file import File


def describe(value: Any) -> bytes:
    return repr(_describe(value)).encode("utf-8", "surrogatepass")


def _describe(value: Any) -> Any:
    kind = type(value).__qualname__
    if isinstance(value, float) and type(value) is float:
        return kind, struct.pack(">d", value) if value == value else "nan"
    if type(value) is int:
        return kind, hex(value)
    if type(value) in (list, tuple):
        return kind, [_describe(item) for item in value]
    if type(value) is dict:
        return kind, [(_describe(key), _describe(item)) for key, item in value.items()]
    if type(value) in (set, frozenset):
        return kind, sorted(map(repr, map(_describe, value)))
    if isinstance(value, File):
        return kind, value.counted_name, value.read_bytes(), os.stat(value).st_mode
    module = type(value).__module__.partition(".")[0]
    if module in ("numpy", "pandas", "pyarrow", "polars") and module in sys.modules:
        return kind, globals()[f"_{module}"](value)
    return kind, repr(value)


def _numpy(value: Any) -> Any:
    import numpy as np

    array = np.asarray(value)
    content = list(map(_describe, array.ravel())) if array.dtype.hasobject else array.tobytes()
    return type(value), str(array.dtype), array.dtype.metadata, array.shape, content


def _pandas(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        columns = [_pandas(value.iloc[:, position]) for position in range(value.shape[1])]
        return _pandas(value.index), _pandas(value.columns), columns, _describe(value.attrs)
    if isinstance(value, pd.Series):
        cells = [_describe(cell) for cell in value]
        index = _pandas(value.index)
        return repr(value.dtype), value.name, cells, index, _describe(value.attrs)
    if isinstance(value, pd.MultiIndex):
        levels = [_pandas(value.get_level_values(level)) for level in range(value.nlevels)]
        return value.names, levels
    if isinstance(value, pd.Index):
        cells = [_describe(cell) for cell in value]
        name = _describe(value.name)
        return type(value), repr(value.dtype), name, getattr(value, "freq", None), cells
    return repr(value)


def _pyarrow(value: Any) -> Any:
    schema = getattr(value, "schema", None)
    return type(value), str(value.type if schema is None else schema), value.to_pylist()


def _polars(value: Any) -> Any:
    return (
        type(value),
        repr(getattr(value, "schema", value)),
        value.to_list() if hasattr(value, "to_list") else value.rows(),
    )


@pytest.fixture(scope="session")
def exactly() -> Callable[[Any], bytes]:
    """Bytes that are equal only for exactly the same value."""
    return describe
