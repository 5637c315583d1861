"""Every edit runs as A, A, B, A in fresh processes and prints what an uncached run prints.

The last A must hit: versions live side by side. No two runs in turn have the same hash seed.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import annotation_cases  # noqa: F401 - adds to CASES
import argument_cases  # noqa: F401 - adds to CASES
import called_cases  # noqa: F401 - adds to CASES
import environment_cases  # noqa: F401 - adds to CASES
import filled_cases  # noqa: F401 - adds to CASES
import further_cases  # noqa: F401 - adds to CASES
import handle_cases  # noqa: F401 - adds to CASES
import held_cases  # noqa: F401 - adds to CASES
import item_cases  # noqa: F401 - adds to CASES
import loaded_cases  # noqa: F401 - adds to CASES
import look_cases  # noqa: F401 - adds to CASES
import memo_cases  # noqa: F401 - adds to CASES
import more_cases  # noqa: F401 - adds to CASES
import native_cases  # noqa: F401 - adds to CASES
import nested_cases  # noqa: F401 - adds to CASES
import package_cases  # noqa: F401 - adds to CASES
import pool_cases  # noqa: F401 - adds to CASES
import project_cases  # noqa: F401 - adds to CASES
import pytest
import reader_cases  # noqa: F401 - adds to CASES
import setting_cases  # noqa: F401 - adds to CASES
from cases import CASES

MODES = ("script", "module", "cells")
SEEDS = ("1", "2")
IMPORTS = ("import", "from")
SHELL = ("IPython.core.interactiveshell", "IPython.core.logger", "bdb")
FEW = 20
"""Modules that are imported again at each run as fast as another process is made that has them."""
FRAMES = ("pandas",)
LIBRARIES = (*FRAMES, "requests", "sklearn", "pydantic")


class Zygote:
    """A process that knows nothing of the user's code, and forks one for each run."""

    def __init__(self, seed, *preloaded):
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("zygote.py")),
                *filter(_is_there, preloaded),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        self.has_more = False

    def wait(self):
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def have(self, modules):
        """Fork from a process that has `modules` as well, until told to leave it."""
        if not self.has_more:
            self.has_more = True
            self.ask(modules)
            self.wait()

    def leave(self):
        if self.has_more:
            self.has_more = False
            self.ask("done")
            self.wait()  # two lines at once would both be read by the one that ends

    def run(self, folder, directory, mode):
        self.ask({"folder": str(folder), "directory": str(directory), "mode": mode})
        answer = json.loads(self.process.stdout.readline())
        assert answer["error"] is None, answer["error"]
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Runs:
    """Runs programs in fresh processes, each with another hash seed than the one before.

    What is forked from costs its size at each fork: so cases that need a shell or large
    libraries have processes with these, and the others none of it.
    """

    def __init__(self):
        self._turns = itertools.cycle(SEEDS)
        self._zygotes = {}
        self._modules = []

    @contextlib.contextmanager
    def having(self, modules):
        """Fork from processes that have `modules` as well, inside the block."""
        self._modules = modules if len(modules) > FEW else []
        try:
            yield
        finally:
            self._modules = []
            for zygote in self._zygotes.values():
                zygote.leave()

    def __call__(self, case, folder, directory, mode):
        zygote = self._zygote(next(self._turns), *needed(case, mode))
        if self._modules:
            zygote.have(self._modules)
        return zygote.run(folder, directory, mode)

    def _zygote(self, seed, *names):
        if (seed, *names) not in self._zygotes:
            made = {(each, *names): Zygote(each, *names) for each in SEEDS}
            self._zygotes.update(made)
            for zygote in made.values():  # while one starts, the other does
                zygote.wait()
        return self._zygotes[seed, *names]

    def close(self):
        for zygote in self._zygotes.values():
            zygote.close()


@pytest.fixture(scope="module")
def run():
    with contextlib.closing(Runs()) as runs:
        yield runs


def _is_there(name):
    return find_spec(name.partition(".")[0]) is not None


def needed(case, mode):
    """Return what a process is to have loaded that is forked for a case."""

    def imports(*names):
        return any(f"{how} {name}" in str(case.files) for name in names for how in IMPORTS)

    if imports("requests", "sklearn", "pydantic"):
        return LIBRARIES + SHELL  # for few: one kind of process will do
    has_frames = imports("pandas", "numpy", "pyarrow", "matplotlib")
    return FRAMES * has_frames + SHELL * (mode == "cells")


def write(folder, texts):
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_battery_is_large_enough():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 80


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edit_reruns_exactly_what_it_must(case, run, tmp_path):
    folder = tmp_path / "project"
    expected = {}
    for which in ("old", "new"):
        write(folder, case.texts(which))
        uncached = run(case, folder, ":memory:", "script")
        expected[which] = uncached["printed"]
    with run.having(uncached["imported"]):
        for mode in MODES:
            ran = []
            for which in ("old", "old", "new", "old"):
                write(folder, case.texts(which))
                answer = run(case, folder, tmp_path / f"kept by {mode}", mode)
                assert answer["printed"] == expected[which], (mode, which)
                ran.append(answer["ran"])
            first, again, edited, back = ran
            assert first, mode
            assert again == [], mode
            assert sorted(edited) == sorted(case.reruns), mode
            assert back == [], mode
