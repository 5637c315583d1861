"""What a stage uses without declaring it counts as well: files, probes, other stages' inputs."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

import stagecache
from stagecache import File, ImpureStageWarning, StagecacheWarning


@pytest.fixture
def work(tmp_path, monkeypatch, cache):
    """A working directory of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_file_opened_by_a_plain_path_counts(work):
    ran = []

    @stagecache.stage(ignore=("log",))
    def load(log: object = None) -> int:
        ran.append(1)
        return int(pd.read_csv("x.csv")["a"].sum())

    (work / "x.csv").write_text("a\n1\n2\n")
    assert load() == load() == 3
    assert len(ran) == 1
    (work / "x.csv").write_text("a\n1\n5\n")
    explanation = load.explain()
    assert [(r.kind, r.subject) for r in explanation.reasons] == [("file", "x.csv")]
    assert load() == 6
    assert len(ran) == 2
    (work / "x.csv").write_text("a\n1\n2\n")
    assert load() == 3
    assert len(ran) == 2, "the result of the earlier contents is still kept"


def test_parquet_read_by_native_code_counts(work):
    @stagecache.stage
    def load(path: str) -> int:
        return int(pd.read_parquet(path)["a"].sum())

    pd.DataFrame({"a": [1, 2]}).to_parquet("x.parquet")
    assert load("x.parquet") == 3
    assert load.is_cached("x.parquet")
    pd.DataFrame({"a": [1, 7]}).to_parquet("x.parquet")
    assert not load.is_cached("x.parquet")
    assert load("x.parquet") == 8


def test_a_file_that_is_absent_today_counts(work):
    @stagecache.stage
    def settings() -> str:
        try:
            with open("settings.txt") as stream:
                return stream.read()
        except FileNotFoundError:
            return "defaults"

    assert settings() == "defaults"
    assert settings.is_cached()
    (work / "settings.txt").write_text("mine")
    assert settings() == "mine"
    (work / "settings.txt").unlink()
    assert settings.is_cached()


def test_a_listed_directory_counts(work):
    @stagecache.stage
    def names() -> list[str]:
        return sorted(os.listdir("data"))

    (work / "data").mkdir()
    (work / "data/a").touch()
    assert names() == ["a"]
    assert names.is_cached()
    (work / "data/b").touch()
    assert names() == ["a", "b"]


def test_relative_names_are_looked_up_where_the_caller_is(work, monkeypatch):
    @stagecache.stage
    def load() -> str:
        with open("data.txt") as stream:
            return stream.read()

    for name in ("one", "two"):
        (work / name).mkdir()
        (work / name / "data.txt").write_text(name)
    monkeypatch.chdir(work / "one")
    assert load() == "one"
    monkeypatch.chdir(work / "two")
    assert load() == "two"
    monkeypatch.chdir(work / "one")
    assert load.is_cached()
    assert load() == "one"


def test_which_files_are_read_may_depend_on_what_is_in_them(work):
    ran = []

    @stagecache.stage(ignore=("log",))
    def follow(log: object = None) -> str:
        ran.append(1)
        with open("which.txt") as stream:
            name = stream.read()
        with open(name) as stream:
            return stream.read()

    (work / "a.txt").write_text("A")
    (work / "b.txt").write_text("B")
    for name, expected in (("a.txt", "A"), ("b.txt", "B"), ("a.txt", "A"), ("b.txt", "B")):
        (work / "which.txt").write_text(name)
        assert follow() == expected
    assert len(ran) == 2
    (work / "a.txt").write_text("A2")
    assert follow() == "B"
    assert len(ran) == 2, "a file that only the other variant read does not count"
    (work / "which.txt").write_text("a.txt")
    assert follow() == "A2"


def test_a_nested_stage_hands_its_reads_up_on_a_hit_too(work):
    ran = []

    @stagecache.stage(ignore=("log",))
    def inner(log: object = None) -> str:
        ran.append("inner")
        with open("data.txt") as stream:
            return stream.read()

    @stagecache.stage(ignore=("log",))
    def outer(x: int, log: object = None) -> str:
        ran.append(f"outer {x}")
        return inner() * x

    (work / "data.txt").write_text("a")
    assert outer(1) == "a"
    assert outer(2) == "aa"  # inner is a hit here
    assert ran == ["outer 1", "inner", "outer 2"]
    (work / "data.txt").write_text("b")
    assert outer(2) == "bb"
    assert outer(1) == "b"
    assert ran[3:] == ["outer 2", "inner", "outer 1"]


