"""What libraries open natively, past the audit hook, is seen by wrappers that change no more."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.fs
import pyarrow.ipc
import pyarrow.json
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
from pyarrow.csv import read_csv as bound_early

from stagecache.fingerprint.reads import Recorder, first_changed, native, recording

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})
FRAME = TABLE.to_pandas()
POLARS = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def _ipc(name: str) -> None:
    with pa.ipc.new_file(name, TABLE.schema) as writer:
        writer.write_table(TABLE)


def _stream(name: str) -> None:
    with pa.ipc.new_stream(name, TABLE.schema) as writer:
        writer.write_table(TABLE)


def _rows(name: str) -> None:
    pathlib.Path(name).write_text('{"a": 1}\n{"a": 2}\n')


def _csv(name: str) -> None:
    pa.csv.write_csv(TABLE, name)


def _parquet(name: str) -> None:
    pq.write_table(TABLE, name)


WRITERS: dict[str, Callable[[str], Any]] = {
    "pq.write_table": _parquet,
    "pq.ParquetWriter": lambda name: pq.ParquetWriter(name, TABLE.schema).close(),
    "pq.write_metadata": lambda name: pq.write_metadata(TABLE.schema, name),
    "pa.csv.write_csv": _csv,
    "pa.feather.write_feather": lambda name: pa.feather.write_feather(TABLE, name),
    "pa.orc.write_table": lambda name: pa.orc.write_table(TABLE, name),
    "pa.ipc.new_file": _ipc,
    "pa.ipc.new_stream": _stream,
    "pa.output_stream": lambda name: pa.output_stream(name).close(),
    "pd.to_parquet": lambda name: FRAME.to_parquet(name),
    "pd.to_feather": lambda name: FRAME.to_feather(name),
    "pd.to_csv": lambda name: FRAME.to_csv(name),
    "pl.write_csv": lambda name: POLARS.write_csv(name),
    "pl.write_parquet": lambda name: POLARS.write_parquet(name),
    "pl.write_ipc": lambda name: POLARS.write_ipc(name),
    "pl.write_ndjson": lambda name: POLARS.write_ndjson(name),
    "pl.write_json": lambda name: POLARS.write_json(name),
    "pl.write_avro": lambda name: POLARS.write_avro(name),
    "pl.sink_parquet": lambda name: POLARS.lazy().sink_parquet(name),
    "pl.sink_csv": lambda name: POLARS.lazy().sink_csv(name),
}
BY_SUFFIX = {".csv": pa.csv.read_csv}
IN_ORDER = [pa.csv.read_csv]
READERS: dict[str, tuple[Callable[[str], Any], Callable[[Any], Any]]] = {
    "pq.read_table": (_parquet, lambda name: pq.read_table(name)),
    "pq.read_pandas": (_parquet, lambda name: pq.read_pandas(name)),
    "pq.read_schema": (_parquet, lambda name: pq.read_schema(name)),
    "pq.read_metadata": (_parquet, lambda name: pq.read_metadata(name)),
    "pq.ParquetFile": (_parquet, lambda name: pq.ParquetFile(name).close()),
    "pq.ParquetDataset": (_parquet, lambda name: pq.ParquetDataset(name).read()),
    "pa.dataset.dataset": (_parquet, lambda name: pa.dataset.dataset(name).to_table()),
    "pa.csv.read_csv": (_csv, lambda name: pa.csv.read_csv(name)),
    "pa.csv.open_csv": (_csv, lambda name: pa.csv.open_csv(name).close()),
    "pa.json.read_json": (_rows, lambda name: pa.json.read_json(name)),
    "pa.feather.read_table": (
        WRITERS["pa.feather.write_feather"],
        lambda name: pa.feather.read_table(name),
    ),
    "pa.feather.read_feather": (
        WRITERS["pa.feather.write_feather"],
        lambda name: pa.feather.read_feather(name),
    ),
    "pa.orc.read_table": (WRITERS["pa.orc.write_table"], lambda name: pa.orc.read_table(name)),
    "pa.ipc.open_file": (_ipc, lambda name: pa.ipc.open_file(name).read_all()),
    "pa.ipc.open_stream": (_stream, lambda name: pa.ipc.open_stream(name).read_all()),
    "pa.memory_map": (_ipc, lambda name: pa.memory_map(name).close()),
    "pa.input_stream": (_csv, lambda name: pa.input_stream(name).close()),
    "bound in a module": (_csv, lambda name: bound_early(name)),
    "bound in a dict": (_csv, lambda name: BY_SUFFIX[".csv"](name)),
    "bound in a list": (_csv, lambda name: IN_ORDER[0](name)),
    "pd.read_parquet": (_parquet, lambda name: pd.read_parquet(name)),
    "pd.read_feather": (lambda name: FRAME.to_feather(name), lambda name: pd.read_feather(name)),
    "pd.read_csv, pyarrow": (_csv, lambda name: pd.read_csv(name, engine="pyarrow")),
    "pl.read_csv": (_csv, lambda name: pl.read_csv(name)),
    "pl.scan_csv": (_csv, lambda name: pl.scan_csv(name).collect()),
    "pl.read_parquet": (_parquet, lambda name: pl.read_parquet(name)),
    "pl.scan_parquet": (_parquet, lambda name: pl.scan_parquet(name).collect()),
    "pl.read_parquet_schema": (_parquet, lambda name: pl.read_parquet_schema(name)),
    "pl.read_ipc": (lambda name: POLARS.write_ipc(name), lambda name: pl.read_ipc(name)),
    "pl.read_ndjson": (_rows, lambda name: pl.read_ndjson(name)),
    "pl.read_json": (lambda name: POLARS.write_json(name), lambda name: pl.read_json(name)),
    "pl.read_avro": (lambda name: POLARS.write_avro(name), lambda name: pl.read_avro(name)),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(body: Callable[[], Any]) -> Recorder:
    recorder = Recorder()
    with recording(recorder):
        body()
    return recorder


def names(recorder: Recorder) -> list[tuple[str, str]]:
    assert recorder.changed() == ()
    return [(read.kind, read.name) for read in recorder.reads()]


def written(recorder: Recorder) -> list[str]:
    return [os.path.relpath(path) for path in recorder.written()]


@pytest.mark.parametrize("way", READERS)
def test_a_native_reader_reads(way: str) -> None:
    make, use = READERS[way]
    make("data.x")
    recorder = seen(lambda: use("data.x"))
    assert names(recorder) == [("file", "data.x")]
    assert written(recorder) == []
    reads = recorder.reads()
    with open("data.x", "ab") as stream:
        stream.write(b" ")
    assert first_changed(reads) == reads[0]


@pytest.mark.parametrize("way", WRITERS)
def test_a_native_writer_writes(way: str) -> None:
    recorder = seen(lambda: WRITERS[way]("data.x"))
    assert names(recorder) == []
    assert written(recorder) == ["data.x"]
    recorder = seen(lambda: WRITERS[way]("data.x"))
    assert names(recorder) == [], "also where it replaces a file"


def test_what_a_body_writes_and_reads_natively_is_its_own() -> None:
    def body() -> None:
        FRAME.to_parquet("out.parquet")
        pd.read_parquet("out.parquet")
        POLARS.write_csv("out.csv")
        pl.read_csv("out.csv")

    recorder = seen(body)
    assert names(recorder) == []
    assert written(recorder) == ["out.csv", "out.parquet"]


def test_a_source_that_is_absent_is_a_read() -> None:
    def body() -> None:
        with pytest.raises(FileNotFoundError):
            pl.read_csv("gone.csv")
        with pytest.raises(FileNotFoundError):
            pq.read_table("gone.parquet")

    assert names(seen(body)) == [("missing", "gone.csv"), ("missing", "gone.parquet")]


@pytest.mark.parametrize(
    "use",
    [pq.read_table, pl.read_parquet, pd.read_parquet, pa.dataset.dataset],  # bound early
)
def test_a_folder_is_read_with_all_below(use: Callable[[str], Any]) -> None:
    os.makedirs("data/part")
    _parquet("data/one.parquet")
    _parquet("data/part/two.parquet")
    expected = [
        ("directory", "data"),
        ("directory", "data/part"),
        ("file", "data/one.parquet"),
        ("file", "data/part/two.parquet"),
    ]
    recorder = seen(lambda: use("data"))
    assert names(recorder) == expected
    _parquet("data/part/three.parquet")
    assert first_changed(recorder.reads()[:1]) is None
    assert seen(lambda: use("data")).reads() != recorder.reads()


def test_a_pattern_is_read_with_its_folder() -> None:
    _csv("one.csv")
    _csv("two.csv")
    assert names(seen(lambda: pl.read_csv("*.csv"))) == [
        ("directory", "."),
        ("file", "one.csv"),
        ("file", "two.csv"),
    ]


def test_several_sources_and_other_spellings_are_read(tmp_path: pathlib.Path) -> None:
    _parquet("one.parquet")
    _parquet("two.parquet")
    both = [("file", "one.parquet"), ("file", "two.parquet")]
    paths = [pathlib.Path("one.parquet"), "two.parquet"]
    assert names(seen(lambda: pl.read_parquet(paths))) == both
    assert names(seen(lambda: pq.ParquetDataset(["one.parquet", "two.parquet"]))) == both
    assert names(seen(lambda: pq.read_table(source="one.parquet"))) == both[:1]
    uri = f"file://{tmp_path}/one.parquet"
    assert names(seen(lambda: pq.read_table(uri))) == [("file", f"{tmp_path}/one.parquet")]


def test_a_dataset_that_is_written_is_the_bodys_own() -> None:
    def body() -> None:
        pq.write_to_dataset(TABLE, "out", partition_cols=["a"], basename_template="{i}.parquet")
        pq.read_table("out")
        POLARS.write_parquet("parts", partition_by="a")

    recorder = seen(body)
    assert names(recorder) == []
    assert [os.path.dirname(path) for path in written(recorder)] == [
        "out/a=1",
        "out/a=2",
        "parts/a=1",
        "parts/a=2",
    ]


def test_another_file_systems_paths_are_not_taken_for_local_ones() -> None:
    memory = pa.fs._MockFileSystem()
    with memory.open_output_stream("x.parquet") as stream:
        pq.write_table(TABLE, stream)
    assert names(seen(lambda: pq.read_table("x.parquet", filesystem=memory))) == []


def test_what_is_in_memory_is_no_read() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink)
    assert names(seen(lambda: pq.read_table(pa.BufferReader(sink.getvalue())))) == []
    assert names(seen(lambda: pl.read_csv(b"a,b\n1,2\n"))) == []


def test_a_wrapper_is_the_function_everywhere() -> None:
    seen(lambda: None)
    assert bound_early is pa.csv.read_csv is sys.modules["pyarrow._csv"].read_csv
    for function in (pa.csv.read_csv, pq.read_metadata, pl.read_csv, pa.memory_map):
        assert pickle.loads(pickle.dumps(function)) is function
        assert function.__name__ == function.__wrapped__.__name__  # type: ignore[union-attr]
    assert isinstance(pq.ParquetFile.__init__.__doc__, str | None)
    with pytest.raises(TypeError):
        pq.read_table()


IN_A_NEW_PROCESS = """
import json, sys
{first}
from stagecache.fingerprint.code import fingerprint_code
from stagecache.fingerprint.reads import Recorder, recording

