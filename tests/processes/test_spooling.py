"""What a generator yields, among processes: one computes, a killed one leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys

from stagecache import Cache

PROGRAM = """
import os, sys
import numpy as np
from stagecache import stage

@stage(ignore=("log", "gate"), reads="ignore")
def arrays(log: str, gate: str):
    with open(log, "a") as stream:
        stream.write("ran\\n")
    for number in range(4):
        if number == 2:
            print("half", flush=True)
            with open(gate) as stream:  # a named pipe: nobody goes on before it is opened
                stream.read()
        yield np.full(50_000, float(number))

print([float(array[0]) for array in arrays(*sys.argv[1:])], flush=True)
"""
WHOLE = "[0.0, 1.0, 2.0, 3.0]\n"


def start(project, tmp_path, gate):
    env = {**os.environ, "STAGECACHE_DIRECTORY": str(project.directory)}
    path = project.write("spool.py", PROGRAM)
    return subprocess.Popen(
        [sys.executable, str(path), str(tmp_path / "log"), str(gate)],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )


def end(*processes):
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_that_waits_for_the_items_of_another_gets_them_all(project, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = start(project, tmp_path, gate)
    try:
        assert first.stdout.readline() == "half\n"
        second = start(project, tmp_path, gate)
        try:
            with open(gate, "w"):
                pass
            assert first.communicate(timeout=60)[0] == WHOLE
            assert second.communicate(timeout=60)[0] == WHOLE
        finally:
            end(second)
    finally:
        end(first)
    assert (tmp_path / "log").read_text() == "ran\n"


def test_a_process_killed_half_way_leaves_no_result_and_gc_frees_its_items(project, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    killed = start(project, tmp_path, gate)
    try:
        assert killed.stdout.readline() == "half\n"
    finally:
        end(killed)
    with Cache(project.directory) as cache:
        assert cache.stats().entries == 0
        assert cache.stats().blobs == 2
        assert cache.gc().blobs == 0  # it could be at work still
        (disk,) = cache._store._lower
        assert disk.gc(grace=-1).blobs == 2
        assert cache.verify() == []
    again = start(project, tmp_path, gate)
    try:
        assert again.stdout.readline() == "half\n"
        with open(gate, "w"):
            pass
        assert again.communicate(timeout=60)[0] == WHOLE
    finally:
        end(again)
