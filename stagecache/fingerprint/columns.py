"""Takes pandas' extension arrays apart, which are the columns that numpy has no dtype for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.arrays import contents_but
from stagecache.fingerprint.parts import Known, Parts, framed
from stagecache.fingerprint.strings import nullable_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


def _take_categorical(value: pd.Categorical) -> Parts:
    return Parts(
        b"categorical:",
        (value.codes, value.categories, value.ordered),
        label=("", ".categories", "").__getitem__,
    )


def _take_masked(value: Any) -> Parts:
    content = contents_but(value._data, value._mask)
    mask = value._mask if value._mask.any() else None
    return Parts(b"masked:" + framed(str(value.dtype)), (len(value), Known(content), mask))


def _take_text(value: Any) -> Parts:
    """Take a column of strings; who stores them counts, for Arrow folds some letters otherwise."""
    if hasattr(value, "_pa_array"):
        from stagecache.fingerprint.buffers import column_digest

        chunks = value.__arrow_array__()
        digest = column_digest(chunks.type, chunks.chunks)
    else:
        digest = nullable_digest(value.to_numpy(object).tolist())
    return Parts(b"text:", (value.dtype.na_value, value.dtype.storage, Known(digest)))


def _take_arrow(value: Any) -> Parts:
    from stagecache.fingerprint.buffers import column_digest

    chunks = value.__arrow_array__()
    return Parts(b"arrow:", (chunks.type, Known(column_digest(chunks.type, chunks.chunks))))


def _take_datetimes(value: Any) -> Parts:
    return Parts(b"datetimes:", (value.unit, value.tz, value.asi8))


def _take_timedeltas(value: Any) -> Parts:
    return Parts(b"timedeltas:", (value.unit, value.asi8))


def _take_periods(value: Any) -> Parts:
    return Parts(b"periods:", (value.dtype.freq, value.asi8))


def _take_intervals(value: Any) -> Parts:
    return Parts(b"intervals:", (value.closed, value.left, value.right))


def _take_sparse(value: Any) -> Parts:
    index = value.sp_index
    places = index.to_int_index().indices
    about = (value.dtype.subtype, value.fill_value, value.kind, len(value))
    return Parts(b"sparse:", (*about, places, value.sp_values))


def _take_numpy(value: Any) -> Parts:
    return Parts(b"numpy column:", (value.to_numpy(),), label=lambda _: "")


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "Categorical": _take_categorical,
    "BaseMaskedArray": _take_masked,
    "ArrowStringArray": _take_text,
    "StringArray": _take_text,
    "ArrowExtensionArray": _take_arrow,
    "DatetimeArray": _take_datetimes,
    "TimedeltaArray": _take_timedeltas,
    "PeriodArray": _take_periods,
    "IntervalArray": _take_intervals,
    "SparseArray": _take_sparse,
    "NumpyExtensionArray": _take_numpy,
}
