"""The codec of frames and tables as Arrow IPC: safe, mapped, readable by other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagecache.codecs.frames import join, kind_of, split
from stagecache.codecs.plain import Plain
from stagecache.codecs.views import check_views
from stagecache.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from typing_extensions import Buffer

    from stagecache.codecs.base import Sections

_header = Plain()


class Arrow:
    """Holds frames of pandas and polars, and tables and arrays of pyarrow.

    Each section after the header is an Arrow IPC stream. Tables are fully validated before
    they are used: a wrong offset would pass the reader, and crash the process later.

    Examples
    --------
    >>> import pandas as pd
    >>> codec = Arrow()
    >>> frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    >>> sections = codec.encode(frame)
    >>> codec.decode([memoryview(section) for section in sections]).equals(frame)
    True
    """

    name = "arrow"
    safe = True

    def accepts(self, value: object) -> bool:
        """Tell whether `value` is a frame, a table or a part of one."""
        return kind_of(value) is not None

    def encode(self, value: object) -> Sections:
        """Return the header, then each table as a stream."""
        try:
            header, tables = split(value)
            return [*_header.encode(header), *map(self._write, tables)]
        except EncodeError:
            raise
        except Exception as error:
            raise EncodeError(f"{type(error).__name__}: {error}") from error

    def decode(self, sections: Sequence[memoryview]) -> object:
        """Return the value; immutable parts of it may live in the sections."""
        header = _header.decode(sections[:1])
        try:
            tables = [self._read(section) for section in sections[1:]]
            for table in tables:
                table.validate(full=True)
                check_views(table)
            return join(header, tables)
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(f"damaged table: {type(error).__name__}: {error}") from error

    def _write(self, table: pa.Table) -> Buffer:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return memoryview(sink.getvalue())

    def _read(self, section: memoryview) -> pa.Table:
        import pyarrow as pa

        return pa.ipc.open_stream(pa.py_buffer(section)).read_all()
