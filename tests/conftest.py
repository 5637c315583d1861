"""What every test stands on: a cache directory of its own, and projects run in fresh processes.

Servers that tests share are named here alone: each conftest that names one starts one more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from servers.memcached import _memcached_of_all, memcached, own_memcached  # noqa: F401
from servers.redis import _redis_server_of_all, own_redis_server, redis_server  # noqa: F401
from servers.redis_topologies import (  # noqa: F401
    _redis_cluster_of_all,
    redis_cluster,
    redis_sentinel,
)
from servers.s3 import _s3_server_of_all, s3_endpoint, s3_server  # noqa: F401

import stagecache

settings.register_profile("timeless", settings.default, deadline=None)
settings.load_profile("timeless")


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let no test touch a cache outside its temporary directory."""
    for name in [name for name in os.environ if name.startswith("STAGECACHE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STAGECACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield
    monkeypatch.undo()
    if "stagecache.default" in sys.modules:  # let the next test make its own default cache
        stagecache.configure()


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    """A cache on disk, current in the test."""
    with stagecache.Cache(tmp_path / "cache") as cache:
        yield cache


class Project:
    """A folder of user code that is edited and run in fresh processes."""

    def __init__(self, folder: Path, directory: Path) -> None:
        self.folder = folder
        self.directory = directory
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write (or overwrite) a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace `old` by `new`, which must be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def python(self, *arguments: str, check: bool = True, **env: str) -> Any:
        """Run the interpreter in the project's folder; return the finished process."""
        finished = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "STAGECACHE_DIRECTORY": str(self.directory),
                "PYTHONDONTWRITEBYTECODE": "1",
                **env,
            },
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert not check or finished.returncode == 0, finished.stderr
        return finished

    def run(self, target: str, *arguments: str, **env: str) -> Any:
        """Run a pipeline by the command line; return what `run --json` prints."""
        done = self.python("-m", "stagecache", "run", target, *arguments, "--json", **env)
        return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project with a cache of its own."""
    return Project(tmp_path / "project", tmp_path / "cache")
