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


ROOMS = {
    f"stagecache.fingerprint.{room}"
    for room in ("code.digest", "code.bytecode", "code.setters", "reads.bypasses", "reads.recorder")
}
"""What only stages need, and functions that may keep what they read."""


def test_who_declares_no_stage_loads_nothing_that_only_stages_need(tmp_path):
    (tmp_path / "lib.py").write_text(
        "import os\n"
        "def there(names):\n"
        "    return sorted(name for name in names if os.path.exists(name))\n"
        "def read(name):\n"
        "    with open(name) as stream:\n"
        "        return stream.read(), os.environ.get('ZQ_X'), os.stat(name).st_size\n"
    )
    program = (
        "import stagecache, sys, lib\n"
        "lib.read('lib.py'), lib.there(['lib.py', 'other.py'])\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    # From 3.13 on, Python itself loads linecache for a program after -c.
    late = {"linecache"} if sys.version_info < (3, 13) else set()
    assert not (ROOMS | late) & set(done.stdout.split())


def test_every_exported_name_exists():
    for name in stagecache.__all__:
        assert getattr(stagecache, name) is not None
    assert set(stagecache.__all__) <= set(dir(stagecache))
