"""Lets no test and no example in a docstring find or make anything in the user's own folders."""

from __future__ import annotations

import os
import tempfile

import pytest

_folder = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_folder] = folder = tempfile.TemporaryDirectory(prefix="stagecache-tests-")
    os.environ["XDG_CONFIG_HOME"] = folder.name


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_folder].cleanup()
