"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

import stagecache

README = (Path(__file__).parents[1] / "README.md").read_text()
QUICK_START = README.partition("## Quick start")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", QUICK_START, flags=re.DOTALL)


def sessions(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block and what is printed after each."""
    found = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [tuple(part.partition("\n")[::2]) for part in found]


@pytest.fixture
def started(project):
    project.write("etl.py", blocks("python")[0])
    return project


def test_the_quick_start_prints_what_the_readme_shows(started):
    (_install, session) = blocks("console")
    commands = sessions(session)
    assert len(commands) >= 5
    for command, shown in commands:
        if command.startswith("stagecache "):
            printed = started.python("-m", "stagecache", *shlex.split(command)[1:]).stdout
        else:
            script = "import subprocess, sys; subprocess.run(sys.argv[1], shell=True, check=True)"
            printed = started.python("-c", script, command).stdout
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        assert re.match(pattern, printed, flags=re.DOTALL), (command, printed)


def test_the_quick_start_works_from_python(started):
    started.write("data/2013-01.txt", "3 9 1")
    printed = started.python("-c", blocks("python")[1]).stdout
    assert "clean: would run" in printed
    assert "nightly: 0 to run" in printed


def test_the_version_is_that_of_the_package():
    assert f"stagecache {stagecache.__version__.rpartition('.')[0]} " in README


@pytest.mark.skipif(sys.platform == "win32", reason="the shell commands are for POSIX")
def test_every_command_is_named():
    from stagecache.cli.commands import commands

    for name in commands.commands:
        assert f"$ stagecache {name}" in README
