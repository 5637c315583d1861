"""Takes polars' frames and series apart through Arrow, with the types as polars has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stagecache.fingerprint.looking import own_names
from stagecache.fingerprint.parts import Known, Parts

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


def _take_frame(value: pl.DataFrame) -> Parts:
    columns = value.get_columns()
    return Parts(
        b"polars frame:",
        (value.shape, *columns, *_put_on(value)),
        label=lambda at: f"[{columns[at - 1].name!r}]" if 0 < at <= len(columns) else "",
    )


def _put_on(value: Any) -> list[object]:
    """Return what somebody put on a frame or series, which a body may read."""
    kept = own_names(value)
    return [[name, kept[name]] for name in sorted(kept.keys() - _OWN - value._accessors)]


_OWN = {"_df", "_s"}


def _take_series(value: pl.Series) -> Parts:
    import polars as pl
    import pyarrow as pa

    from stagecache.fingerprint.buffers import column_digest

    about = (value.name, value.dtype, *_put_on(value))
    if value.dtype == pl.Object:
        return Parts(b"polars objects:", (*about, value.to_list()), label=lambda _: "")
    try:
        array = value.to_arrow()
    except pa.ArrowInvalid:  # Arrow has no integers of 128 bits
        return Parts(b"polars values:", (*about, value.to_list()), label=lambda _: "")
    content = Known(column_digest(array.type, [array]))
    return Parts(b"polars series:", (*about, array.type, content))


def _take_expression(value: pl.Expr) -> Parts:
    """Take an expression with the functions of Python in it, which polars pickles by name."""
    import io
    import pickle

    state = value.__getstate__()
    plain, functions, start = [], [], 0
    while (mark := state.find(_FUNCTION, start)) >= 0 and (at := state.find(_PICKLE, mark)) >= 0:
        stream = io.BytesIO(state[at:])
        functions.append(pickle.load(stream))  # made a moment ago of what lives in this process
        sizes = 3 if state[mark - 3] == _SIZE_FOLLOWS else 0  # how long it is, is not what it is
        plain.append(state[start : mark - sizes] + state[mark:at])
        start = at + stream.tell()
    plain.append(state[start:])
    return Parts(b"polars expression:", (*plain, *functions), label=lambda _: "")


_FUNCTION, _PICKLE, _SIZE_FOLLOWS = b"PLPYFN", b"\x80\x05\x95", 0xFB


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "DataFrame": _take_frame,
    "Series": _take_series,
    "Expr": _take_expression,
}
