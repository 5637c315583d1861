"""Arrow data count by type, metadata and values, however they are chunked, sliced or padded."""

from __future__ import annotations

import datetime
import decimal
import pickle

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pytest

from stagecache import FingerprintError
from stagecache.fingerprint.values import fingerprint


def digest(value: object) -> bytes:
    return fingerprint(value).digest


UNION_CODES = pa.array([0, 1, 0, 1], pa.int8())
ARRAYS = {
    "int": pa.array([1, None, 3, 4]),
    "float": pa.array([1.5, None, 2, 3]),
    "half": pa.array([1.5, None, 2, 3], pa.float16()),
    "bool": pa.array([True, None, False, True]),
    "null": pa.nulls(4),
    "string": pa.array(["a", None, "ccc", ""]),
    "large string": pa.array(["a", None, "ccc", ""], pa.large_string()),
    "string view": pa.array(["a", None, "more than twelve bytes", ""], pa.string_view()),
    "binary": pa.array([b"a", None, b"ccc", b""]),
    "binary view": pa.array([b"a", None, b"ccc", b""], pa.binary_view()),
    "fixed": pa.array([b"ab", None, b"cd", b"ef"], pa.binary(2)),
    "list": pa.array([[1], None, [], [2, 3]]),
    "large list": pa.array([["x"], None, [], ["y", None]], pa.large_list(pa.string())),
    "list view": pa.array([[1], None, [], [2, 3]], pa.list_view(pa.int8())),
    "fixed list": pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
    "struct": pa.array([{"a": 1}, None, {"a": None}, {"a": 3}]),
    "map": pa.array([[("a", 1)], None, [], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
    "decimal": pa.array([decimal.Decimal(1), None, decimal.Decimal(2), None]),
    "timestamp": pa.array([1, None, 2, 3], pa.timestamp("ns", "UTC")),
    "duration": pa.array([1, None, 2, 3], pa.duration("s")),
    "date": pa.array([datetime.date(2020, 1, 1), None, None, None]),
    "interval": pa.array([(1, 2, 3), None, (1, 2, 4), None], pa.month_day_nano_interval()),
    "runs": pc.run_end_encode(pa.array([1, 1, None, 4])),
    "dense": pa.UnionArray.from_dense(
        UNION_CODES, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, 2]), pa.array(["a", "b"])]
    ),
    "sparse": pa.UnionArray.from_sparse(
        UNION_CODES, [pa.array([1, 2, 3, 4]), pa.array(["a", "b", "c", "d"])]
    ),
    "nested": pa.array([[{"a": [1]}], None, [], [{"a": None}, {"a": [2, None]}]]),
}


@pytest.fixture(params=ARRAYS)
def array(request):
    return ARRAYS[request.param]


def test_chunks_and_slices_do_not_count(array):
    whole = digest(pa.chunked_array([array]))
    for chunks in ([array[:1], array[1:]], [array[:2], array[2:3], array[3:], array[:0]]):
        assert digest(pa.chunked_array(chunks, array.type)) == whole
    table = pa.table({"x": array})
    assert digest(pa.concat_tables([table[:1], table[1:]])) == digest(table)
    assert digest(array.slice(1, 2)) == digest(pickle.loads(pickle.dumps(array.slice(1, 2))))


def test_a_slice_of_more_is_the_same(array):
    if pa.types.is_union(array.type):
        return  # pyarrow cannot concatenate them
    more = pa.concat_arrays([array[2:], array, array[:3]])
    assert digest(more[2:6]) == digest(array)


def test_every_row_counts(array):
    rows = [array[at : at + 1] for at in range(4)]
    orders = [[0, 1, 2, 3], [3, 1, 2, 0], [0, 2, 1, 3], [0, 1, 2]]
    columns = [pa.chunked_array([rows[at] for at in order], array.type) for order in orders]
    different = len({str(column.to_pylist()) for column in columns})
    assert len({digest(column) for column in columns}) == different
    assert digest(array[:0]) != digest(array)
    assert fingerprint(array[0])
    assert fingerprint(array[1])


def test_types_differ_even_without_rows():
    kinds = [array.type for array in ARRAYS.values()]
    assert len({digest(kind) for kind in kinds}) == len(kinds)
    assert len({digest(pa.schema([("x", kind)])) for kind in kinds}) == len(kinds)
    assert len({digest(pa.chunked_array([], kind)) for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_text_under_a_null_does_not_count_wherever_a_slice_begins(place):
    whole = pa.array([str(number) for number in range(40)], pa.large_string())
    valid = bytearray(b"\xff" * 5)
    valid[place // 8] ^= 1 << place % 8
    buffers = [pa.py_buffer(bytes(valid)), *whole.buffers()[1:]]
    hidden = pa.Array.from_buffers(pa.large_string(), 40, buffers)
    clean = pa.array(hidden.to_pylist(), pa.large_string())
    for start in range(40):
        assert digest(hidden[start:]) == digest(clean[start:])
        assert digest(hidden[start : start + 9]) == digest(clean[start : start + 9])


def test_bytes_under_nulls_do_not_count():
    for full in (pa.array(["a", "b", "c"]), pa.array([1, 2, 3]), pa.array([True, True, False])):
        dirty = pa.Array.from_buffers(
            full.type, 3, [pa.py_buffer(b"\x05"), *full.buffers()[1:]], null_count=1
        )
        clean = pa.array([full[0].as_py(), None, full[2].as_py()])
        assert digest(dirty) == digest(clean) != digest(full)


def test_names_metadata_and_container_count():
    base = pa.table({"a": [1, 2], "b": [3, 4]})
    field = base.schema.field(0)
    values = [
        base,
        base.rename_columns(["a", "a"]),
        base.select(["b", "a"]),
        base.rename_columns(["a, b", ""]),
        base.replace_schema_metadata({"k": "v"}),
        base.cast(pa.schema([field.with_metadata({"k": "v"}), base.schema.field(1)])),
        base.cast(pa.schema([field.with_nullable(False), base.schema.field(1)])),
        base.to_batches()[0],
        base.schema,
        base["a"],
        base["a"].chunk(0),
        base["a"][0],
        pa.table({}),
        base.select([]),
        pa.struct([("a", pa.int64()), ("b", pa.int64())]),
        pa.struct([("a: int64, b", pa.int64())]),
    ]
    assert len({digest(value) for value in values}) == len(values)


def test_a_dataset_is_refused_since_its_files_would_not_count(tmp_path):
    pa.dataset.write_dataset(pa.table({"a": [1]}), tmp_path, format="parquet")
    with pytest.raises(FingerprintError, match="files"):
        fingerprint([pa.dataset.dataset(tmp_path)])
