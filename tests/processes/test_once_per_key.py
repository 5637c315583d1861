"""A key is computed once, however many threads and processes of one machine want it."""

from __future__ import annotations

import contextvars
import json
import os
import subprocess
import sys
import threading

import stagecache

RACERS = 6

PROGRAM = """
import os, sys
from stagecache import stage

@stage(ignore=("where",))
def slow(n: int, where: str) -> list[int]:
    fd = os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{os.getpid()}\\n".encode())
    os.close(fd)
    with open(sys.argv[2]) as gate:  # a named pipe: nobody goes on before it is opened
        gate.read()
    return list(range(n))

print("ready", flush=True)
sys.stdin.readline()
print(len(slow(3, sys.argv[1])), flush=True)
"""


def test_processes_that_want_one_key_at_once_compute_it_once(project, tmp_path):

    path = project.write("racer.py", PROGRAM)
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    log = tmp_path / "log"
    env = {**os.environ, "STAGECACHE_DIRECTORY": str(project.directory)}
    racers = [
        subprocess.Popen(
            [sys.executable, str(path), str(log), str(gate)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for _ in range(RACERS)
    ]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            racer.stdin.write("\n")
            racer.stdin.flush()
        with open(gate, "w"):  # opens when the one that computes reads from it
            pass
        for racer in racers:
            out, _ = racer.communicate(timeout=60)
            assert out == "3\n"
            assert racer.returncode == 0
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
            racer.stdin.close()
            racer.stdout.close()
    assert len(log.read_text().splitlines()) == 1


def test_threads_that_want_one_key_at_once_compute_it_once_and_share_no_value(cache):
    ran = []
    entered, go = threading.Event(), threading.Event()

    @stagecache.stage(ignore=("log",))
    def slow(log: object = None) -> list[int]:
        ran.append(1)
        entered.set()
        assert go.wait(60)
        return [1, 2, 3]

    results = []

    threads = [
        threading.Thread(
            target=contextvars.copy_context().run, args=(lambda: results.append(slow()),)
        )
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert ran == [1]
    assert results == [[1, 2, 3]] * 16
    assert len({id(result) for result in results}) == 16


def test_two_processes_that_run_one_pipeline_share_the_work(project):
    project.write(
        "both.py",
        """
        import sys
        from stagecache import pipeline, stage

        @stage
        def part(i: int) -> int:
            return i * i

        @stage
        def total(parts: list[int]) -> int:
            return sum(parts)

        @pipeline
        def main(n: int = 40) -> int:
            return total(part.map(range(n)))
        """,
    )
    command = [sys.executable, "-m", "stagecache", "run", "both.py:main", "--json"]

    env = {**os.environ, "STAGECACHE_DIRECTORY": str(project.directory)}
    running = [
        subprocess.Popen(command, cwd=project.folder, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    records = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    ran = records[0]["ran"] + records[1]["ran"]
    assert sorted(ran) == sorted([*(f"part[{i}]" for i in range(40)), "total"])
