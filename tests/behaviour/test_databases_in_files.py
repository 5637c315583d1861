"""A database in a file counts with all that lies in it: what SQL attaches, what is in its log."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import duckdb
import pytest

import stagecache

NAME = "rates.db"


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, cache):
    """A working directory of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@contextlib.contextmanager
def written(mode):
    """A database that somebody has open, and may write to with what is called."""
    with contextlib.closing(sqlite3.connect("rates.db", isolation_level=None)) as connection:
        connection.execute(f"pragma journal_mode={mode}")
        connection.execute("create table rates (x)")
        connection.execute("insert into rates values (1)")
        yield lambda x: connection.execute("insert into rates values (?)", (x,))


@contextlib.contextmanager
def empty():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def attached_by_a_text():
    with empty() as con:
        con.execute("attach database 'rates.db' as other")
        return con.execute("select sum(x) from other.rates").fetchone()[0]


def attached_by_an_address():
    with contextlib.closing(sqlite3.connect(":memory:", uri=True)) as con:
        con.execute("attach 'file:rates.db?mode=ro' as other")
        return con.execute("select sum(x) from other.rates").fetchone()[0]


def attached_by_a_name_put_in():
    with empty() as con:
        con.execute(f"attach '{NAME}' as other")
        return con.execute("select sum(x) from other.rates").fetchone()[0]


def attached_by_a_parameter():
    with empty() as con:
        con.execute("attach ? as other", (NAME,))
        return con.execute("select sum(x) from other.rates").fetchone()[0]


def opened():
    with contextlib.closing(sqlite3.connect("rates.db")) as con:
        return con.execute("select sum(x) from rates").fetchone()[0]


WAYS = [
    attached_by_a_text,
    attached_by_an_address,
    attached_by_a_name_put_in,
    attached_by_a_parameter,
    opened,
]


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_row_that_somebody_writes_counts_however_the_database_is_opened(way, mode, recwarn):
    ran = []

    @stagecache.stage(ignore=("log",))
    def total(log):
        log.append(1)
        return way()

    with written(mode) as write:
        assert [total(ran), total(ran), len(ran)] == [1, 1, 1]
        write(10)
        assert [total(ran), total(ran), len(ran)] == [11, 11, 2]
    assert total(ran) == 11  # the log has gone into the database
    assert not recwarn.list


def test_what_duckdb_has_only_in_its_log_counts():
    ran = []

    @stagecache.stage(ignore=("log",))
    def total(log):
        log.append(1)
        with duckdb.connect("rates.duckdb", read_only=True) as con:
            return con.execute("select sum(x) from rates").fetchone()[0]

    with duckdb.connect("rates.duckdb") as con:
        con.execute("create table rates as select 1 as x")
    assert [total(ran), total(ran), len(ran)] == [1, 1, 1]
    with duckdb.connect("rates.duckdb") as con:
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute("insert into rates values (10)")
    assert Path("rates.duckdb.wal").exists()
    assert [total(ran), total(ran), len(ran)] == [11, 11, 2]
