"""Of many processes that find an expired result, one refreshes it; the others do not wait."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

CALLERS = 8

PROGRAM = """
import os, sys, warnings
from stagecache import pipeline, stage

log, gate, way = sys.argv[1:]

@stage(ttl="1ms", serve_stale="1d", reads="ignore", ignore=("where", "gate"))
def rates(where: str, gate: str) -> int:
    fd = os.open(where, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"x")
    number = os.fstat(fd).st_size
    os.close(fd)
    if number > 1:
        print("refreshing", flush=True)
        with open(gate) as stream:  # a named pipe: nobody goes on before it is opened
            if stream.read() == "trouble":
                raise OSError("no route to host")
    return number

@pipeline
def job(where: str, gate: str):
    return rates(where, gate)

@stage(ignore=("where", "gate"), reads="ignore", version="1")
async def rates_async(where: str, gate: str) -> int:
    return rates.fn(where, gate)

def call():
    if way == "async":
        import asyncio
        waiting = rates_async.options(ttl="1ms", serve_stale="1d")
        return asyncio.run(waiting(log, gate))
    return (rates if way == "eager" else job)(log, gate)

print("ready", flush=True)
sys.stdin.readline()
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    print(call(), len(told), flush=True)
"""


class Callers:
    """Processes that call once when told to."""

    def __init__(self, project, tmp_path, way):
        self.project = project
        self.script = project.write("caller.py", PROGRAM)
        self.gate = tmp_path / "gate"
        os.mkfifo(self.gate)
        self.log = tmp_path / "log"
        self.way = way
        self.all = []

    def start(self, number):
        started = [
            subprocess.Popen(
                [sys.executable, str(self.script), str(self.log), str(self.gate), self.way],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "STAGECACHE_DIRECTORY": str(self.project.directory)},
            )
            for _ in range(number)
        ]
        self.all += started
        for process in started:
            assert process.stdout.readline() == "ready\n"
        return started

    def close(self):
        for process in self.all:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def call(process):
    """Tell a process to call; return its answer, or that it is refreshing."""
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.fixture(params=["eager", "pipeline", "async"])
def callers(request, project, tmp_path):
    with contextlib.closing(Callers(project, tmp_path, request.param)) as callers:
        yield callers


def test_one_computes_and_the_others_have_the_old_value_before_it_is_done(callers):
    (first,) = callers.start(1)
    assert call(first) == "1 0"
    together = callers.start(CALLERS)
    for process in together:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.stdout.readline().strip() for process in together]
    # All have answered, and the one that refreshes is still at it.
    assert sorted(answers) == ["1 0"] * (CALLERS - 1) + ["refreshing"]
    refresher = together[answers.index("refreshing")]
    with open(callers.gate, "w"):
        pass
    assert refresher.stdout.readline() == "2 0\n"
    assert callers.log.read_text() == "xx"


def test_after_a_failed_or_killed_refresh_the_next_caller_refreshes(callers):
    first, failing, killed, beside, last = callers.start(5)
    assert call(first) == "1 0"
    assert call(failing) == "refreshing"
    with open(callers.gate, "w") as stream:
        stream.write("trouble")
    assert failing.stdout.readline() == "1 1\n"  # the old value and one warning
    assert call(killed) == "refreshing"
    assert call(beside) == "1 0"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert call(last) == "refreshing"
    with open(callers.gate, "w"):
        pass
    assert last.stdout.readline() == "4 0\n"
