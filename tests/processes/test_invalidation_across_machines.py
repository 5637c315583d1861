"""Processes with directories of their own share a Redis: what one marks, the others see."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, warnings
from pathlib import Path
from servers.machine import Machine
from stagecache import stage
from stagecache.errors import NotToldError
from stagecache.stores.shared.opening import open_shelf

directory, url, log, gate = sys.argv[1:]

@stage(tags=("fx",), reads="ignore", ignore=("where", "gate"))
def rates(where: str, gate: str) -> int:
    fd = os.open(where, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"x")
    number = os.fstat(fd).st_size
    os.close(fd)
    if gate:
        print("refreshing", flush=True)
        with open(gate) as stream:  # a named pipe: nobody goes on before it is opened
            stream.read()
    return number

machine = Machine(directory, open_shelf(url))
warnings.simplefilter("ignore")
print("ready", flush=True)
for line in sys.stdin:
    with machine.entered():
        try:
            print({
                "call": lambda: rates(log, ""),
                "call slowly": lambda: rates(log, gate),
                "invalidate": lambda: machine.invalidate(tag="fx"),
                "softly": lambda: machine.invalidate(tag="fx", soft=True),
                "forget": lambda: rates.forget(log, ""),
                "refresh": lambda: rates.refresh(log, ""),
            }[line.strip()](), flush=True)
        except NotToldError:
            print("not told", flush=True)
machine.close()
"""


class Machines:
    """Processes that do what they are told."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.script = folder / "machine.py"
        self.script.write_text(PROGRAM)
        self.gate = folder / "gate"
        os.mkfifo(self.gate)
        self.all: list[subprocess.Popen[str]] = []

    def start(self, *names):
        """Start a process for each of these directories."""
        started = [
            subprocess.Popen(
                [
                    *(sys.executable, str(self.script), str(self.folder / name), self.url),
                    *(str(self.folder / "log"), str(self.gate)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(
                        [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
                    ),
                },
            )
            for name in names
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


def send(process, command):
    process.stdin.write(f"{command}\n")
    process.stdin.flush()


def answer(process):
    return process.stdout.readline().strip()


def tell(process, command):
    send(process, command)
    return answer(process)


@pytest.fixture
def machines(tmp_path, own_redis_server):
    server = own_redis_server()
    with contextlib.closing(Machines(tmp_path, server.url)) as machines:
        machines.server = server
        yield machines


@pytest.mark.parametrize("how", ["invalidate", "forget", "refresh"])
def test_what_one_does_the_others_see_at_their_next_call(machines, how):
    a, b, beside_b = machines.start("a", "b", "b")
    for each in (a, b, beside_b, b):
        assert tell(each, "call") == "1"
    tell(a, how)
    assert [tell(each, "call") for each in (b, beside_b, a)] == ["2"] * 3


def test_softly_one_of_many_computes_and_the_others_have_the_old_value_at_once(machines):
    a, *crowd = machines.start("a", *["b"] * 6)
    for each in (a, *crowd):
        assert tell(each, "call") == "1"
    tell(a, "softly")
    for each in crowd:
        send(each, "call slowly")
    answers = [answer(each) for each in crowd]
    assert sorted(answers) == ["1"] * 5 + ["refreshing"]
    refresher = crowd[answers.index("refreshing")]
    with open(machines.gate, "w"):
        pass
    assert answer(refresher) == "2"
    assert [tell(each, "call") for each in (a, *crowd)] == ["2"] * 7


def test_a_server_that_forgets_everything_costs_reruns_only(machines):
    a, b = machines.start("a", "b")
    assert [tell(each, "call") for each in (a, b)] == ["1", "1"]
    tell(a, "invalidate")
    assert machines.server.ask("FLUSHALL").startswith(b"+OK")
    assert int(tell(b, "call")) > 1
    newest = tell(a, "call")
    assert int(newest) > 1
    assert [tell(each, "call") for each in (b, a)] == [newest, newest]


def test_while_the_server_is_silent_it_holds_here_and_the_others_hear_later(machines):
    a, b = machines.start("a", "b")
    assert [tell(each, "call") for each in (a, b)] == ["1", "1"]
    machines.server.pause()
    assert tell(a, "invalidate") == "not told"
    assert tell(a, "call") == "2"
    machines.server.resume()
    # Processes that start now ask at once; these two may leave the server alone for a while.
    a, b = machines.start("a", "b")
    assert int(tell(a, "call")) >= 2
    assert int(tell(b, "call")) >= 2
