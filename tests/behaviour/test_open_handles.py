"""What a module has open, and a stage reads: it counts by the file behind it, or explain tells."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import hashlib
import io
import queue
import shutil
import sqlite3
import tempfile
import threading
import weakref
import zipfile
from pathlib import Path

import duckdb
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.dataset
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


def _sqlite(value):
    con = sqlite3.connect(":memory:")
    con.execute("create table t (a)")
    con.execute("insert into t values (?)", (value,))
    con.commit()
    return con


def _with_temporary(value):
    sqlite3.connect("x.db").close()
    con = sqlite3.connect("x.db")
    con.execute("create temp table t (a)")
    con.execute("insert into t values (?)", (value,))
    return con


def _duckdb(statement):
    def make(value):
        Path("x.csv").write_text(f"a\n{value}\n")
        con = duckdb.connect()
        con.execute(statement)
        return con

    return make


def _of_file(value):
    Path("x.csv").write_text(f"a\n{value}\n")
    return duckdb.read_csv("x.csv")


def _registered(value):
    con = duckdb.connect()
    con.register("t", pd.DataFrame({"a": [value]}))
    return con


def _queue(value):
    jobs = queue.Queue()
    jobs.put(value)
    return jobs


def _local(value):
    own = threading.local()
    own.value = value
    return own


class _Kept:
    def __init__(self, value):
        self.value = value


def _weak(value):
    _STRONG[:] = [_Kept(value)]
    return weakref.WeakValueDictionary(a=_STRONG[0])


def _archive(value):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), str(value))
    return zipfile.ZipFile(data)


_STRONG: list[_Kept] = []
_FROM_FILE = "select * from read_csv('x.csv')"


def _frame(context):
    return context.execute("select a from t", eager=True)["a"].to_list()


def _all(con):
    return con.execute("select a from t").fetchall()


@pytest.mark.parametrize(
    ("make", "use"),
    [
        (_sqlite, _all),
        (lambda value: _sqlite(value).cursor(), _all),
        (_with_temporary, _all),
        (_duckdb(f"create table t as {_FROM_FILE}"), _all),
        (_duckdb(f"create temp table t as {_FROM_FILE}"), _all),
        (_duckdb(f"create view t as {_FROM_FILE}"), _all),
        (_registered, _all),
        (lambda value: polars.SQLContext(t=polars.DataFrame({"a": [value]})), _frame),
        (lambda value: _of_file(value), lambda held: held.fetchall()),
        (lambda value: pa.dataset.dataset(pa.table({"a": [value]})), lambda held: held.to_table()),
        (_queue, lambda held: held.queue[0]),
        (_local, lambda held: held.value),
        (_weak, lambda held: held["a"].value),
        (_archive, lambda held: held.read("a")),
        (lambda value: hashlib.md5(b"%d" % value), lambda held: held.hexdigest()),
        (lambda value: iter([value]), lambda held: next(held)),
    ],
    ids=[
        "sqlite", "a cursor", "a temporary table", "DuckDB", "a temporary table of DuckDB",
        "a view of DuckDB", "a frame in DuckDB", "a context of polars", "a relation",
        "a dataset", "a queue", "of a thread", "weak references", "an archive", "a hash",
        "an iterator",
    ],
)  # fmt: skip
def test_what_a_global_holds_in_memory_counts(make, use):
    def asked(value):
        held = make(value)

        @stagecache.stage
        def work() -> object:
            return use(held)

        return work.is_cached(), work()

    found = [asked(value) for value in (5, 5, 6, 5)]
    assert [is_hit for is_hit, _ in found] == [False, True, False, True]
    assert found[0] == (False, found[3][1])
    assert found[0][1] != found[2][1]


def test_the_tables_of_the_connection_that_all_share_count_where_they_are_asked_for():
    @stagecache.stage
    def work() -> list:
        return duckdb.sql("select a from shared_by_all").fetchall()

    def asked(value):
        duckdb.sql(f"create or replace table shared_by_all as select {value} as a")
        return work.is_cached(), work()

    assert [asked(value) for value in (5, 5, 6, 5)] == [
        (False, [(5,)]),
        (True, [(5,)]),
        (False, [(6,)]),
        (True, [(5,)]),
    ]
    duckdb.sql("drop table shared_by_all")


@pytest.mark.parametrize("fill", ["register", "create", "insert"])
def test_what_a_body_itself_puts_into_a_database_in_memory_reruns_nothing(fill):
    con = duckdb.connect()
    con.execute("create table seen (a integer)")

    @stagecache.stage
    def work(x: int) -> list:
        if fill == "register":
            con.register("frame", pd.DataFrame({"a": [x]}))
        elif fill == "create":
            con.execute("create or replace temp table frame as select ? as a", [x])
        else:
            con.execute("insert into seen values (?)", [x])
            return con.execute("select max(a) from seen").fetchall()
        return con.execute("select a from frame").fetchall()

    assert [work(x) for x in (1, 2)] == [[(1,)], [(2,)]]
    assert work.is_cached(1)
    assert work.is_cached(2)


def test_a_file_counts_still_whose_connection_a_body_gives_temporary_tables():
    def filled(value):
        Path("x.db").unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect("x.db")) as made:
            made.execute("create table t (a)")
            made.execute("insert into t values (?)", (value,))
            made.commit()

    def asked(value):
        filled(value)
        con = sqlite3.connect("x.db")

        @stagecache.stage
        def work() -> list:
            con.execute("create temp table if not exists found as select a from t")
            return con.execute("select a from found").fetchall()

        before, found = work.is_cached(), work()
        con.execute("create temp table if not exists found as select a from t")
        is_hit = work.is_cached()
        con.close()
        return before, found, is_hit

    assert [asked(value) for value in (5, 5, 6, 5)] == [
        (False, [(5,)], True),
        (True, [(5,)], True),
        (False, [(6,)], True),
        (True, [(5,)], True),
    ]


def test_a_queue_that_a_body_takes_from_reruns_nothing():
    jobs = queue.Queue()
    jobs.put(5)

    @stagecache.stage
    def work() -> int:
        return jobs.get()

    assert work() == 5
    assert work.is_cached()


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
