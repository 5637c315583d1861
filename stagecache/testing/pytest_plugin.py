"""The plugin for pytest: the fixture ``stage_cache``. What is asserted on it is told by `calls`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stagecache.testing.calls import StageCache

_ALONE = {"REDIS": "none", "STORE": "none", "READ_ONLY": "false"}
"""Settings that the project's file may hold, and that no test is to reach anybody by."""


@pytest.fixture
def stage_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StageCache]:
    """A cache of the test's own, empty and current; with assertions on what ran."""
    for name in [name for name in os.environ if name.startswith("STAGECACHE_")]:
        monkeypatch.delenv(name)
    # For processes that the test starts, too.
    for name, value in {"DIRECTORY": str(tmp_path / "stagecache"), **_ALONE}.items():
        monkeypatch.setenv(f"STAGECACHE_{name}", value)
    from stagecache.cache import Cache
    from stagecache.default import stand_in
    from stagecache.testing.calls import StageCache

    with Cache() as cache:
        end = stand_in(cache)
        try:
            yield StageCache(cache)
        finally:
            end()
