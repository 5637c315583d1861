"""A file that the job has locked stays locked, whoever reads it meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import stagecache
from stagecache.fingerprint.reads.recording import listen
from stagecache.reading import Reading

SQLITE = """
import sqlite3
connection = sqlite3.connect("some.db", timeout=0, isolation_level=None)
try:
    connection.execute("begin immediate")
except sqlite3.OperationalError as error:
    print(error)
"""
DUCKDB = """
import duckdb
try:
    duckdb.connect("some.db")
except duckdb.IOException:
    print("database is locked")
"""
LOCKF = """
import fcntl
try:
    fcntl.lockf(open("some.db", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("database is locked")
"""


@contextlib.contextmanager
def in_a_transaction():
    with contextlib.closing(sqlite3.connect("some.db", isolation_level=None)) as connection:
        connection.execute("create table rates (x)")
        connection.execute("begin immediate")
        connection.execute("insert into rates values (1)")
        yield


@contextlib.contextmanager
def of_duckdb():
    with duckdb.connect("some.db") as connection:
        connection.execute("create table rates as select 1 as x")
        yield


@contextlib.contextmanager
def by_hand():
    with open("some.db", "w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, cache):
    """A working directory of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    listen()


def is_locked(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert not done.stderr
    return done.stdout == "database is locked\n"


LOCKS = {
    "sqlite": (in_a_transaction, SQLITE),
    "duckdb": (of_duckdb, DUCKDB),
    "lockf": (by_hand, LOCKF),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_what_the_job_has_locked_stays_so_when_its_contents_are_an_input(kind):
    locking, program = LOCKS[kind]

    @stagecache.stage
    def size(file, name):
        return os.path.getsize(file), Path(name).exists()

    @stagecache.stage
    def told(name):
        subprocess.run(["true", name], check=True)
        if kind == "sqlite":
            sqlite3.connect(name).close()

    with locking():
        size(stagecache.File("some.db"), "some.db")
        told("some.db")
        told("some.db")
        assert is_locked(program)
    assert not is_locked(program)


def test_what_nobody_locks_is_closed_and_of_a_database_one_descriptor_stays():
    Path("a.txt").write_text("text")
    sqlite3.connect("a.db").execute("create table a (x)").connection.close()

    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(3):
        for name in ("a.txt", "a.db"):
            with Reading(name) as stream:
                assert stream.read() == Path(name).read_bytes()
    assert descriptors() == before + 1
    os.unlink("a.db")
    sqlite3.connect("b.db").execute("create table a (x)").connection.close()
    with Reading("b.db") as stream:
        assert stream.read(6) == b"SQLite"
    assert descriptors() == before + 1


def test_what_is_unlocked_or_no_database_any_more_is_read_by_no_descriptor_of_another():
    Path("other.txt").write_text("other")
    Path("a.txt").write_text("text")
    sqlite3.connect("a.db").execute("create table a (x)").connection.close()

    def read(name):
        with Reading(name) as stream:
            return stream.read()

    with open("a.txt", "r+") as locked, contextlib.ExitStack() as opened:
        fcntl.lockf(locked, fcntl.LOCK_EX)
        read("a.txt")
        read("a.db")
        fcntl.lockf(locked, fcntl.LOCK_UN)
        os.truncate("a.db", 0)
        for _ in range(2):
            assert (read("a.txt"), read("a.db")) == (b"text", b"")
            opened.enter_context(open("other.txt"))
            opened.enter_context(open("other.txt"))