def test_a_nested_stage_hands_its_expiry_up(work):
    @stagecache.stage(ttl="1d")
    def rate() -> float:
        return 1.5

    @stagecache.stage
    def price(x: float) -> float:
        return x * rate()

    @stagecache.stage
    def other(x: float) -> float:
        return x

    price(2.0)
    other(2.0)
    expires = {
        entry.stage.rpartition(".")[2]: entry.expires for entry, _ in stagecache.current().entries()
    }
    kept = {
        entry.stage.rpartition(".")[2]: entry.created for entry, _ in stagecache.current().entries()
    }
    assert expires["price"] == pytest.approx(kept["rate"] + 86_400)
    assert expires["other"] is None


def test_refresh_runs_where_an_earlier_state_of_a_file_is_back(work):
    ran = []

    @stagecache.stage(ignore=("log",))
    def text(log: object = None) -> str:
        ran.append(1)
        with open("data.txt") as stream:
            return stream.read() + str(len(ran))

    for state in "ab":
        (work / "data.txt").write_text(state)
        text()
    (work / "data.txt").write_text("a")
    assert text() == "a1"
    assert text.refresh() == "a3"
    assert text() == "a3"
    (work / "data.txt").write_text("b")
    assert text() == "b2"
    assert text.refresh() == "b4"
    assert text() == "b4"
    (work / "data.txt").write_text("a")
    assert text() == "a3"


def test_reads_can_be_ignored_or_warned_about(work):
    def body() -> str:
        with open("data.txt") as stream:
            return stream.read()

    ignoring = stagecache.stage(reads="ignore", version="ignoring")(body)
    warning = stagecache.stage(reads="warn", version="warning")(body)
    (work / "data.txt").write_text("a")
    assert ignoring() == "a"
    with pytest.warns(ImpureStageWarning, match=r"reads 'data\.txt'"):
        assert warning() == "a"
    (work / "data.txt").write_text("b")
    assert ignoring() == "a"
    assert warning() == "a"


def test_a_written_file_that_is_not_returned_earns_a_warning(work):
    @stagecache.stage
    def careless() -> int:
        with open("report.txt", "w") as stream:
            return stream.write("text")

    @stagecache.stage
    def careful() -> File:
        with open("report2.txt", "w") as stream:
            stream.write("text")
        return File("report2.txt")

    with pytest.warns(ImpureStageWarning, match=r"writes .*report\.txt.* does not return it"):
        careless()
    careful()
    (work / "report2.txt").unlink()
    assert careful.is_cached()
    assert careful().read_text() == "text"
    assert (work / "report2.txt").read_text() == "text"


def test_a_probe_is_asked_at_every_lookup_and_counts(work):
    ran = []
    asked = []
    source = {"etag": "1"}

    def probe(url):
        asked.append(url)
        return source["etag"]

    @stagecache.stage(depends=probe, ignore=("log",))
    def fetch(url: str, log: object = None) -> str:
        ran.append(url)
        return f"{url} {len(ran)}"

    @stagecache.pipeline
    def job(url: str) -> str:
        return fetch(url)

    assert fetch("u") == fetch("u") == job("u") == "u 1"
    assert asked == ["u"] * 3
    source["etag"] = "2"
    assert fetch.explain("u").reasons[0].kind == "depends"
    assert job.run("u").outcomes[0].reason.kind == "depends"
    assert fetch("u") == "u 2"
    source["etag"] = "1"
    assert fetch("u") == "u 1"


def test_a_probe_that_fails_costs_a_run_and_a_warning_never_a_stale_result(work):
    def probe():
        raise ConnectionError("no network")

    ran = []

    @stagecache.stage(depends=probe, ignore=("log",))
    def fetch(log: object = None) -> int:
        ran.append(1)
        return len(ran)

    for expected in (1, 2):
        with pytest.warns(StagecacheWarning, match="probe of `fetch` failed"):
            assert fetch() == expected


