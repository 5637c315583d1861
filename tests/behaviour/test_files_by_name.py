"""Who is given the name of a file that a stage made finds that file there, as the stage made it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

import stagecache
from stagecache import File, ImpureStageWarning


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, cache):
    """A working directory of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@dataclass
class Report:
    path: str
    pages: int


GIVEN = {
    "text": lambda name: str(name),
    "path": Path,
    "absolute path": lambda name: Path(name).absolute(),
    "bytes": os.fsencode,
    "in a dict": lambda name: {"pages": 3, "path": str(name)},
    "in an object": lambda name: Report(str(name), 3),
}


def _path_in(result):
    if isinstance(result, dict | Report):
        result = result["path"] if isinstance(result, dict) else result.path
    return Path(os.fsdecode(result))


def _write(name, text):
    Path(name).write_text(text)
    return name


@pytest.mark.parametrize("given", GIVEN)
def test_a_file_that_a_result_names_is_there_at_a_hit_as_it_was_made(given, recwarn):
    ran = []
    give = GIVEN[given]

    @stagecache.stage(ignore=("log",))
    def export(text, log):
        log.append(text)
        return give(_write("out.txt", text))

    for text in ("a", "a", "b", "a"):
        assert _path_in(export(text, ran)).read_text() == text
    Path("out.txt").unlink()
    assert _path_in(export("a", ran)).read_text() == "a"
    assert ran == ["a", "b", "a", "a"]
    assert not recwarn.list


def test_files_in_a_folder_that_a_result_names_are_there_at_a_hit():
    ran = []

    @stagecache.stage(ignore=("log",))
    def export(count, log):
        log.append(count)
        folder = Path("parts")
        folder.mkdir(exist_ok=True)
        for number in range(count):
            _write(folder / f"{number}.txt", str(number))
        return folder

    export(2, ran)
    _write("parts/of somebody else.txt", "text")
    export(2, ran)
    assert ran == [2]
    Path("parts/1.txt").unlink()
    assert (export(2, ran) / "1.txt").read_text() == "1"
    assert ran == [2, 2]


def test_the_project_is_no_folder_that_is_named():
    @stagecache.stage
    def job(x):
        _write("log.txt", "text")
        return os.getcwd()

    with pytest.warns(ImpureStageWarning, match=r"log\.txt"):
        job(1)
    _write("log.txt", "text of others")
    assert job.is_cached(1)


def test_a_file_of_a_stage_that_a_body_calls_is_there_where_the_result_names_it():
    ran = []

    @stagecache.stage
    def export(text) -> File:
        return File(_write("out.txt", text))

    @stagecache.stage(ignore=("log",))
    def report(text, log):
        log.append(text)
        return str(export(text))

    @stagecache.stage(ignore=("log",))
    def length(text, log):
        log.append(text)
        return len(export(text).read_text())

    assert Path(report("a", ran)).read_text() == "a"
    report("a", ran)
    assert ran == ["a"]
    Path("out.txt").unlink()
    assert Path(report("a", ran)).read_text() == "a"
    assert ran == ["a", "a"]
    length("a", ran)
    Path("out.txt").unlink()
    length("a", ran)
    assert ran == ["a", "a", "a"], "who does not name it needs it no more"


def test_a_file_that_an_object_of_the_result_holds_is_put_back(recwarn):
    ran = []

    @stagecache.stage(ignore=("log",))
    def export(text, log):
        log.append(text)
        return Report(File(_write("out.txt", text)), 3)

    for text in ("a", "b", "a"):
        assert export(text, ran).path.read_text() == text
    Path("out.txt").unlink()
    assert export("a", ran).path.read_text() == "a"
    assert ran == ["a", "b"]
    assert not recwarn.list


def test_what_rests_on_a_file_by_name_is_not_taken_for_that_of_another_version():
    @stagecache.stage
    def export(text):
        return _write("out.txt", text)

    @stagecache.stage
    def read(path):
        return Path(path).read_text()

    assert [read(export(text)) for text in "aba"] == ["a", "b", "a"]


def test_a_file_that_is_made_where_it_is_absent_counts_when_somebody_edits_it():
    ran = []

    def fetched(name):
        path = Path("fetched", name)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text("first")
        return path

    @stagecache.stage(ignore=("log",))
    def words(name, log):
        log.append(name)
        return fetched(name).read_text()

    assert words("a", ran) == words("a", ran) == "first"
    assert ran == ["a"]
    Path("fetched/a").write_text("edited")
    assert words("a", ran) == words("a", ran) == "edited"
    Path("fetched/a").unlink()
    assert words("a", ran) == words("a", ran) == "first"
    assert ran == ["a", "a", "a"]


def test_a_file_of_its_own_that_a_body_reads_back_is_no_input():
    @stagecache.stage
    def job(text):
        if os.path.exists("scratch.txt"):
            os.unlink("scratch.txt")
        _write("scratch.txt", text)
        result = Path("scratch.txt").read_text() * 2
        os.unlink("scratch.txt")
        return result

    assert [job("a"), job("b")] == ["aa", "bb"]
    assert job.is_cached("a")
    _write("scratch.txt", "of somebody else")
    assert job("b") == "bb"


def test_a_pipeline_puts_back_files_that_nothing_in_it_takes():
    ran = []

    @stagecache.stage(ignore=("log",))
    def export(name, log) -> File:
        log.append(name)
        return File(_write(name, "text"))

    @stagecache.stage(ignore=("log",))
    def export_all(names, log) -> list[File]:
        log.append(names)
        return [File(_write(name, "text")) for name in names]

    @stagecache.stage
    def table(x):
        return list(range(x))

    @stagecache.pipeline
    def nightly(x):
        export("a.txt", ran)
        export_all(["b.txt", "c.txt"], ran)
        table(x + 1)
        return table(x)

    assert nightly(2) == [0, 1]
    count = len(ran)
    for name in ("a.txt", "b.txt", "c.txt"):
        Path(name).unlink()
    _write("c.txt", "of somebody else")
    assert nightly(2) == [0, 1]
    assert [Path(name).read_text() for name in ("a.txt", "b.txt", "c.txt")] == ["text"] * 3
    assert Path("c.txt.before-stagecache-1").read_text() == "of somebody else"
    assert len(ran) == count


def test_a_file_that_only_an_ignored_parameter_names_does_not_count():
    ran = []

    @stagecache.stage(ignore=("log", "hint"))
    def job(x, notes: stagecache.Ignore[list], log, hint):
        notes.append(x)
        return x + len(hint.read_text())

    _write("run.log", "first")
    _write("hint.txt", "a")
    job(1, ran, "run.log", File("hint.txt"))
    _write("run.log", "first and second")
    _write("hint.txt", "b")
    job(1, ran, "run.log", File("hint.txt"))
    job(1, ran, "other.log", File("hint.txt"))
    assert ran == [1]
