"""Takes Arrow's tables, arrays, scalars and schemas apart: type and metadata, then buffers.

How a column was chunked, sliced or offset, and what lies under its nulls, does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stagecache.fingerprint.buffers import column_digest
from stagecache.fingerprint.containers import short
from stagecache.fingerprint.parts import Known, Parts, digest_of, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _take_type(value: Any) -> Parts:
    """Take a type; its ``str`` would not tell a comma in a field's name from one between two."""
    if isinstance(value, pa.BaseExtensionType):
        storage = value.storage_type
        if isinstance(value, pa.ExtensionType):
            described: tuple[Any, ...] = (value.extension_name, value.__arrow_ext_serialize__())
        else:
            described = (value.extension_name, str(value))
        return Parts(b"extension type:", (type(value).__qualname__, storage, *described))
    if pa.types.is_dictionary(value):
        return Parts(b"dictionary type:", (value.index_type, value.value_type, bool(value.ordered)))
    if pa.types.is_map(value):
        return Parts(b"map type:", (value.key_field, value.item_field, bool(value.keys_sorted)))
    if pa.types.is_run_end_encoded(value):
        return Parts(b"run end type:", (value.run_end_type, value.value_type))
    if pa.types.is_union(value):
        fields = [value.field(at) for at in range(value.num_fields)]
        return Parts(b"union type:", (value.mode, list(value.type_codes), *fields))
    if value.num_fields:
        size = value.list_size if pa.types.is_fixed_size_list(value) else None
        fields = [value.field(at) for at in range(value.num_fields)]
        return Parts(b"nested type:", (value.id, size, *fields))
    return Parts(b"type:" + framed(str(value)))


def _take_field(value: Any) -> Parts:
    return Parts(b"field:", (value.name, value.type, value.nullable, _metadata(value.metadata)))


def _take_schema(value: Any) -> Parts:
    return Parts(b"schema:", (_metadata(value.metadata), *value))


def _metadata(metadata: dict[bytes, bytes] | None) -> list[tuple[bytes, bytes]]:
    return sorted(dict(metadata or {}).items())


def _take_array(value: Any) -> Parts:
    kind = b"array:" if isinstance(value, pa.Array) else b"chunked array:"
    return Parts(kind, (value.type, *_content(value)))


def _take_table(value: Any) -> Parts:
    kind = b"table:" if isinstance(value, pa.Table) else b"record batch:"
    names = value.schema.names
    columns: list[Any] = []
    for column in value.columns:
        content = _content(column)
        columns.append(content[0] if len(content) == 1 else content)

    return Parts(
        kind,
        (value.schema, value.num_rows, *columns),
        label=lambda at: f"[{short(names[at - 2])}]" if at > 1 else ".schema",
    )


def _content(value: Any) -> Sequence[Any]:
    chunks = value.chunks if isinstance(value, pa.ChunkedArray) else [value]
    return (Known(column_digest(value.type, chunks)),)


def _take_scalar(value: Any) -> Parts:
    return Parts(b"scalar:", (pa.repeat(value, 1),))


def _take_buffer(value: Any) -> bytes:
    return digest_of(b"buffer:" + digest_of(value))


TAKERS: dict[str, Callable[[Any], Parts | bytes]] = {
    "DataType": _take_type,
    "Field": _take_field,
    "Schema": _take_schema,
    "Array": _take_array,
    "ChunkedArray": _take_array,
    "Table": _take_table,
    "RecordBatch": _take_table,
    "Scalar": _take_scalar,
    "Buffer": _take_buffer,
    "KeyValueMetadata": lambda value: Parts(b"metadata:", (_metadata(value),)),
}
