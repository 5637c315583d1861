"""What a module has open, and a stage reads: it counts by the file behind it, or explain tells."""

from __future__ import annotations

import csv
import ctypes
import io
import shutil
import sqlite3
import tempfile
import threading

import duckdb
import pyarrow as pa
import pytest
import xxhash

import stagecache
from stagecache.errors import FingerprintError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)


def test_a_database_of_duckdb_that_a_module_has_open_counts_by_its_file():
    for name in "ab":
        with duckdb.connect(f"{name}.duckdb") as made:
            made.execute("create table t as select ? as a", [name])

    def asked(name):
        shutil.copy(f"{name}.duckdb", "x.duckdb")
        con = duckdb.connect("x.duckdb", read_only=True)
        pending = con.execute("select 7")

        @stagecache.stage
        def work() -> list:
            return con.execute("select a from t").fetchall()

        before = work.is_cached()
        assert pending.fetchall() == [(7,)], "what is asked already can still be fetched"
        value = work()
        con.close()
        return before, value

    assert [asked(name) for name in "aaba"] == [
        (False, [("a",)]),
        (True, [("a",)]),
        (False, [("b",)]),
        (True, [("a",)]),
    ]


def test_where_an_open_file_stands_counts(tmp_path):
    (tmp_path / "x.txt").write_text("one\ntwo\n")
    stream = open("x.txt")  # noqa: SIM115

    @stagecache.stage
    def line() -> str:
        return stream.readline()

    assert [line(), line(), line()] == ["one\n", "two\n", ""]
    stream.seek(0)
    assert line.is_cached()
    stream.close()


def test_a_file_of_arrow_is_left_where_it_stood(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"one two")
    with pa.OSFile("x.txt") as file:

        @stagecache.stage
        def word() -> bytes:
            return file.read(4)

        assert [word(), word(), word()] == [b"one ", b"two", b""]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: open("x.txt"), "nothing tells which file is behind it"),  # noqa: SIM115
        (lambda: open("y.txt", "w"), "_io.TextIOWrapper"),  # noqa: SIM115
        (lambda: tempfile.TemporaryFile(), "_io.BufferedRandom"),  # noqa: SIM115
        (lambda: sqlite3.connect(":memory:"), "nothing tells which file is behind it"),
        (lambda: duckdb.connect(":memory:"), "nothing tells which file is behind it"),
        (lambda: csv.reader(io.StringIO("a")), "_csv.reader"),
    ],
    ids=["gone", "written", "temporary", "in memory", "in DuckDB's memory", "a reader"],
)
def test_what_has_no_file_behind_it_is_told_and_costs_no_job(tmp_path, make, problem):
    (tmp_path / "x.txt").write_text("text")
    handle = make()
    (tmp_path / "x.txt").unlink()

    @stagecache.stage
    def work() -> str:
        return type(handle).__name__

    assert work() == type(handle).__name__
    told = str(work.explain())
    assert "could not follow: handle: " in told
    assert problem in told
    assert "make it in the stage or pass what it is made from" in told
    if hasattr(handle, "close"):
        handle.close()


def test_a_connection_of_another_thread_costs_no_job():
    sqlite3.connect("x.db").close()
    found = []
    thread = threading.Thread(target=lambda: found.append(sqlite3.connect("x.db")))
    thread.start()
    thread.join()
    (con,) = found

    @stagecache.stage
    def work() -> bool:
        return con is not None

    assert work()
    assert "thread" in str(work.explain())


def test_as_an_argument_what_is_open_is_an_error_still(tmp_path):
    (tmp_path / "x.txt").write_text("text")

    @stagecache.stage
    def work(file: object) -> str:
        return "done"

    with open("x.txt") as file, pytest.raises(FingerprintError, match="`file`"):
        work(file)


def test_a_library_that_ctypes_has_loaded_counts_by_its_file():
    shutil.copy(xxhash._xxhash.__file__, "own.so")
    library = ctypes.CDLL("./own.so")
    system = ctypes.CDLL(None)

    @stagecache.stage
    def work() -> bool:
        return library is not system

    assert work()
    assert work.is_cached()
    with open("own.so", "ab") as file:
        file.write(b"more")
    assert not work.is_cached()
