"""Takes polars' frames and series apart through Arrow, with the types as polars has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.parts import Known, Parts, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


def _take_frame(value: pl.DataFrame) -> Parts:
    columns = value.get_columns()
    return Parts(
        b"polars frame:",
        (value.shape, *columns),
        label=lambda at: f"[{columns[at - 1].name!r}]" if at else "",
    )


def _take_series(value: pl.Series) -> Parts:
    import polars as pl

    from stagecache.fingerprint.buffers import column_digest

    if value.dtype == pl.Object:
        return Parts(b"polars objects:", (value.name, value.to_list()), label=lambda _: "")
    array = value.to_arrow()
    content = Known(column_digest(array.type, [array]))
    return Parts(b"polars series:", (value.name, value.dtype, array.type, content))


def _refuse_lazy(_: pl.LazyFrame) -> Parts:
    raise Refused(
        "polars.LazyFrame: its data may lie in files that would not count",
        "Pass what `.collect()` returns, or the files.",
    )


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "DataFrame": _take_frame,
    "Series": _take_series,
    "LazyFrame": _refuse_lazy,
}