def body(path):
    import polars as pl, pyarrow.csv, pyarrow.parquet as pq
    return pq.read_table(path), pl.read_parquet(path), pq.ParquetFile(path).close()

def code():
    return fingerprint_code(body).hex()

before = code()
recorder = Recorder()
with recording(recorder):
    imported = [name for name in ("pyarrow", "polars", "pandas") if name in sys.modules]
    body("data.parquet")
assert code() == before, "a wrapper is no change of code"
print(json.dumps([imported, [list(read[:2]) for read in recorder.reads()]]))
"""


@pytest.mark.parametrize("first", ["", "import polars, pyarrow.parquet"])
def test_libraries_are_wrapped_whether_imported_before_or_later(first: str) -> None:
    _parquet("data.parquet")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_NEW_PROCESS.format(first=first)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported, reads = json.loads(done.stdout)
    assert bool(imported) == bool(first), "recording imports no library"
    assert reads == [["file", "data.parquet"]]


_ASKING = {
    "the module": lambda: duckdb.sql,
    "the module's other name": lambda: duckdb.query,
    "a connection": lambda: duckdb.connect().execute,
    "a relation of a connection": lambda: duckdb.connect().sql,
}


@pytest.mark.parametrize("ask", _ASKING.values(), ids=_ASKING)
@pytest.mark.parametrize("is_recorded", [True, False])
def test_duckdb_finds_the_frames_of_whoever_asks(ask: Callable[[], Any], is_recorded: bool) -> None:
    frame = pd.DataFrame({"a": [1, 2]})

    def with_a_local_name() -> Any:
        local = frame
        assert local is frame
        return ask()("select sum(a) from local").fetchall()

    def with_a_name_in_the_module() -> Any:
        return ask()("select sum(a) from held_by_the_module").fetchall()

    globals()["held_by_the_module"] = frame
    native.install()
    try:
        for body in (with_a_local_name, with_a_name_in_the_module):
            with recording(Recorder() if is_recorded else None):
                assert body() == [(3,)]
        with pytest.raises(duckdb.CatalogException, match="frame_of_nobody"):
            ask()("select * from frame_of_nobody")
    finally:
        del globals()["held_by_the_module"]


def test_a_library_that_ctypes_loads_from_a_file_is_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "own.so").write_bytes(b"no library")
    recorder = Recorder()
    with recording(recorder):
        for name in (str(tmp_path / "own.so"), "libnowhere.so"):
            with suppress(OSError):
                ctypes.CDLL(name)
    assert [read.name for read in recorder.reads()] == [str(tmp_path / "own.so")]
