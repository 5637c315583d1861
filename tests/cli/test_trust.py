"""`stagecache trust`: vouching for a directory that was copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

JOB = """
from fractions import Fraction
from stagecache import stage

@stage
def half(n: int) -> Fraction:
    return Fraction(n, 2)
"""


def test_a_copied_directory_is_trusted_once_a_person_says_so(project: Any, tmp_path: Path) -> None:
    project.write("job.py", JOB)
    assert project.run("job.py:half", "n=3")["ran"] == ["half"]
    shutil.move(shutil.copytree(project.directory, tmp_path / "copy"), tmp_path / "moved")
    shutil.rmtree(project.directory)
    shutil.copytree(tmp_path / "moved", project.directory)

    done = project.python("-W", "ignore", "-m", "stagecache", "run", "job.py:half", "n=3", "--json")
    assert json.loads(done.stdout)["ran"] == ["half"]

    done = project.python("-m", "stagecache", "trust", "--json")
    assert json.loads(done.stdout) == {"directory": str(project.directory), "private": True}
    assert project.run("job.py:half", "n=3")["hit"] == ["half"]


def test_what_cannot_be_trusted_is_a_failure_that_says_why(project: Any, tmp_path: Path) -> None:
    done = project.python("-m", "stagecache", "trust", str(tmp_path / "none"), check=False)
    assert done.returncode == 1
    assert "No such file" in done.stderr
    done = project.python("-m", "stagecache", "trust", ":memory:", check=False)
    assert done.returncode == 2
