"""What is opened and listed while a body runs becomes its reads, named as it was opened."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecache.fingerprint.reads import Recorder, digest_now, first_changed, recording

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(body: Callable[[], Any]) -> Recorder:
    """Run `body` under a recorder of its own."""
    recorder = Recorder()
    with recording(recorder):
        body()
    return recorder


def names(recorder: Recorder) -> list[tuple[str, str]]:
    return [(read.kind, read.name) for read in recorder.reads()]


def write(name: str, text: str = "a,b\n1,2\n") -> str:
    pathlib.Path(name).write_text(text)
    return name


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
ARRAY = io.BytesIO()
np.save(ARRAY, np.ones(3))
READERS: dict[str, tuple[Callable[[str], Any], Callable[[str], Any]]] = {
    "open": (write, lambda name: open(name).close()),
    "io.FileIO": (write, lambda name: io.FileIO(name).close()),
    "os.open": (write, lambda name: os.close(os.open(name, os.O_RDONLY))),
    "pathlib": (write, lambda name: pathlib.Path(name).read_text()),
    "bytes": (write, lambda name: open(name.encode()).close()),
    "path-like": (write, lambda name: open(pathlib.Path(name)).close()),
    "pd.read_csv": (write, pd.read_csv),
    "pd.read_json": (FRAME.to_json, pd.read_json),
    "pd.read_feather": (FRAME.to_feather, pd.read_feather),
    "pd.read_pickle": (FRAME.to_pickle, pd.read_pickle),
    "np.load": (lambda name: pathlib.Path(name).write_bytes(ARRAY.getvalue()), np.load),
    "np.memmap": (lambda name: np.ones(3).tofile(name), lambda name: np.memmap(name, mode="r")),
    "np.loadtxt": (lambda name: write(name, "1 2\n"), np.loadtxt),
    "np.fromfile": (lambda name: np.ones(3).tofile(name), np.fromfile),
}


@pytest.mark.parametrize("way", READERS)
def test_a_file_that_is_opened_is_a_read(way: str) -> None:
    make, use = READERS[way]
    make("data.x")
    recorder = seen(lambda: use("data.x"))
    assert names(recorder) == [("file", "data.x")]
    assert recorder.changed() == recorder.written() == ()


@pytest.mark.parametrize("way", READERS)
def test_a_read_holds_until_the_file_changes(way: str) -> None:
    make, use = READERS[way]
    make("data.x")
    reads = seen(lambda: use("data.x")).reads()
    assert first_changed(reads) is None
    with open("data.x", "ab") as stream:
        stream.write(b" ")
    assert first_changed(reads) == reads[0]
    os.remove("data.x")
    assert first_changed(reads) == reads[0]


@pytest.mark.parametrize(
    "list_it",
    [
        os.listdir,
        lambda name: list(os.scandir(name)),
        lambda name: glob.glob(f"{name}/*.csv"),
        lambda name: list(pathlib.Path(name).iterdir()),
        lambda name: list(pathlib.Path(name).glob("*.csv")),
        lambda name: list(os.walk(name)),
    ],
)
def test_a_folder_that_is_listed_is_a_read_of_its_names(list_it: Callable[[str], Any]) -> None:
    os.mkdir("data")
    write("data/one.csv")
    recorder = seen(lambda: list_it("data"))
    reads = recorder.reads()
    assert names(recorder) == [("directory", "data")]
    write("data/one.csv", "other contents")
    assert first_changed(reads) is None
    write("data/two.csv")
    assert first_changed(reads) == reads[0]


def test_a_listing_without_a_name_is_of_the_working_directory() -> None:
    assert names(seen(os.listdir)) == [("directory", ".")]
    assert names(seen(lambda: list(os.scandir()))) == [("directory", ".")]


def test_a_walk_reads_every_folder_below() -> None:
    os.makedirs("data/2013")
    assert names(seen(lambda: list(os.walk("data")))) == [
        ("directory", "data"),
        ("directory", "data/2013"),
    ]


def test_what_is_opened_by_a_descriptor_of_its_folder_is_a_read() -> None:
    def by_descriptor(name: str, flags: int = os.O_RDONLY) -> int:
        folder = os.open("data", os.O_RDONLY)
        try:
            return os.open(name, flags, dir_fd=folder)
        finally:
            os.close(folder)

    os.mkdir("data")
    write("data/one.csv")
    found = ("file", os.path.abspath("data/one.csv"))
    recorder = seen(lambda: open("one.csv", opener=by_descriptor).close())
    assert found in names(recorder)
    recorder = seen(lambda: os.close(by_descriptor("one.csv")))
    assert found in names(recorder)
    assert ("missing", "one.csv") not in names(recorder)
    reads = recorder.reads()
    assert first_changed(reads) is None
    write("data/one.csv", "other contents")
    assert first_changed(reads) is not None

    def made() -> None:
        os.close(by_descriptor("two.csv", os.O_WRONLY | os.O_CREAT))

    assert names(seen(made)) == []
    recorder = seen(lambda: list(os.fwalk("data")))
    assert ("directory", os.path.abspath("data")) in names(recorder)
    reads = recorder.reads()
    write("data/three.csv")
    assert first_changed(reads) is not None
    recorder = seen(lambda: _asked_by_descriptor("data", "one.csv"))
    assert found in names(recorder)


def _asked_by_descriptor(folder: str, name: str) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return os.stat(name, dir_fd=descriptor).st_size
    finally:
        os.close(descriptor)


def test_a_file_that_is_absent_is_a_read_too() -> None:
    def body() -> None:
        with contextlib.suppress(FileNotFoundError):
            open("settings.toml").close()

    recorder = seen(body)
    assert names(recorder) == [("missing", "settings.toml")]
    assert first_changed(recorder.reads()) is None
    write("settings.toml")
    assert first_changed(recorder.reads()) is not None


def test_a_folder_that_is_absent_is_a_read_too() -> None:
    assert names(seen(lambda: glob.glob("data/*.csv"))) == [("missing", "data")]
    recorder = seen(lambda: _suppressed(os.listdir, "data"))
    assert names(recorder) == [("missing", "data")]
    assert first_changed(recorder.reads()) is None
    os.mkdir("data")
    assert first_changed(recorder.reads()) is not None


def _suppressed(call: Callable[..., Any], *arguments: Any) -> None:
    with contextlib.suppress(OSError):
        call(*arguments)


def test_a_file_that_may_not_be_read_is_a_read() -> None:
    write("secret")
    os.chmod("secret", 0)
    recorder = seen(lambda: _suppressed(lambda: open("secret").close()))
    assert names(recorder) == [("file", "secret")]
    assert first_changed(recorder.reads()) is None


def test_names_stay_as_they_were_opened(tmp_path: pathlib.Path) -> None:
    write("a.csv")
    absolute = str(tmp_path / "a.csv")
    recorder = seen(lambda: [open(name).close() for name in ("a.csv", "./a.csv", absolute)])
    assert names(recorder) == sorted([("file", "a.csv"), ("file", "./a.csv"), ("file", absolute)])


def test_a_relative_name_is_resolved_where_it_is_looked_up(tmp_path: pathlib.Path) -> None:
    for folder in ("here", "same", "other"):
        os.mkdir(folder)
        write(f"{folder}/data.csv", "x" if folder == "other" else "a")
    os.chdir("here")
    reads = seen(lambda: open("data.csv").close()).reads()
    os.chdir(tmp_path / "same")
    assert first_changed(reads) is None
    os.chdir(tmp_path / "other")
    assert first_changed(reads) is not None


def test_a_body_that_moves_is_recorded_from_where_it_began(tmp_path: pathlib.Path) -> None:
    os.mkdir("data")
    write("data/a.csv")

    def body() -> None:
        os.chdir("data")
        open("a.csv").close()
        os.listdir()
        os.chdir("..")
        open("data/a.csv").close()
        os.chdir(tmp_path)
        open("data/a.csv").close()

    recorder = seen(body)
    assert ("file", "data/a.csv") in names(recorder)
    assert first_changed(recorder.reads()) is None
    write("data/a.csv", "new")
    assert first_changed(recorder.reads()) is not None


def test_a_body_that_returns_by_an_absolute_path_is_where_it_began(tmp_path: pathlib.Path) -> None:
    os.mkdir("data")
    write("a.csv")

    def body() -> None:
        with contextlib.chdir("data"):
            pass
        open("a.csv").close()

    assert names(seen(body)) == [("file", "a.csv")]


def test_a_body_that_ends_elsewhere_is_judged_from_where_it_began() -> None:
    os.mkdir("data")
    write("a.csv")

    def body() -> None:
        open("a.csv").close()
        os.chdir("data")

    recorder = seen(body)
    assert recorder.changed() == ()
    assert names(recorder) == [("file", "a.csv")]


def test_a_database_is_a_read_with_its_log() -> None:
    with contextlib.closing(sqlite3.connect("a.db")) as connection:
        connection.execute("CREATE TABLE t (a)")

    def body(database: Any, **how: Any) -> None:
        with contextlib.closing(sqlite3.connect(database, **how)) as connection:
            connection.execute("SELECT * FROM t").fetchall()

    expected = [("file", "a.db"), ("missing", "a.db-wal")]
    assert names(seen(lambda: body("a.db"))) == expected
    assert names(seen(lambda: body(pathlib.Path("a.db")))) == expected
    path = os.path.abspath("a.db")
    assert names(seen(lambda: body(f"file:{path}?mode=ro", uri=True))) == [
        ("file", path),
        ("missing", path + "-wal"),
    ]
    reads = seen(lambda: body("a.db")).reads()
    with contextlib.closing(sqlite3.connect("a.db")) as connection, connection:
        connection.execute("INSERT INTO t VALUES (1)")
    assert first_changed(reads) is not None


def test_a_row_that_is_only_in_the_log_is_noticed() -> None:
    with contextlib.closing(sqlite3.connect("a.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        with writer:
            writer.execute("CREATE TABLE t (a)")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        def body() -> None:
            with contextlib.closing(sqlite3.connect("a.db")) as reader:
                reader.execute("SELECT * FROM t").fetchall()

        recorder = seen(body)
        assert recorder.changed() == ()
        assert names(recorder) == [("file", "a.db"), ("missing", "a.db-wal")]
        with writer:
            writer.execute("INSERT INTO t VALUES (1)")
        assert first_changed(recorder.reads()) is not None


def test_a_database_in_memory_is_no_read() -> None:
    def body() -> None:
        sqlite3.connect(":memory:").close()
        sqlite3.connect("").close()
        sqlite3.connect("file:x?mode=memory", uri=True).close()

    assert names(seen(body)) == []


def test_what_is_no_path_is_no_read() -> None:
    write("a.csv")

    def body() -> None:
        descriptor = os.open("a.csv", os.O_RDONLY)
        open(descriptor).close()
        for nonsense in ("a\0b", "x" * 5000, "\udc80"):
            with contextlib.suppress(OSError, ValueError):
                open(nonsense).close()

    recorder = seen(body)
    assert ("file", "a.csv") in names(recorder)
    assert {kind for kind, _ in names(recorder)} <= {"file", "missing"}


def test_a_pipe_and_a_device_are_no_reads() -> None:
    os.mkfifo("pipe")

    def body() -> None:
        os.close(os.open("pipe", os.O_RDONLY | os.O_NONBLOCK))
        open("/dev/null").close()

    assert names(seen(body)) == []


def test_the_digest_of_a_variable_is_of_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    from stagecache.model import Digest, Read

    read = Read("environment", "STAGE_TEST", Digest(b""))
    monkeypatch.setenv("STAGE_TEST", "1")
    one = digest_now(read)
    assert digest_now(read) == one
    monkeypatch.setenv("STAGE_TEST", "2")
    two = digest_now(read)
    monkeypatch.delenv("STAGE_TEST")
    assert len({one, two, digest_now(read)}) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "./a", "gone", "data", "data/c"])), st.integers())
def test_reads_depend_on_neither_order_nor_repetition(opened: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.mkdir("data")
        for name in ("a", "b", "data/c"):
            write(name, name)

        def body() -> None:
            for name in opened:
                _suppressed(os.listdir if name == "data" else lambda path: open(path).close(), name)

        first = seen(body).reads()
        opened = [*opened, *opened]
        random.Random(seed).shuffle(opened)
        again = seen(body).reads()
    assert first == again == tuple(sorted(set(again)))
    assert {read.name for read in first} == set(opened)


def _ends(process: int) -> None:
    os.waitpid(process, 0)


@pytest.mark.parametrize(
    "run",
    [
        lambda: subprocess.run("cat a.txt > /dev/null", shell=True, check=True),
        lambda: subprocess.run(["sh", "-c", "wc -l <'a.txt' >/dev/null"], check=True),
        lambda: os.popen("sort a.txt | uniq").close(),
        lambda: os.system("cat a.txt>/dev/null"),
        lambda: _ends(os.posix_spawn("/bin/sh", ["sh", "-c", "cat a.txt >/dev/null"], os.environ)),
        lambda: os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "cat a.txt >/dev/null"),
        lambda: subprocess.run(["sh", "-c", "cat ${0#*=} >/dev/null", "--in=a.txt"], check=True),
        lambda: subprocess.run(["awk", "-fa.txt"], check=True),
    ],
    ids=["a shell", "redirected", "os.popen", "os.system", "spawned", "executed", "in=", "-f"],
)
def test_a_file_that_a_shell_is_told_of_is_read(run: Callable[[], Any]) -> None:
    write("a.txt")
    assert ("file", "a.txt") in names(seen(run))


@pytest.mark.parametrize(
    "run",
    [
        lambda: subprocess.run(["sh", "steps.sh"], check=True),
        lambda: subprocess.run("sh -e ./steps.sh >/dev/null", shell=True, check=True),
        lambda: subprocess.run(["./all"], check=True),
    ],
    ids=["a script", "of a command", "a script of a script"],
)
def test_what_the_script_of_a_shell_is_told_is_read(
    run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEVEL", "9")
    write("a.txt")
    write("steps.sh", "cat <<END\nit's\nEND\ngzip -c -$LEVEL a.txt >a.gz\n")
    write("all", "#!/usr/bin/env sh\nset -e\nsh ./steps.sh\n")
    os.chmod("all", 0o755)
    found = {os.path.normpath(name) for _, name in names(seen(run))}
    assert {"a.txt", "steps.sh", "LEVEL"} <= found
    assert "a.gz" not in found


def test_a_pipe_that_a_program_is_told_of_is_left_to_it() -> None:
    os.mkfifo("pipe")

    def run() -> None:
        reader = subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE, text=True)
        write("pipe", "one")
        assert reader.communicate()[0] == "one"

    assert ("file", "pipe") not in names(seen(run))


def test_what_a_pattern_of_a_shell_finds_is_read_in_the_folder_it_goes_to() -> None:
    os.makedirs("data/raw")
    write("data/raw/one.csv")
    recorder = seen(lambda: subprocess.run("cd data && cat raw/*.csv", shell=True, check=True))
    assert {("file", "data/raw/one.csv"), ("directory", "data/raw")} <= {*names(recorder)}
    reads = recorder.reads()
    assert first_changed(reads) is None
    write("data/raw/two.csv")
    assert first_changed(reads) is not None


def test_what_a_shell_writes_and_what_no_shell_understands_is_no_read() -> None:
    def run() -> None:
        subprocess.run("echo 'it''s' > b.txt", shell=True, check=True)
        subprocess.run([sys.executable, "-c", "# it's no shell's"], check=True)

    assert names(seen(run)) == []
