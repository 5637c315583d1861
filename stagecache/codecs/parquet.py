"""The codec of frames and tables as Parquet: a third of Arrow's size, several times its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.codecs.arrow import Arrow

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Buffer


class Parquet(Arrow):
    """Holds what :class:`stagecache.codecs.arrow.Arrow` holds, compressed with zstd.

    Examples
    --------
    >>> import pandas as pd
    >>> codec = Parquet()
    >>> frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    >>> sections = codec.encode(frame)
    >>> codec.decode([memoryview(section) for section in sections]).equals(frame)
    True
    """

    name = "parquet"
    safe = True

    def _write(self, table: pa.Table) -> Buffer:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        return memoryview(sink.getvalue())

    def _read(self, section: memoryview) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.ParquetFile(pa.BufferReader(pa.py_buffer(section))).read()
