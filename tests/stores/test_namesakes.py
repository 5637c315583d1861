"""Files that are removed, replaced or cut short under who has them open: all go on, in one file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import pytest

from stagecache.stores.disk import DiskStore
from stagecache.stores.disk.rawfile import forget_notes


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def again(root):
    return DiskStore(root).items.open("a", "index")


def session_of(items):
    return items.access._connections.session()


def test_no_two_files_of_a_name_are_open_in_a_process(root):
    one, other = again(root), again(root)
    one.set(b"k", "bytes", b"1")
    assert other.get(b"k") == ("bytes", b"1", None)
    path = root / "v1" / "collections" / "items.db"
    path.unlink()
    one.set(b"k", "bytes", b"2")
    assert session_of(other).connection is None
    assert other.get(b"k") == ("bytes", b"2", None)


def test_what_is_being_written_is_not_closed_for_the_sake_of_a_new_file(root):
    one, other = again(root), again(root)
    one.set(b"k", "bytes", b"1")
    path = root / "v1" / "collections" / "items.db"
    with one.transaction():
        one.set(b"k", "bytes", b"2")
        path.unlink()
        with pytest.raises(Exception, match="being written by this very thread"):
            other.set(b"k", "bytes", b"3")
    other.set(b"k", "bytes", b"4")
    assert one.get(b"k") == other.get(b"k") == ("bytes", b"4", None)


def test_who_opens_the_new_file_does_not_wait_for_who_waits_to_do_the_same(root):
    one, other = again(root), again(root)
    one.set(b"k", "bytes", b"1")
    other.get(b"k")
    stale = session_of(other)
    names = other.access._connections._alone()
    held = threading.Event()

    def work():
        with stale.lock:
            held.set()
            assert waits.wait(30)
            stale.close()
            with names.opening():
                order.append("second")

    waits, order = threading.Event(), []
    thread = threading.Thread(target=work)
    with names.opening():
        thread.start()
        held.wait()
        stale.sight, seen = Seen(stale.sight, waits), stale.sight
        names.close(but=(0, 0))
        order.append("first")
        seen.close()
    thread.join()
    assert order == ["first", "second"]


class Seen:
    """A sight that tells when it is asked again, after the lock could not be had."""

    def __init__(self, sight, asked):
        self._sight, self._asked, self._times = sight, asked, 0

    @property
    def identity(self):
        self._times += 1
        if self._times == 2:
            self._asked.set()
        return self._sight.identity

    def close(self):
        pass


def test_the_log_of_a_file_that_was_removed_is_not_that_of_the_next_one(root):
    one = again(root)
    one.set(b"old", "bytes", b"1")
    folder = root / "v1" / "collections"
    beside = [folder / "items.db-wal", folder / "items.db-shm"]
    old = [path.with_name(f"old{path.suffix}") for path in beside]
    for path, kept in zip(beside, old, strict=True):
        os.link(path, kept)
    (folder / "items.db").unlink()
    one.set(b"new", "bytes", b"2")
    assert not any(map(os.path.samefile, beside, old))
    assert [stored.key for stored in again(root).scan()] == [b"new"]


@pytest.mark.parametrize("what", ["wal", "shm"])
def test_a_log_that_somebody_removed_is_written_to_by_nobody_for_long(root, what):
    one = again(root)
    one.set(b"k", "bytes", b"1")
    path = root / "v1" / "collections" / f"items.db-{what}"
    path.unlink()
    session_of(one).sight._next_look = 0.0
    one.set(b"k", "bytes", b"2")
    assert path.exists()
    found = subprocess.run(
        [sys.executable, "-c", READ, str(root)], capture_output=True, text=True, check=True
    )
    assert found.stdout == "b'2'\n"


READ = """
import sys
from stagecache.stores.disk import DiskStore
print(DiskStore(sys.argv[1]).items.open("a", "index").get(b"k")[1])
"""

HOLDS = """
import sys
from stagecache.stores.disk import DiskStore
items = DiskStore(sys.argv[1]).items.open("a", "index")
for number in range(200):
    items.set(b"%d" % number, "bytes", bytes(1_000))
items.access._connections.session().sight._next_look = float("inf")
print("there", flush=True)
sys.stdin.readline()
"""


@pytest.mark.filterwarnings("ignore:The file of collections")
def test_a_log_cut_short_while_somebody_knows_what_was_in_it_is_read_anew(root):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "there\n"
        log = root / "v1" / "collections" / "items.db-wal"
        os.truncate(log, log.stat().st_size // 2)
        one = again(root)
        one.set(b"k", "bytes", b"new")
        assert one.get(b"k") == ("bytes", b"new", None)
        assert one.get(b"0") == ("bytes", bytes(1_000), None)
        assert [*one.access.select("PRAGMA integrity_check")] == [("ok",)]
    finally:
        holder.kill()
        holder.communicate()


def test_notes_that_are_not_there_are_forgotten(tmp_path):
    forget_notes(str(tmp_path / "items.db"))
    shutil.copyfile(os.devnull, tmp_path / "items.db-shm")
    forget_notes(str(tmp_path / "items.db"))
    assert (tmp_path / "items.db-shm").stat().st_size == 0
