"""Whether a file that is open still has its name is noticed, and asking gives up no lock on it."""

from __future__ import annotations

import os
import subprocess
import sys

import apsw
import pytest

from stagecache.stores.disk import sight as sights
from stagecache.stores.disk.sight import Sight


@pytest.fixture
def path(tmp_path):
    return os.path.join(os.path.realpath(tmp_path), "some.db")


@pytest.fixture
def connection(path):
    connection = apsw.Connection(path)
    connection.execute("CREATE TABLE things (name)")
    yield connection
    connection.close()


@pytest.fixture(params=[False, True])
def sight(request, path, connection):
    sight = Sight(path, connection, is_local=request.param)
    assert sight.is_there()
    yield sight
    sight.close()


def test_a_removed_file_is_noticed_at_once(sight, path):
    assert sight.is_there()
    os.unlink(path)
    assert not sight.is_there()


def test_a_replaced_file_is_noticed_at_once(sight, path):
    assert sight.is_there()
    other = f"{path}-other"
    open(other, "w").close()
    os.replace(other, path)
    assert not sight.is_there()


def test_a_moved_file_is_noticed_when_its_name_is_looked_at(sight, path, monkeypatch):
    os.rename(path, f"{path}-moved")
    monkeypatch.setattr(sights, "monotonic", lambda: float("inf"))
    assert not sight.is_there()


LOCKED = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
try:
    connection.execute("BEGIN IMMEDIATE")
except apsw.BusyError:
    print("locked")
"""


def test_to_end_a_sight_gives_up_no_lock(path, connection):
    sight = Sight(path, connection, is_local=True)
    assert sight.is_there()
    with connection:
        connection.execute("INSERT INTO things VALUES (1)")
        sight.close()
        done = subprocess.run(
            [sys.executable, "-c", LOCKED, path], capture_output=True, text=True, timeout=60
        )
        assert (done.stdout, done.stderr) == ("locked\n", "")
