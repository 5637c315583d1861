"""What the page on the cache directory shows is what happens."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from stagecache import Cache

PAGE = (Path(__file__).parents[1] / "docs" / "directory.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.skipif(sys.platform != "linux", reason="the shell commands are for Linux")
def test_the_examples_print_what_the_page_shows(project):
    project.write("etl.py", blocks("python")[0])
    commands = [
        part.partition("\n")[::2]
        for block in blocks("console")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]
    assert len(commands) == 8
    for command, shown in commands:
        if command.startswith("stagecache "):
            arguments = ("-m", "stagecache", *shlex.split(command)[1:])
        else:
            script = "import subprocess, sys; subprocess.run(sys.argv[1], shell=True, check=True)"
            arguments = ("-c", script, command)
        done = project.python(*arguments, check=False, STAGECACHE_DIRECTORY="")
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        assert re.match(pattern, done.stdout, flags=re.DOTALL), (command, done)


def test_every_file_of_a_directory_is_told(cache):
    from stagecache import stage

    @stage
    def zeros(n: int) -> bytes:
        return bytes(n)

    zeros(100_000)
    cache.clear()
    cache.close()
    table = PAGE.partition("## What lies in it")[2].partition("\n\n##")[0]
    for path in Path(cache.directory).rglob("*"):
        name = path.relative_to(cache.directory).as_posix()
        if "/blobs/" not in name and name != "v1/blobs":
            assert f"`{name}`" in table or f"`{name}/`" in table, name


@pytest.mark.parametrize(
    "goes",
    [
        "CACHEDIR.TAG", ".gitignore", "v1", "v1/blobs/*/*", "v1/index.db*", "v1/tmp/*",
        "v1/trash/*", "v1/quarantine/*", "v1/locks", "v1/repairs",
    ],
)  # fmt: skip
def test_what_may_go_may_go(project, goes):
    project.write("etl.py", blocks("python")[0])
    project.run("etl.py:squares", "n=20000")
    gone = list(project.directory.glob(goes))
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = project.run("etl.py:squares", "n=20000")
    assert (again["ran"] == ["squares"]) == (goes in ("v1", "v1/blobs/*/*"))
    assert project.run("etl.py:squares", "n=20000")["ran"] == []
    with Cache(project.directory) as cache:
        assert cache.verify() == []