def test_an_accepted_edit_keeps_results_and_a_later_one_does_not(work):
    def make(k, ran):
        @stagecache.stage(ignore=("log",))
        def scaled(x: int, log: object = None) -> int:
            ran.append(x)
            return x * k // k

        return scaled

    ran: list[int] = []
    make(1, ran).map([1, 2, 3])
    edited = make(2, ran)
    assert not edited.is_cached(1)
    assert edited.accept() == 3
    assert edited.map([1, 2, 3]) == [1, 2, 3]
    assert ran == [1, 2, 3]
    assert edited.accept() == 0
    assert not make(3, ran).is_cached(1)


def test_check_mode_runs_hits_again_and_reports_other_results(work):
    count = []

    @stagecache.stage(determinism="check", ignore=("log",))
    def wobbly(log: object = None) -> list[int]:
        count.append(1)
        return [7, len(count), 9]

    @stagecache.stage(determinism="check")
    def steady(x: int) -> int:
        return x

    assert wobbly() == [7, 1, 9]
    with pytest.warns(ImpureStageWarning, match=r"`wobbly` gives another.*positions changed: 1"):
        assert wobbly() == [7, 1, 9]
    assert steady(3) == steady(3) == 3


def test_check_mode_names_the_keys_and_columns_that_differ(work):
    count = []

    @stagecache.stage(determinism="check")
    def keyed() -> dict[str, int]:
        count.append(1)
        return {"same": 1, "other": len(count)}

    @stagecache.stage(determinism="check")
    def framed() -> pd.DataFrame:
        count.append(1)
        return pd.DataFrame({"same": [1, 2], "other": [1, len(count)]})

    keyed()
    with pytest.warns(ImpureStageWarning, match=r"\(keys changed: 'other'\)"):
        keyed()
    framed()
    with pytest.warns(ImpureStageWarning, match=r"\(columns changed: 'other'\)"):
        framed()


@pytest.mark.parametrize(("files", "words"), [(1, "is no argument. Pass it"), (2, "are no args")])
def test_files_that_are_read_are_named_in_the_warning(work, files, words):
    for number in range(files):
        Path(f"{number}.txt").touch()

    @stagecache.stage(reads="warn")
    def read() -> None:
        for number in range(files):
            Path(f"{number}.txt").read_text()

    with pytest.warns(ImpureStageWarning, match=words.replace("args", "arguments. Pass them")):
        read()


def test_explain_tells_which_answer_of_the_probe_it_compared_with(work):
    answers = ["old"]

    @stagecache.stage(depends=lambda table: answers[0])
    def rows(table: str) -> str:
        return table

    rows("users")
    answers[0] = "new"
    explanation = rows.explain("users")
    assert str(explanation.reasons[0]) == "depends: was str 'old', is str 'new'"
    assert explanation.compared_with == "rows(table=str 'users', depends=str 'old')"


def test_a_file_that_vanished_is_the_reason(work):
    @stagecache.stage
    def load() -> str:
        try:
            with open("data.txt") as stream:
                return stream.read()
        except FileNotFoundError:
            return "none"

    @stagecache.pipeline
    def job() -> str:
        return load()

    (work / "data.txt").write_text("a")
    assert job() == "a"
    (work / "data.txt").unlink()
    run = job.run()
    assert run.value == "none"
    reason = run.outcomes[0].reason
    assert (reason.kind, reason.subject) == ("file", "data.txt")


def test_a_pipeline_that_a_body_runs_hands_its_reads_up(work):
    ran = []

    @stagecache.stage(ignore=("log",))
    def load(log: object = None) -> str:
        ran.append("load")
        with open("data.txt") as stream:
            return stream.read()

    @stagecache.pipeline
    def inner() -> str:
        return load()

    @stagecache.stage(ignore=("log",))
    def outer(x: int, log: object = None) -> str:
        ran.append("outer")
        return inner() * x

    (work / "data.txt").write_text("a")
    assert outer(2) == outer(2) == "aa"
    (work / "data.txt").write_text("b")
    assert outer(2) == "bb"
    assert ran == ["outer", "load", "outer", "load"]


def test_a_helper_module_that_reads_its_configuration_at_import_is_noticed(project):
    project.write("settings.ini", "3")
    project.write("helper.py", "LIMIT = int(open('settings.ini').read())\n")
    project.write(
        "job.py",
        """
        import helper
        from stagecache import pipeline, stage

        @stage
        def work(x: int) -> int:
            return x * helper.LIMIT

        @pipeline
        def main() -> int:
            return work(2)
        """,
    )
    env = {"PYTHONWARNINGS": "ignore"}
    assert project.run("job.py:main", **env)["ran"] == ["work"]
    assert project.run("job.py:main", **env)["ran"] == []
    project.write("settings.ini", "4")
    done = project.run("job.py:main", **env)
    assert done["ran"] == ["work"]
    assert done["reasons"]["work"] == "code: helper.LIMIT"


