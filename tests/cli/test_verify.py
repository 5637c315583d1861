"""``stagecache verify`` finds what is damaged, and the stages that give another result."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

ETL = """
    import itertools
    import pathlib

    from stagecache import pipeline, stage

    @stage
    def steady(n: int) -> bytes:
        print("printed by a body")
        return bytes(n)

    @stage(reads="ignore")
    def drifting(data: bytes) -> dict[str, int]:
        counter = pathlib.Path("counter.txt")
        now = int(counter.read_text()) + 1 if counter.exists() else 0
        counter.write_text(str(now))
        return {"size": len(data), "at": now}

    @pipeline
    def main(n: int = 100_000):
        return drifting(steady(n))
"""


@pytest.fixture
def etl(project):
    project.write("etl.py", ETL)
    return project


def verify(project, *arguments):
    done = project.python("-m", "stagecache", "verify", *arguments, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_sound_cache_has_no_problem(etl):
    etl.run("etl.py:main")
    code, text, error = verify(etl)
    assert (code, error) == (0, "")
    assert text.startswith(f"{etl.directory}: 2 results, 1 blobs, 101 kB checked in ")
    assert text.endswith(": no problem found\n")
    code, text, error = verify(etl, "--json")
    found = json.loads(text)
    assert (code, error, found["problems"]) == (0, "", [])
    assert (found["results"], found["parts"], found["items"], found["blobs"]) == (2, 0, 0, 1)
    assert found["bytes"] > 100_000
    assert found["seconds"] > 0


def test_without_a_cache_there_is_nothing_to_check_and_nothing_is_made(etl):
    code, text, _ = verify(etl, "--json")
    assert (code, json.loads(text)["results"]) == (0, 0)
    assert not etl.directory.exists()


def damage(etl):
    (blob,) = (etl.directory / "v1" / "blobs").rglob("?" * 32)
    data = bytearray(blob.read_bytes())
    data[50_000] ^= 1
    blob.write_bytes(data)
    return blob


def test_a_damaged_blob_is_named(etl):
    etl.run("etl.py:main")
    blob = damage(etl)
    code, text, _ = verify(etl)
    assert code == 1
    assert f"blob {blob.name}: its contents are damaged" in text
    assert "1 problem found" in text
    code, text, _ = verify(etl, "--json")
    (problem,) = json.loads(text)["problems"]
    assert code == 1
    assert (problem["kind"], problem["stage"]) == ("blob", "etl:steady")
    assert (problem["blob"], problem["repaired"]) == (blob.name, False)
    assert blob.exists()


def test_what_is_repaired_is_set_aside_and_computed_again(etl):
    etl.run("etl.py:steady", "n=100000")
    blob = damage(etl)
    code, text, _ = verify(etl, "--repair")
    assert (code, "its contents are damaged (repaired)" in text) == (0, True)
    assert not blob.exists()
    assert (etl.directory / "v1" / "quarantine" / blob.name).exists()
    assert verify(etl)[0] == 0
    assert etl.run("etl.py:steady", "n=100000")["ran"] == ["steady"]


def in_terminal(etl, *command, **env):
    """Run a command whose standard error is a terminal; return its exit code and what it showed."""
    master, slave = pty.openpty()
    environment = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "STAGECACHE_DIRECTORY": str(etl.directory)} | env
    started = subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        stdin=slave, stdout=subprocess.PIPE, stderr=slave, cwd=etl.folder, env=environment,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux says so when the last writer has gone
        pass
    finally:
        os.close(master)
        code = started.wait(60)
        started.stdout.close()
    return code, shown.decode()


VERIFY = ("-m", "stagecache", "verify")


def test_a_terminal_shows_how_far_it_is(etl):
    etl.run("etl.py:main")
    code, shown = in_terminal(etl, *VERIFY)
    assert code == 0
    assert "100%" in shown
    assert "2 results, 1 blobs" in shown


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(["--json"], {}), (["--quiet"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
)
def test_a_terminal_is_left_alone_when_that_is_asked_for(etl, arguments, env):
    etl.run("etl.py:main")
    assert in_terminal(etl, *VERIFY, *arguments, **env) == (0, "")


def test_ctrl_c_ends_it_at_once_though_a_file_server_hangs(etl):
    etl.run("etl.py:main")
    program = """if True:
        import os, signal, sys, threading

        def hang(event, args):
            if event == "open" and "/v1/blobs/" in str(args[0]):
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait()

        sys.addaudithook(hang)
        sys.argv[1:] = ["verify"]
        from stagecache.cli import main
        main()
    """
    code, shown = in_terminal(etl, "-c", program)
    assert code == 130, shown
    assert "2 results, 0 blobs" in shown
    assert "no problem so far" in shown


def test_stages_that_give_another_result_are_named_with_what_differs(etl):
    etl.run("etl.py:main")
    code, text, _ = verify(etl, "--recompute", "100%", "etl.py:main", "--seed", "3")
    assert code == 1
    lines = [line for line in text.splitlines() if line != "printed by a body"]
    assert lines[:3] == [
        "main: 2 of 2 hits run again, 1 differ (--seed 3)",
        "  drifting: differs",
        "    keys changed: 'at'",
    ]
    assert "randomness" in lines[3]
    code, text, _ = verify(etl, "--json", "--recompute", "1", "etl.py:main", "n=100_000")
    found = json.loads(text)
    assert (code, found["hits"]) == (1, 2)
    assert [node["status"] for node in found["nodes"]] == ["same", "differs"]
    assert etl.run("etl.py:main")["ran"] == []


def test_at_least_one_hit_is_run_again(etl):
    etl.run("etl.py:steady", "n=5")
    code, text, _ = verify(etl, "--json", "--recompute", "1%", "etl.py:steady", "n=5")
    found = json.loads(text)
    assert (code, [node["status"] for node in found["nodes"]]) == (0, ["same"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("etl.py:main",),
        ("--recompute", "5%"),
        ("--repair", "--recompute", "5%", "etl.py:main"),
        ("--recompute", "0%", "etl.py:main"),
        ("--recompute", "150%", "etl.py:main"),
        ("--recompute", "many", "etl.py:main"),
        ("--recompute", "nan", "etl.py:main"),
        ("--recompute", "5%", "etl.py:mian"),
    ],
)
def test_a_wrong_question_exits_with_2(etl, arguments):
    code, _, error = verify(etl, *arguments)
    assert code == 2, error
