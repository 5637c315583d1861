"""Takes pandas' frames, series and indexes apart: labels, columns and everything said about them.

What a column is made of is decided by ``columns`` and ``arrays``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stagecache.fingerprint.arrays import array_digest, columns_contents, is_plain
from stagecache.fingerprint.containers import short
from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.names import name_of
from stagecache.fingerprint.parts import Known, Parts

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_ATTRIBUTES: dict[str, Any] = {}


def _take_frame(value: pd.DataFrame) -> Parts:
    labels = value.columns
    about = _about(value)
    children = [labels, value.index, *about, *_columns(value)]
    first = 2 + len(about)

    def label(at: int) -> str:
        if at < first:
            return (".columns", ".index", "")[min(at, 2)]
        return f"[{short(labels[at - first])}]"

    name, ref = name_of(type(value))
    return Parts(b"DataFrame:" + name, children, ref=ref, label=label)


def _take_series(value: pd.Series[Any]) -> Parts:
    name, ref = name_of(type(value))
    return Parts(
        b"Series:" + name,
        (_unwrapped(value.array), value.index, value.name, *_about(value)),
        ref=ref,
        label=lambda at: ("", ".index", ".name", "")[min(at, 3)],
    )


def _about(value: Any) -> list[object]:
    """Return what a frame or series carries beside its data, with what a subclass declares.

    And with what somebody put on it: pandas would drop that at the next step, a body may read it.
    """
    about = [value.attrs or _NO_ATTRIBUTES, value.flags.allows_duplicate_labels]
    declared = [name for name in type(value)._metadata if name != "_name"]
    if declared and declared != ["name"]:
        about.append({name: getattr(value, name, None) for name in declared})
    kept = own_names(value)
    put = [name for name in kept if name[0] != "_"]  # what is pandas' own begins with that
    about += [[name, kept[name]] for name in sorted({*put} - {*declared} - value._accessors)]
    return about


def _columns(frame: pd.DataFrame) -> list[object]:
    """Return the columns in order: digested if they lie in a block of numbers, else as arrays."""
    columns: list[object] = [None] * frame.shape[1]
    for block in frame._mgr.blocks:
        values, places = block.values, block.mgr_locs.as_array.tolist()
        if type(values) is np.ndarray and is_plain(values.dtype):
            shape = values.shape[1:]
            for place, content in zip(places, columns_contents(values), strict=True):
                columns[place] = Known(array_digest(values.dtype, shape, content))
        elif values.ndim == 2:
            for at, place in enumerate(places):
                columns[place] = values[at]
        else:
            columns[places[0]] = values
    return columns


def _unwrapped(array: Any) -> Any:
    """Return the numpy array in what pandas wraps one in."""
    return array.to_numpy() if type(array) is pd.arrays.NumpyExtensionArray else array


def _take_index(value: pd.Index[Any]) -> Parts:
    name, ref = name_of(type(value))
    return Parts(b"Index:" + name, (_unwrapped(value.array), value.name), ref=ref)


def _take_times(value: pd.DatetimeIndex | pd.TimedeltaIndex) -> Parts:
    name, ref = name_of(type(value))
    return Parts(b"Index:" + name, (value.array, value.name, value.freq), ref=ref)


def _take_range(value: pd.RangeIndex) -> Parts:
    return Parts(b"RangeIndex:", (value.start, value.stop, value.step, value.name))


def _take_levels(value: pd.MultiIndex) -> Parts:
    return Parts(b"MultiIndex:", (list(value.names), *value.levels, *value.codes))


def _take_moment(value: pd.Timestamp | pd.Timedelta) -> Parts:
    zone = value.tzinfo if isinstance(value, pd.Timestamp) else None
    fold = value.fold if isinstance(value, pd.Timestamp) else 0
    name, ref = name_of(type(value))
    return Parts(b"moment:" + name, (value.asm8, zone, fold), ref=ref)


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "DataFrame": _take_frame,
    "Series": _take_series,
    "Index": _take_index,
    "DatetimeIndex": _take_times,
    "TimedeltaIndex": _take_times,
    "RangeIndex": _take_range,
    "MultiIndex": _take_levels,
    "Timestamp": _take_moment,
    "Timedelta": _take_moment,
}
