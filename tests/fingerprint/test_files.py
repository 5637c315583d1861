"""Files count by contents and name; a stat spares reading only where it cannot be wrong."""

from __future__ import annotations

import os
import time

import pytest

from stagecache import File, FingerprintError, model
from stagecache.fingerprint import files
from stagecache.fingerprint.files import fingerprint_contents, fingerprint_file
from stagecache.fingerprint.values import fingerprint


class Notebook:
    """A memo that also counts."""

    def __init__(self):
        self.kept, self.recalled = {}, 0

    def recall(self, kind, key):
        found = self.kept.get((kind, key))
        self.recalled += found is not None
        return found

    def remember(self, kind, key, value):
        self.kept[kind, key] = value


@pytest.fixture
def memo():
    notebook = Notebook()
    token = model.memo.set(notebook)
    yield notebook
    model.memo.reset(token)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n1,2\n")
    return path


def aged(path, seconds=100):
    """Set a file's time of modification back; its time of change cannot be."""
    past = time.time_ns() - seconds * 1_000_000_000
    os.utime(path, ns=(past, past))
    return path


@pytest.fixture
def later(monkeypatch):
    """Read files as if it was a minute later: nobody can set a file's time of change back."""
    now = time.time_ns
    monkeypatch.setattr("stagecache.fingerprint.files.time.time_ns", lambda: now() + 60 * 10**9)


def test_contents_and_name_count_but_not_the_place(tmp_path, path):
    (tmp_path / "other").mkdir()
    moved, renamed = tmp_path / "other" / "data.csv", tmp_path / "b.csv"
    for copy in (moved, renamed):
        copy.write_bytes(path.read_bytes())
    assert fingerprint_file(File(path)) == fingerprint_file(File(moved))
    assert fingerprint_file(File(path)) != fingerprint_file(File(renamed))
    nameless = fingerprint_file(File(path, name=False))
    assert nameless == fingerprint_file(File(renamed, name=False)) != fingerprint_file(File(path))
    moved.write_bytes(b"other")
    assert fingerprint_file(File(path)) != fingerprint_file(File(moved))
    assert fingerprint(File(path)).digest == fingerprint_file(File(path))
    assert fingerprint([File(path)]).digest != fingerprint([str(path)]).digest


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_every_byte_counts_whatever_the_size(tmp_path, size):
    path = tmp_path / "data"
    path.write_bytes(bytes(size))
    found = {fingerprint_contents(str(path))}
    for change in (bytes(size) + b"\0", bytes(max(0, size - 1)) + b"x"):
        path.write_bytes(change)
        found.add(fingerprint_contents(str(path)))
    assert len(found) == 3


def test_what_is_known_by_its_stat_is_not_read_again(path, memo, later):
    first = fingerprint_contents(str(path))
    assert (len(memo.kept), memo.recalled) == (1, 0)
    assert fingerprint_contents(str(path)) == first
    assert memo.recalled == 1


def test_an_edit_of_the_same_size_and_time_is_seen(path, memo, later):
    aged(path)
    first, stat = fingerprint_contents(str(path)), os.stat(path)
    path.write_bytes(b"a,b\n1,3\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    while os.stat(path).st_ctime_ns == stat.st_ctime_ns:  # one tick of the kernel's clock
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert os.stat(path).st_mtime_ns == stat.st_mtime_ns
    assert fingerprint_contents(str(path)) != first


def test_a_file_that_changed_just_now_is_read_every_time(path, memo):
    fingerprint_contents(str(path))
    aged(path)  # its time of change is still now
    fingerprint_contents(str(path))
    future = time.time_ns() + 10**12
    os.utime(path, ns=(future, future))
    fingerprint_contents(str(path))
    assert not memo.kept


def test_a_file_from_the_future_is_not_trusted_later_either(path, memo, later):
    future = time.time_ns() + 10**12
    os.utime(path, ns=(future, future))
    fingerprint_contents(str(path))
    assert not memo.kept


def test_a_file_that_changes_while_it_is_read_is_read_again(path, memo, monkeypatch, later):
    read, edits = files._read, [b"second version"]

    def read_then_edit(name):
        digest = read(name)
        if edits:
            path.write_bytes(edits.pop())
        return digest

    monkeypatch.setattr(files, "_read", read_then_edit)
    found = fingerprint_contents(str(path))
    assert found == read(str(path))
    assert list(memo.kept.values()) == [found]


def test_a_file_that_never_rests_is_named(path, memo, monkeypatch):
    read = files._read

    def read_then_append(name):
        digest = read(name)
        with open(path, "ab") as stream:
            stream.write(b"more")
        return digest

    monkeypatch.setattr(files, "_read", read_then_append)
    with pytest.raises(FingerprintError, match="changes while it is read") as caught:
        fingerprint_contents(str(path))
    assert caught.value.subject == str(path)
    assert not memo.kept


def test_a_directory_counts_by_the_names_and_contents_below_it(tmp_path):
    found = set()

    def look():
        found.add(fingerprint_contents(str(tmp_path / "data")))
        return len(found)

    (tmp_path / "data" / "inner").mkdir(parents=True)
    assert look() == 1
    (tmp_path / "data" / "b").write_text("b")
    (tmp_path / "data" / "inner" / "a").write_text("a")
    assert look() == 2
    assert look() == 2
    (tmp_path / "data" / "inner" / "a").write_text("A")
    assert look() == 3
    (tmp_path / "data" / "b").rename(tmp_path / "data" / "c")
    assert look() == 4
    (tmp_path / "data" / "c").rename(tmp_path / "data" / "inner" / "c")
    assert look() == 5
    (tmp_path / "data" / "empty").mkdir()
    assert look() == 6
    (tmp_path / "data" / "link").symlink_to("nowhere")
    assert look() == 7


def test_a_file_that_spells_like_a_directory_is_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"directory:")
    folder, file = (fingerprint_contents(str(tmp_path / name)) for name in ("folder", "file"))
    assert folder != file


def test_a_link_counts_as_what_it_leads_to(tmp_path, path):
    (tmp_path / "link").symlink_to(path)
    assert fingerprint_contents(str(tmp_path / "link")) == fingerprint_contents(str(path))


def test_a_directory_that_holds_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    with pytest.raises(FingerprintError, match="lies in"):
        fingerprint_contents(str(tmp_path))


def test_what_is_neither_file_nor_directory_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FingerprintError, match="neither"):
        fingerprint_contents(str(tmp_path / "pipe"))


def test_a_missing_file_is_missing_as_for_an_ordinary_read(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        fingerprint_file(File(tmp_path / "none.csv"))
    assert caught.value.filename == str(tmp_path / "none.csv")
