"""Two machines that share only a Redis compute once what both want, and say whom they wait for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys

name, url, folder, gate = sys.argv[1:]
here = os.uname()
there = os.uname_result((here.sysname, name, here.release, here.version, here.machine))
os.uname = lambda: there  # what tells one machine from another

from stagecache import Cache, stage

def note(what, name):
    fd = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {name}\\n".encode())
    os.close(fd)

@stage(reads="ignore", ignore=("name",))
def inner(n: int, name: str) -> list[int]:
    note("inner", name)
    print("running", flush=True)
    with open(gate) as stream:  # a named pipe: nobody goes on before it is opened
        stream.read()
    return list(range(n))

@stage(reads="ignore", ignore=("name",))
def outer(n: int, name: str) -> int:
    note("outer", name)
    return sum(inner(n, name))

def tell(event):
    if event.kind == "waiting":
        print(event.node, event.message, flush=True)

with Cache(f"{folder}/{name}", redis=url) as cache:
    cache.listen(tell)
    print("ready", flush=True)
    for line in sys.stdin:
        value = {"inner": inner, "outer": outer}[line.strip()](4, name)
        print("value", value, flush=True)
"""


class Hosts:
    """Processes that do what they are told."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.script = folder / "host.py"
        self.script.write_text(PROGRAM)
        self.gate = folder / "gate"
        os.mkfifo(self.gate)
        self.url = url
        self.all: list[subprocess.Popen[str]] = []

    def start(self, name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(self.script), name, self.url, str(self.folder), str(self.gate)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.all.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def log(self) -> list[str]:
        return sorted((self.folder / "log").read_text().splitlines())

    def open(self) -> None:
        with open(self.gate, "w"):  # opens when the one that computes reads from it
            pass


@pytest.fixture
def hosts(tmp_path, redis_server):
    hosts = Hosts(tmp_path, redis_server.url)
    yield hosts
    for process in hosts.all:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def tell(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def said(process):
    return process.stdout.readline().strip()


def test_who_waits_says_for_which_process_on_which_machine(hosts):
    a, b = hosts.start("nodeA"), hosts.start("nodeB")
    tell(a, "inner")
    assert said(a) == "running"
    tell(b, "inner")
    waiting = said(b)
    assert waiting.endswith(f"waiting for pid {a.pid} on nodeA, 0 s"), waiting
    assert waiting.startswith("inner")
    waiting = said(b)  # and goes on to say so
    assert f"waiting for pid {a.pid} on nodeA, 1 s" in waiting
    hosts.open()
    assert said(a) == said(b) == "value [0, 1, 2, 3]"
    assert hosts.log() == ["inner nodeA"]


def test_a_stage_that_calls_another_waits_for_who_computes_that(hosts):
    a, b = hosts.start("nodeA"), hosts.start("nodeB")
    tell(a, "inner")
    assert said(a) == "running"
    tell(b, "outer")
    assert f"waiting for pid {a.pid} on nodeA" in said(b)
    hosts.open()
    assert said(a) == "value [0, 1, 2, 3]"
    for line in iter(lambda: said(b), ""):
        if line.startswith("value"):
            assert line == "value 6"
            break
    assert hosts.log() == ["inner nodeA", "outer nodeB"]


def test_what_a_killed_machine_was_computing_another_computes(hosts):
    a, b = hosts.start("nodeA"), hosts.start("nodeB")
    tell(a, "inner")
    assert said(a) == "running"
    tell(b, "inner")
    assert "waiting for" in said(b)
    # Its lease ends by itself some seconds after it was last renewed; here somebody takes it away.
    a.kill()
    a.wait()
    import redis

    client = redis.Redis.from_url(hosts.url)
    client.delete(*client.keys("*/lease/*"))
    client.close()
    while (line := said(b)) != "running":
        assert "waiting for" in line
    hosts.open()
    assert said(b) == "value [0, 1, 2, 3]"
    assert hosts.log() == ["inner nodeA", "inner nodeB"]


# --- from a laptop to a team

PROJECT = """
[tool.stagecache]
memory = "64 MiB"

[tool.stagecache.profiles.team]
redis = "{redis}"
store = "{store}"
"""
JOB = """
import pandas as pd
from stagecache import File, pipeline, stage

@stage
def flights(path: File) -> pd.DataFrame:
    return pd.read_csv(path)

@stage
def repeated(flights: pd.DataFrame, times: int) -> pd.DataFrame:
    return pd.concat([flights] * times, ignore_index=True)

@stage
def delays(flights: pd.DataFrame) -> dict[str, float]:
    return flights.groupby("carrier").delay.mean().to_dict()

@pipeline
def nightly(folder: str, times: int = 5000) -> dict[str, float]:
    return delays(repeated(flights(File(f"{folder}/flights.csv")), times))
"""


def test_a_profile_is_all_that_lies_between_a_laptop_and_a_team(
    tmp_path, redis_server, s3_server, monkeypatch
):
    monkeypatch.delenv("STAGECACHE_DIRECTORY")
    origin = tmp_path / "origin"
    (origin / "data").mkdir(parents=True)
    url = f"s3://{s3_server.bucket()}/stagecache"
    (origin / "pyproject.toml").write_text(PROJECT.format(redis=redis_server.url, store=url))
    (origin / "etl.py").write_text(JOB)
    (origin / "data" / "flights.csv").write_text("carrier,delay\n" + "UA,3\nAA,5\nUA,7\n" * 10)

    def run(clone, profile=""):
        if not (tmp_path / clone).exists():
            shutil.copytree(origin, tmp_path / clone)
        done = subprocess.run(
            [
                *(sys.executable, "-W", "error", "-m", "stagecache"),
                *("run", "etl.py:nightly", "folder=data", "--json"),
            ],
            cwd=tmp_path / clone,
            env={**os.environ, "STAGECACHE_PROFILE": profile},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    everything = ["flights", "repeated", "delays"]
    assert sorted(run("laptop")["ran"]) == sorted(everything)
    assert sorted(run("other laptop")["ran"]) == sorted(everything)
    first = run("ours", "team")
    assert sorted(first["ran"]) == sorted(everything)
    second = run("theirs", "team")
    assert second["ran"] == []
    assert run("theirs")["ran"] == []  # and has it for itself from then on
    assert run("laptop", "team")["ran"] == []
    (tmp_path / "theirs" / "data" / "flights.csv").write_text("carrier,delay\n" + "UA,4\n" * 10)
    assert sorted(run("theirs", "team")["ran"]) == sorted(everything)
    assert run("ours", "team")["ran"] == []
