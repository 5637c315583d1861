"""Machines of a team: caches with directories of their own that share only servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stagecache import Cache
from stagecache.stores.shared.keyring import make


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Cache]:
    """Return what makes the cache of a machine, by its name; one name, one directory."""
    return lambda name, **settings: Cache(tmp_path / "hosts" / name, **settings)


@pytest.fixture(params=["redis", "redis and s3", "s3", "folder", "memcached and folder"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What a team may share, as settings."""
    kind = request.param
    settings = {}
    if "redis" in kind:
        settings["redis"] = request.getfixturevalue("redis_server").url
    if "memcached" in kind:
        settings["redis"] = request.getfixturevalue("memcached").url
    if "s3" in kind:
        settings["store"] = f"s3://{request.getfixturevalue('s3_server').bucket()}/team"
    if "folder" in kind:
        settings["store"] = f"file://{tmp_path}/share"
    return settings


@pytest.fixture
def key(tmp_path: Path) -> Callable[[str], str]:
    """Return what makes the file of a key, by its name."""

    def made(name: str) -> str:
        path = tmp_path / "keys" / name
        if not path.exists():
            make(str(path))
        return str(path)

    return made


@pytest.fixture
def ran() -> list[Any]:
    """What bodies note when they run."""
    return []
