"""``stagecache run`` says what ran, what hit and why; its exit code says how it went."""

from __future__ import annotations

import json

import pytest

ETL = """
    import os
    import subprocess
    import sys

    from stagecache import File, pipeline, stage

    @stage
    def load(path: File) -> list[int]:
        return [int(word) for word in path.read_text().split()]

    @stage
    def scale(numbers: list[int], *, factor: int = 2) -> list[int]:
        return [factor * number for number in numbers]

    @stage
    def total(parts: list[list[int]]) -> int:
        return sum(map(sum, parts))

    @stage
    def noisy(text: str) -> str:
        print("from Python")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-c", "print('from a subprocess')"], check=True)
        return text

    @stage
    def broken(x: int) -> int:
        raise ZeroDivisionError("no such flight")

    @stage
    def after(x: int) -> int:
        return x

    @pipeline
    def nightly(folder: str, factor: int = 2) -> int:
        return total(scale.map(load.map(File.glob(f"{folder}/*.txt")), factor=factor))

    @pipeline
    def failing(folder: str):
        return [after(broken(1)), total(load.map(File.glob(f"{folder}/*.txt")))]

    @pipeline
    def socketed():
        import socket

        return broken(socket.socket())

    @pipeline
    def wrong(folder: str):
        return total(undefined_name)
"""


@pytest.fixture
def etl(project):
    project.write("etl.py", ETL)
    project.write("data/a.txt", "1 2")
    project.write("data/b.txt", "3")
    return project


def stagecache(project, *arguments, **env):
    return project.python("-m", "stagecache", *arguments, check=False, **env)


def test_json_names_what_ran_and_what_hit(etl):
    first = etl.run("etl.py:nightly", "folder=data")
    assert sorted(first["ran"]) == ["load[0]", "load[1]", "scale[0]", "scale[1]", "total"]
    assert first["hit"] == first["failed"] == []
    again = etl.run("etl.py:nightly", "folder=data")
    assert again["ran"] == []
    assert sorted(again["hit"]) == sorted(first["ran"])
    assert again["reasons"] == {}
    assert {"seconds", "saved_seconds"} <= set(again)


def test_a_changed_file_is_named_as_the_reason(etl):
    etl.run("etl.py:nightly", "folder=data")
    etl.write("data/b.txt", "4")
    rerun = etl.run("etl.py:nightly", "folder=data")
    assert sorted(rerun["ran"]) == ["load[1]", "scale[1]", "total"]
    assert rerun["reasons"]["load[1]"] == "file: b.txt"


def test_a_typed_argument_has_the_key_of_the_python_call(etl):
    etl.run("etl.py:nightly", "folder=data", "factor=3")
    etl.write("again.py", "import etl\nprint(etl.nightly.run('data', 3).ran)\n")
    assert etl.python("again.py").stdout == "()\n"


def test_a_module_and_its_file_share_results(etl):
    etl.run("etl.py:nightly", "folder=data")
    assert etl.run("etl:nightly", "folder=data")["ran"] == []


def test_a_stage_can_be_run(etl):
    assert etl.run("etl.py:scale", "numbers=[1, 2]")["ran"] == ["scale"]
    assert etl.run("etl.py:scale", "numbers=[1, 2]")["hit"] == ["scale"]


def test_people_see_a_line_for_each_stage_and_the_value(etl):
    shown = stagecache(etl, "run", "etl.py:nightly", "folder=data")
    assert shown.returncode == 0
    assert shown.stderr == ""
    first, *table, last = shown.stdout.splitlines()
    assert first.startswith("nightly: 5 ran, 0 hit in ")
    assert [line.split()[0] for line in table[2:]] == ["load", "scale", "total"]
    assert last == "value: 12"


def test_what_stages_print_does_not_spoil_the_json(etl):
    done = stagecache(etl, "run", "etl.py:noisy", "text=x", "--json")
    assert json.loads(done.stdout)["ran"] == ["noisy"]
    assert "from Python" in done.stderr
    assert "from a subprocess" in done.stderr


