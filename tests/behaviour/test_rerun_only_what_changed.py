"""A rerun does only the work whose code or inputs changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import stagecache

ETL = """
    from stagecache import File, pipeline, stage

    FACTOR = 2

    def parse(text):
        return [int(word) for word in text.split()]

    def tidy(numbers):
        return sorted(numbers)

    @stage
    def load(path: File) -> list[int]:
        return parse(path.read_text())

    @stage
    def clean(numbers: list[int]) -> list[int]:
        return tidy(numbers)

    @stage
    def scale(numbers: list[int]) -> list[int]:
        return [FACTOR * number for number in numbers]

    @stage
    def total(parts: list[list[int]]) -> int:
        return sum(map(sum, parts))

    @pipeline
    def nightly(folder: str) -> int:
        return total(scale.map(clean.map(load.map(File.glob(f"{folder}/*.txt")))))
"""

EVERYTHING = [
    *(f"load[{i}]" for i in range(3)),
    *(f"clean[{i}]" for i in range(3)),
    *(f"scale[{i}]" for i in range(3)),
    "total",
]


@pytest.fixture
def etl(project):
    project.write("etl.py", ETL)
    for name, text in (("a", "3 1 2"), ("b", "30 10 20"), ("c", "5 4")):
        project.write(f"data/{name}.txt", text)
    first = project.run("etl.py:nightly", "folder=data")
    assert sorted(first["ran"]) == sorted(EVERYTHING)
    return project


def rerun(project, **env):
    done = project.run("etl.py:nightly", "folder=data", **env)
    assert sorted(done["ran"] + done["hit"]) == sorted(EVERYTHING)
    return done["ran"]


def test_a_second_run_in_a_fresh_process_runs_nothing(etl):
    assert rerun(etl) == []


def test_a_changed_file_reruns_its_chain_and_what_depends_on_it(etl):
    etl.write("data/b.txt", "30 10 21")
    assert rerun(etl) == ["load[1]", "clean[1]", "scale[1]", "total"]


def test_a_file_whose_stage_gives_an_equal_result_stops_there(etl):
    etl.write("data/a.txt", "2 3 1")
    assert rerun(etl) == ["load[0]", "clean[0]"]


def test_touching_a_file_reruns_nothing(etl):
    (etl.folder / "data/a.txt").touch()
    assert rerun(etl) == []


def test_editing_a_helper_reruns_only_its_stage(etl):
    etl.edit("etl.py", "return sorted(numbers)", "return sorted(list(numbers))")
    assert rerun(etl) == ["clean[0]", "clean[1]", "clean[2]"]


def test_editing_a_global_reruns_its_stage_and_what_its_result_changes(etl):
    etl.edit("etl.py", "FACTOR = 2", "FACTOR = 3")
    assert rerun(etl) == ["scale[0]", "scale[1]", "scale[2]", "total"]


def test_comments_formatting_docstrings_and_annotations_rerun_nothing(etl):
    etl.edit(
        "etl.py",
        "def tidy(numbers):\n",
        'def tidy(\n    numbers: "list[int]",\n) -> list:\n    """Sort."""  # in place? no\n\n',
    )
    assert rerun(etl) == []


def test_renaming_and_moving_stages_reruns_nothing(etl):
    text = (etl.folder / "etl.py").read_text().replace("def clean", "def tidy_up")
    etl.write("etl.py", text.replace("clean.map", "tidy_up.map"))
    done = etl.run("etl.py:nightly", "folder=data")
    assert done["ran"] == []


def test_switching_back_to_an_older_version_hits(etl):
    etl.edit("etl.py", "FACTOR = 2", "FACTOR = 3")
    rerun(etl)
    etl.edit("etl.py", "FACTOR = 3", "FACTOR = 2")
    assert rerun(etl) == []


def test_moving_the_data_folder_reruns_nothing(etl):
    (etl.folder / "data").rename(etl.folder / "moved")
    assert etl.run("etl.py:nightly", "folder=moved")["ran"] == []


def test_a_renamed_file_reruns_its_chain_until_results_are_equal(etl):
    (etl.folder / "data/c.txt").rename(etl.folder / "data/d.txt")
    assert rerun(etl) == ["load[2]"]


def test_an_added_file_runs_only_its_own_chain_and_the_merge(etl):
    etl.write("data/d.txt", "7")
    done = etl.run("etl.py:nightly", "folder=data")
    assert done["ran"] == ["load[3]", "clean[3]", "scale[3]", "total"]


def test_a_script_a_module_and_a_notebook_like_namespace_share_results(etl):
    source = (etl.folder / "etl.py").read_text()
    program = source + "\nrun = nightly.run('data')\nprint(list(run.ran))\n"
    etl.write("script.py", program)
    assert etl.python("script.py").stdout.strip() == "[]"
    etl.write("cells.py", f"exec(compile({program!r}, '<cell 3>', 'exec'), globals())")
    assert etl.python("cells.py").stdout.strip() == "[]"


def test_eager_calls_and_pipelines_share_results(cache):
    ran = []

    @stagecache.stage(ignore=("log",))
    def split(text: str, log: object = None) -> tuple[str, list[str]]:
        ran.append("split")
        head, *tail = text.split()
        return head, tail

    @stagecache.stage(ignore=("log",))
    def join(head: str, tail: dict[str, list[str]], log: object = None) -> str:
        ran.append("join")
        return head + "+".join(tail["tail"])

    @stagecache.pipeline
    def both(text: str) -> str:
        head, tail = split(text)
        return join(head, {"tail": tail})

    head, tail = split("a b c")
    assert join(head, {"tail": tail}) == "ab+c"
    assert ran == ["split", "join"]
    run = both.run("a b c")
    assert run.value == "ab+c"
    assert (run.ran, run.hit) == ((), ("split", "join"))
    assert ran == ["split", "join"]


def test_bodies_in_a_pool_of_the_users_find_the_cache_of_the_caller(cache):
    @stagecache.stage
    def inner(x: int) -> int:
        return x + 1

    @stagecache.stage
    def outer(x: int) -> int:
        return inner(x) * 2

    @stagecache.pipeline
    def job() -> list[int]:
        return outer.map(range(4))

    with ThreadPoolExecutor(2) as pool:
        run = job.options(executor=pool).run()
    assert run.value == [2, 4, 6, 8]
    assert all(inner.is_cached(x) for x in range(4))
    assert job.options(executor="threads", jobs=2).run().ran == ()
