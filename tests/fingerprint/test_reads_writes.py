"""What a body makes for itself is no read; what changes under it spoils its result."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from stagecache import File
from stagecache.fingerprint.reads import Recorder, first_changed, recording

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write("input")


def write(name: str, text: str = "text", mode: str = "w") -> None:
    with open(name, mode) as stream:
        stream.write(text)


def read(name: str) -> str:
    with open(name) as stream:
        return stream.read()


def seen(body: Callable[[], Any], *arguments: Any) -> Recorder:
    recorder = Recorder()
    recorder.note_argument_files(arguments)
    with recording(recorder):
        body()
    return recorder


def names(recorder: Recorder) -> list[tuple[str, str]]:
    return [(read.kind, read.name) for read in recorder.reads()]


def written(recorder: Recorder) -> list[str]:
    return [os.path.relpath(path) for path in recorder.written()]


def sequence(*steps: Callable[[], Any]) -> Callable[[], None]:
    def body() -> None:
        for step in steps:
            step()

    return body


def test_a_file_that_is_written_and_read_back_is_no_read() -> None:
    recorder = seen(sequence(lambda: write("out"), lambda: read("out")))
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["out"])


@pytest.mark.parametrize("mode", ["w", "x", "a", "w+", "a+"])
def test_a_file_that_is_created_is_written_and_no_read(mode: str) -> None:
    recorder = seen(lambda: write("out", mode=mode))
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["out"])


def test_a_file_that_is_replaced_is_written_and_no_read() -> None:
    recorder = seen(sequence(lambda: write("input", "longer text"), lambda: read("input")))
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["input"])


def test_what_only_appends_does_not_read() -> None:
    recorder = seen(lambda: write("input", mode="a"))
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["input"])


def test_what_is_open_for_update_is_read() -> None:
    recorder = seen(lambda: open("input", "r+").close())
    assert (names(recorder), recorder.changed()) == ([("file", "input")], ())
    assert written(recorder) == []


@pytest.mark.parametrize("mode", ["w", "r+", "a+"])
def test_a_file_that_is_read_and_then_changed_spoils_the_result(mode: str) -> None:
    recorder = seen(sequence(lambda: read("input"), lambda: write("input", "other, longer", mode)))
    assert recorder.changed() == ("input",)
    assert written(recorder) == ["input"]
    assert first_changed(recorder.reads()) == recorder.reads()[0]


def test_a_file_that_somebody_else_changes_meanwhile_spoils_the_result() -> None:
    change = "open('input', 'w').write('from outside')"
    recorder = seen(
        sequence(
            lambda: read("input"),
            lambda: subprocess.run([sys.executable, "-c", change], check=True),
        )
    )
    assert recorder.changed() == ("input",)
    assert first_changed(recorder.reads()) is not None


def test_what_spoils_a_nested_stage_spoils_its_caller() -> None:
    inner = seen(sequence(lambda: read("input"), lambda: write("input", "longer", "a")))
    outer = Recorder()
    outer.absorb(inner.reads(), inner.written())
    assert outer.changed() == ("input",)


def test_two_nested_stages_that_saw_different_contents_spoil_their_caller() -> None:
    first = seen(lambda: read("input"))
    outer = Recorder()
    outer.absorb(first.reads())
    write("input", "something else")
    outer.absorb(seen(lambda: read("input")).reads())
    assert outer.changed() == ("input",)


def test_a_file_that_is_read_and_removed_spoils_the_result() -> None:
    recorder = seen(sequence(lambda: read("input"), lambda: os.remove("input")))
    assert recorder.changed() == ("input",)


def test_a_file_that_is_looked_for_and_then_made_is_a_read_of_what_was_made() -> None:
    def body() -> None:
        try:
            read("memo")
        except FileNotFoundError:
            write("memo")

    recorder = seen(body)
    assert (names(recorder), recorder.changed()) == ([("file", "memo")], ())
    assert seen(body).reads() == recorder.reads(), "the second run finds what the first one made"


def test_a_file_that_appears_by_somebody_else_spoils_the_result() -> None:
    make = "open('late', 'w').close()"

    def body() -> None:
        with contextlib.suppress(FileNotFoundError):
            read("late")
        subprocess.run([sys.executable, "-c", make], check=True)

    assert seen(body).changed() == ("late",)


def test_temporary_files_are_neither_read_nor_written() -> None:
    def body() -> None:
        with tempfile.NamedTemporaryFile("w+") as named:
            named.write("x")
            named.flush()
            read(named.name)
        with tempfile.TemporaryFile("w+") as nameless:
            nameless.write("x")
        with tempfile.TemporaryDirectory() as folder:
            write(f"{folder}/a")
            read(f"{folder}/a")
            os.listdir(folder)
            with contextlib.suppress(FileNotFoundError):
                read(f"{folder}/b")
        handle, path = tempfile.mkstemp()
        os.close(handle)
        read(path)
        os.remove(path)

    recorder = seen(body)
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), [])


def test_a_temporary_file_that_a_child_makes_is_no_read() -> None:
    make = "import time; time.sleep(0.05); open('scratch', 'w').write('x')"
    recorder = seen(
        sequence(
            lambda: subprocess.run([sys.executable, "-c", make], check=True),
            lambda: read("scratch"),
            lambda: os.remove("scratch"),
        )
    )
    assert (names(recorder), recorder.changed()) == ([], ())


@pytest.mark.parametrize("move", [os.rename, os.replace, shutil.move])
def test_a_file_that_is_renamed_into_place_is_written(move: Callable[[str, str], Any]) -> None:
    recorder = seen(
        sequence(lambda: write("out.tmp"), lambda: move("out.tmp", "out"), lambda: read("out"))
    )
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["out"])


def test_a_folder_that_is_renamed_into_place_is_the_bodys_own() -> None:
    recorder = seen(
        sequence(
            lambda: os.mkdir("new"),
            lambda: write("new/a"),
            lambda: os.rename("new", "out"),
            lambda: read("out/a"),
            lambda: os.listdir("out"),
        )
    )
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["out/a"])


def test_a_copy_reads_the_original() -> None:
    recorder = seen(lambda: shutil.copy("input", "copy"))
    assert (names(recorder), written(recorder)) == ([("file", "input")], ["copy"])


def test_what_a_link_leads_to_is_a_read() -> None:
    def body() -> None:
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(os.path.abspath("input"), f"{folder}/link")
            read(f"{folder}/link")

    recorder = seen(body)
    assert names(recorder) == [("file", os.path.abspath("input")), ("file", "input")]


def test_removing_a_folder_reads_nothing() -> None:
    os.makedirs("old/inner")
    write("old/inner/a")
    recorder = seen(lambda: shutil.rmtree("old"))
    assert (names(recorder), recorder.changed()) == ([], ())


def test_a_listing_counts_with_what_the_body_added() -> None:
    def body() -> None:
        os.listdir()
        write("out")

    recorder = seen(body)
    assert (names(recorder), recorder.changed()) == ([("directory", ".")], ())
    assert seen(body).reads() == recorder.reads()


def test_a_name_that_somebody_else_adds_spoils_a_listing() -> None:
    add = "open('strange', 'w').close()"

    def body() -> None:
        os.listdir()
        write("out")
        subprocess.run([sys.executable, "-c", add], check=True)

    recorder = seen(body)
    assert recorder.changed() == (".",)
    assert first_changed(recorder.reads()) is not None


def test_a_database_that_the_body_makes_is_written_and_no_read() -> None:
    def body() -> None:
        with contextlib.closing(sqlite3.connect("new.db")) as connection, connection:
            connection.execute("CREATE TABLE t (a)")
        with contextlib.closing(sqlite3.connect("new.db")) as connection:
            connection.execute("SELECT * FROM t").fetchall()

    recorder = seen(body)
    assert (names(recorder), recorder.changed(), written(recorder)) == ([], (), ["new.db"])


def test_a_database_that_changes_meanwhile_spoils_the_result() -> None:
    def body() -> None:
        with contextlib.closing(sqlite3.connect("old.db")) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
            connection.execute("INSERT INTO t VALUES (1)")

    body()
    assert seen(body).changed() == ("old.db",)


def test_arguments_that_name_files_are_reads_unless_the_body_writes_them() -> None:
    for name in ("plain", "listed", "mapped", "output", "seen"):
        write(name)

    def body() -> None:
        read("seen")
        write("output", "the same or other")

    recorder = seen(
        body,
        "plain",
        ["listed", ("absent", 3, None)],
        {"key": pathlib.Path("mapped")},
        "output",
        "seen",
        "no\0path",
        "x" * 10_000,
        b"bytes",
    )
    assert names(recorder) == [("file", name) for name in ("listed", "mapped", "plain", "seen")]


def test_arguments_that_something_unseen_wrote_are_no_reads() -> None:
    code = "open('input', 'w').write('longer than before')"
    recorder = seen(lambda: subprocess.run([sys.executable, "-c", code], check=True), "input")
    assert (names(recorder), recorder.changed()) == ([], ())


def test_containers_that_contain_themselves_are_searched_once() -> None:
    endless: list[Any] = ["input"]
    endless.append(endless)
    assert names(seen(lambda: None, endless)) == [("file", "input")]


def test_a_declared_file_is_no_read() -> None:
    os.makedirs("data/2013")
    write("data/2013/a")
    recorder = seen(
        sequence(lambda: read("input"), lambda: read("data/2013/a"), lambda: os.listdir("data")),
        File("input"),
        {"folder": [File("data")]},
    )
    assert names(recorder) == []


def test_a_returned_file_is_no_read_unless_it_was_only_found() -> None:
    recorder = seen(sequence(lambda: write("out"), lambda: read("input")))
    recorder.declare("out")
    recorder.declare("input")
    assert names(recorder) == [("file", "input")]


def test_what_a_nested_stage_wrote_is_its_callers_own() -> None:
    outer = Recorder()
    with recording(outer):
        inner = seen(lambda: write("out"))
        outer.absorb(inner.reads(), inner.written())
        read("out")
        outer.absorb(seen(lambda: read("out")).reads())
    assert names(outer) == []


def test_a_nested_stage_may_read_what_its_caller_wrote() -> None:
    outer = Recorder()
    with recording(outer):
        write("out")
        inner = seen(lambda: read("out"))
        outer.absorb(inner.reads())
    assert names(inner) == [("file", "out")]
    assert names(outer) == []