def test_a_failed_stage_exits_with_1_and_names_the_node(etl):
    done = stagecache(etl, "run", "etl.py:failing", "folder=data", "--json")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert record["failed"] == ["broken"]
    assert sorted(record["ran"]) == ["load[0]", "load[1]", "total"]
    assert 'raise ZeroDivisionError("no such flight")' in done.stderr
    assert "ZeroDivisionError: no such flight" in done.stderr
    assert "stagecache/cli" not in done.stderr


def test_people_see_the_failure_and_its_traceback(etl):
    done = stagecache(etl, "run", "etl.py:failing", "folder=data")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "broken failed: ZeroDivisionError: no such flight" in done.stdout
    assert "Traceback" in done.stderr


def test_an_error_in_the_pipeline_function_exits_with_1(etl):
    done = stagecache(etl, "run", "etl.py:wrong", "folder=data")
    assert done.returncode == 1
    assert "NameError: name 'undefined_name' is not defined" in done.stderr
    assert "stagecache/pipeline.py" not in done.stderr


def test_an_error_while_the_file_is_imported_exits_with_1_and_shows_only_its_frames(etl):
    etl.write("bad.py", "raise ValueError('at import')\n")
    done = stagecache(etl, "run", "bad.py:nightly")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: at import\n")
    assert done.stderr.count("File ") == 1


def test_what_stagecache_words_itself_needs_no_traceback(etl):
    done = stagecache(etl, "run", "etl.py:socketed")
    assert done.returncode == 1
    assert done.stderr.startswith("stagecache.errors.FingerprintError: Cannot fingerprint `x`")
    assert "node broken" in done.stderr
    assert max(map(len, done.stdout.splitlines())) < 140


def test_a_closed_pipe_is_no_error(etl):
    code = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'stagecache', "
    code += "'run', 'etl.py:nightly', 'folder=data', '--json'], stdout=subprocess.PIPE, "
    code += "stderr=subprocess.PIPE); p.stdout.close(); print(p.stderr.read())"
    assert "Traceback" not in etl.python("-c", code).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("etl.py:nigthly", "folder=data"), "Did you mean `nightly`?"),
        (("elt.py:nightly", "folder=data"), "Did you mean `etl.py`?"),
        (("etl.py:nightly", "fodler=data"), "Did you mean `folder`?"),
        (("etl.py:nightly",), "`folder` must be given"),
        (("etl.py:nightly", "folder=data", "factor=x"), "`factor`: not int: 'x'"),
        (("etl.py:nightly", "data"), "`data` is not NAME=VALUE"),
        (("etl.py:nightly", "folder=data", "--jbos", "2"), "--jobs"),
        (("etl.py:nightly", "folder=data", "--executor", "nonsense"), "'inline', 'threads'"),
        ((), "Missing argument"),
        (("etl.py:nightly", "fodler=data", "--json"), "Did you mean `folder`?"),
    ],
)
def test_a_wrong_question_exits_with_2_and_runs_nothing(etl, arguments, message):
    done = stagecache(etl, "run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_no_colour_without_a_terminal_or_against_the_users_will(etl):
    plain = stagecache(etl, "run", "etl.py:nightly", "folder=data")
    assert "\x1b" not in plain.stdout
    forced = stagecache(etl, "run", "etl.py:nightly", "folder=data", FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in forced.stdout


def test_json_needs_neither_rich_nor_pandas(etl):
    etl.run("etl.py:nightly", "folder=data")
    code = (
        "import sys\n"
        "from stagecache.cli import main\n"
        "sys.argv[1:] = ['run', 'etl.py:nightly', 'folder=data', '--json']\n"
        "try: main()\n"
        "except SystemExit as done: assert not done.code\n"
        "heavy = {'rich', 'pandas', 'numpy', 'pyarrow', 'networkx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    etl.python("-c", code)
