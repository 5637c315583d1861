"""The table of native readers and writers: which argument of which function names a file.

Covered, however they are imported: of pyarrow the readers and writers of Parquet, CSV, JSON,
Feather, ORC, IPC and datasets, ``memory_map`` and the streams by path; of polars ``read_*``,
``scan_*``, ``write_*`` and ``sink_*``; of DuckDB the readers, ``connect`` and the paths that a
query names as literals; of pandas Parquet. And what is handed to processes of ``multiprocessing``
and of loky, for what these open is not seen here.

Unseen, because C types cannot be wrapped without breaking ``isinstance``:
``pyarrow.fs.LocalFileSystem`` and the datasets made from its files, ``pyarrow.OSFile``,
``pyarrow.csv.CSVWriter``; and functions that somebody bound before the first stage ran elsewhere
than in a module, a dict or a list (a default argument, a tuple). There the files that a body is
given as arguments still count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stagecache.fingerprint.reads.batches import calls, goes_on
from stagecache.fingerprint.reads.handed import handed, starts
from stagecache.fingerprint.reads.sources import (
    asks,
    binds,
    connects,
    fills,
    hands,
    maps,
    reads,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Bypass(NamedTuple):
    """One function that opens a file past the hook."""

    name: str
    """Of the function in its module, or ``Class.method``."""
    position: int
    """Of the argument, ``self`` counted."""
    keyword: str
    tell: Callable[[Any, Any], Any]
    """Takes the argument and the keywords; what it returns is called afterwards."""
    gives: bool = False
    """Whether it takes the argument and the first one, and returns what to pass instead."""


def _all(
    pattern: str, names: str, position: int, keyword: str, tell: Any, *, gives: bool = False
) -> list[Bypass]:
    return [Bypass(pattern.format(name), position, keyword, tell, gives) for name in names.split()]


_SUBMIT = Bypass("ProcessPoolExecutor.submit", 1, "fn", handed, gives=True)
_LOKY = [
    Bypass("ProcessPoolExecutor.__init__", 6, "initializer", handed, gives=True),
    _SUBMIT,
]
_POOLED = "apply_async _map_async imap imap_unordered"
_CONNECTION = "DuckDBPyConnection.{}"
_RELATION = "DuckDBPyRelation.{}"
_QUERIES = "sql query execute executemany from_query"
_DUCKDB_READS = "read_csv read_json read_parquet from_csv_auto from_parquet"

BYPASSES: dict[str, list[Bypass]] = {
    "multiprocessing.process": [
        Bypass("BaseProcess.start", 0, "self", starts),
    ],
    "multiprocessing.pool": [
        Bypass("Pool.__init__", 2, "initializer", handed, gives=True),
        *_all("Pool.{}", _POOLED, 1, "func", handed, gives=True),
    ],
    "concurrent.futures.process": [
        Bypass("ProcessPoolExecutor.__init__", 3, "initializer", handed, gives=True),
        _SUBMIT,
    ],
    "joblib.parallel": [
        Bypass("Parallel.__call__", 0, "self", calls),
        Bypass("Parallel.dispatch_next", 0, "self", goes_on),
    ],
    **dict.fromkeys(("loky.process_executor", "joblib.externals.loky.process_executor"), _LOKY),
    "multiprocessing.reduction": [Bypass("ForkingPickler.dumps", 0, "obj", hands)],
    "loky.backend.reduction": [Bypass("dumps", 0, "obj", hands)],
    "joblib.externals.loky.backend.reduction": [Bypass("dumps", 0, "obj", hands)],
    "pyarrow": [
        Bypass("memory_map", 0, "path", maps),
        Bypass("create_memory_map", 0, "path", writes),
        Bypass("input_stream", 0, "source", reads),
        Bypass("output_stream", 0, "source", writes),
    ],
    "pyarrow._csv": [
        *_all("{}", "read_csv open_csv", 0, "input_file", reads),
        Bypass("write_csv", 1, "output_file", writes),
    ],
    "pyarrow._json": _all("{}", "read_json open_json", 0, "input_file", reads),
    "pyarrow.parquet.core": [
        # Their classes are wrapped in place: whoever bound read_table before still reaches them.
        Bypass("ParquetFile.__init__", 1, "source", reads),
        Bypass("ParquetDataset.__init__", 1, "path_or_paths", reads),
        Bypass("ParquetWriter.__init__", 1, "where", writes),
        *_all("{}", "read_metadata read_schema", 0, "where", reads),
        Bypass("write_metadata", 1, "where", writes),
    ],
    "pyarrow.dataset": [
        *_all("{}", "dataset _filesystem_dataset", 0, "source", reads),
        Bypass("parquet_dataset", 0, "metadata_path", reads),
        Bypass("write_dataset", 1, "base_dir", fills),
    ],
    "pyarrow.feather": [
        *_all("{}", "read_table read_feather _read_table_internal", 0, "source", reads),
        Bypass("FeatherDataset.__init__", 1, "path_or_paths", reads),
        Bypass("write_feather", 1, "dest", writes),
    ],
    "pyarrow.ipc": [
        *_all("RecordBatch{}Reader.__init__", "File Stream", 1, "source", reads),
        *_all("RecordBatch{}Writer.__init__", "File Stream", 1, "sink", writes),
    ],
    "pyarrow.orc": [
        Bypass("ORCFile.__init__", 1, "source", reads),
        Bypass("read_table", 0, "source", reads),
        Bypass("ORCWriter.__init__", 1, "where", writes),
    ],
    "pandas.io.parquet": [
        # It opens what it writes as a pyarrow.OSFile, of which nothing is seen.
        Bypass("read_parquet", 0, "path", reads),
        Bypass("to_parquet", 1, "path", writes),
    ],
    "polars": [
        *_all(
            "read_{}",
            "avro csv csv_batched delta excel ipc ipc_schema ipc_stream json lines ndjson ods "
            "parquet parquet_metadata parquet_schema",
            0, "source", reads,
        ),
        *_all("scan_{}", "csv delta ipc lines ndjson parquet", 0, "source", reads),
        *_all("{}.deserialize", "DataFrame LazyFrame", 0, "source", reads),
        *_all(
            "DataFrame.write_{}", "avro csv ipc ipc_stream json ndjson parquet", 1, "file", writes
        ),
        Bypass("SQLContext.execute", 1, "query", asks),
        *_all("LazyFrame.sink_{}", "csv ipc ndjson parquet", 1, "path", writes),
        *_all("{}.serialize", "DataFrame LazyFrame", 1, "file", writes),
    ],
    "duckdb": [
        Bypass("connect", 0, "database", connects),
        *_all("{}", _QUERIES, 0, "query", asks),
        *_all(_CONNECTION, _QUERIES, 1, "query", asks),
        *_all("{}", "sql query from_query", 1, "params", binds),
        *_all("{}", "execute executemany", 1, "parameters", binds),
        *_all(_CONNECTION, "sql query from_query", 2, "params", binds),
        *_all(_CONNECTION, "execute executemany", 2, "parameters", binds),
        *_all("{}", _DUCKDB_READS, 0, "path_or_buffer", reads),
        *_all(_CONNECTION, _DUCKDB_READS, 1, "path_or_buffer", reads),
        *_all(_RELATION, "to_csv write_csv to_parquet write_parquet", 1, "file_name", writes),
    ],
}  # fmt: skip