def test_a_file_beside_the_notebooks_folder_is_put_back_from_inside_it(work, monkeypatch):
    (work / "pyproject.toml").touch()
    (work / "notebooks").mkdir()
    monkeypatch.chdir(work / "notebooks")

    @stagecache.stage
    def report() -> File:
        with open("../report.txt", "w") as stream:
            stream.write("text")
        return File("../report.txt")

    report()
    (work / "report.txt").unlink()
    assert report().read_text() == "text"
    assert report.is_cached()


def test_what_somebody_wrote_into_a_file_that_a_body_only_found_is_not_undone(work):
    ran = []

    @stagecache.stage
    def find() -> File:
        ran.append("find")
        return File("data.txt")

    for text in ("one", "two", "one"):
        (work / "data.txt").write_text(text)
        assert find().read_text() == text
        assert (work / "data.txt").read_text() == text
    assert ran == ["find"] * 2
    (work / "data.txt").unlink()
    assert not find.is_cached()


def test_a_probe_that_needs_a_lost_value_gets_it_computed_again(work):
    asked = []

    @stagecache.stage
    def source(n: int) -> bytes:
        return bytes(n)

    @stagecache.stage(depends=lambda data: asked.append(len(data)) or "1")
    def use(data: bytes) -> int:
        return len(data)

    @stagecache.pipeline
    def job() -> int:
        return use(source(100_000))

    job()
    for blob in (work.parent / "cache").rglob("blobs/*/*"):
        blob.unlink()
    run = job.run()
    assert run.value == 100_000
    assert run.ran == ("source",)
    assert asked == [100_000, 100_000]


def test_checking_a_hit_never_fails_the_job_nor_holds_the_index(work):
    @stagecache.stage
    def source(n: int) -> bytes:
        return bytes(n)

    @stagecache.stage
    def nested(x: int) -> int:
        return x

    @stagecache.stage(determinism="check", ignore=("log",))
    def use(data: bytes, log: object = None) -> int:
        with suppress(FileNotFoundError):
            os.pathconf("down", "PC_NAME_MAX")  # no open: nobody sees it
            raise OSError("the source is down")
        return nested.refresh(len(data))  # writes, which a read transaction would forbid

    @stagecache.pipeline
    def job() -> int:
        return use(source(100_000))

    assert job() == job() == 100_000
    (work / "down").touch()
    with pytest.warns(ImpureStageWarning, match="`use` raised OSError"):
        assert job() == 100_000
    with pytest.warns(ImpureStageWarning, match="`use` raised OSError"):
        assert use(bytes(100_000)) == 100_000
    (work / "down").unlink()
    for blob in (work.parent / "cache").rglob("blobs/*/*"):
        blob.unlink()
    assert job() == 100_000  # what the check needs cannot be loaded: the hit stands unchecked


def test_a_file_that_a_nested_stage_made_is_no_read_of_the_caller(work):
    @stagecache.stage
    def report(n: int) -> File:
        with open("report.txt", "w") as stream:
            stream.write("x" * n)
        return File("report.txt")

    @stagecache.stage
    def measured(n: int, times: int) -> int:
        return len(report(n).read_text()) * times

    assert measured(3, 1) == 3
    assert measured(3, 2) == 6  # report is a hit here
    (work / "report.txt").unlink()
    assert measured.is_cached(3, 1)
    assert measured.is_cached(3, 2)


def test_what_another_cache_keeps_while_a_body_runs_is_nothing_that_it_writes(work, recwarn):
    @stagecache.stage
    def inside(x: int) -> int:
        with stagecache.Cache(work / "another") as other:
            other.index("counts")["a"] = b"x" * 100_000
            return len(other.index("counts")) + x

    @stagecache.stage
    def beside(x: int) -> int:
        thread = threading.Thread(target=lambda: inside.fn(x + 1))
        thread.start()
        thread.join()
        return x

    (work / "moved").mkdir()
    os.symlink(work / "moved", work / "another")
    assert (inside(1), beside(1)) == (2, 1)
    assert inside.is_cached(1)
    assert beside.is_cached(1)
    assert not recwarn.list
