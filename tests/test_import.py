"""Importing stagecache stays cheap: what a decorator does not need is not imported."""

from __future__ import annotations

import subprocess
import sys

import stagecache

HEAVY = {
    "pandas", "numpy", "pyarrow", "networkx", "rich", "click", "msgspec", "cloudpickle",
    "concurrent.futures", "asyncio", "dataclasses", "inspect", "logging", "apsw", "json",
    "redis", "hiredis", "obstore", "pymemcache",
}  # fmt: skip


def test_importing_the_decorators_imports_nothing_heavy():
    program = (
        "import sys; before = set(sys.modules)\n"
        "from stagecache import File, Ignore, pipeline, stage\n"
        "@stage\ndef f(x: int) -> int: return x\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n" + program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not HEAVY & set(done.stdout.split())


def test_every_exported_name_exists():
    for name in stagecache.__all__:
        assert getattr(stagecache, name) is not None
    assert set(stagecache.__all__) <= set(dir(stagecache))
