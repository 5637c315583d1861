"""The tests of diskcache itself, run against our module if a checkout of it is at hand.

``DISKCACHE_CHECKOUT=/path/to/python-diskcache pytest tests/integrations/test_diskcache_own.py``
``make theirs`` fetches it first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("DISKCACHE_CHECKOUT")
FILES = ("test_core.py", "test_deque.py", "test_fanout.py", "test_index.py", "test_recipes.py")
MOST = 143

_FILES = "values lie in blobs, known by their content: a subclass of Disk does not name files"
DIFFERENCES = {
    "test_core.py::test_custom_filename_disk": _FILES,
    "test_fanout.py::test_custom_filename_disk": _FILES,
    "test_core.py::test_path": "a blob has a head before its value, so a reader tells of no path",
    "test_core.py::test_cleanup_dirs": "counts the entries of the directory, as files come and go",
    "test_core.py::test_integrity_check": "damages the file cache.db, which is not there",
    "test_core.py::test_get_keyerror4": "replaces `open` in the module diskcache.core",
    "test_core.py::test_disk_write_os_error": "replaces `open` in the module diskcache.core",
}
"""Test -> why it does not hold here."""


@pytest.mark.skipif(not CHECKOUT, reason="DISKCACHE_CHECKOUT names no diskcache; make theirs")
@pytest.mark.timeout(600)
def test_what_diskcache_asks_of_itself_holds_but_for_the_differences_listed(tmp_path):
    outcomes = tmp_path / "outcomes"
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "OUTCOMES": str(outcomes),
        "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(tmp_path),
    }
    files = [str(Path(CHECKOUT) / "tests" / name) for name in FILES]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    ran = subprocess.run(
        [*command, "-p", "diskcache_stand_in", "--rootdir", str(tmp_path), *files],
        env=environment, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    found = json.loads(outcomes.read_text())
    assert len(found) == MOST
    failed = {name for name, outcome in found.items() if outcome != "passed"}
    assert failed == set(DIFFERENCES), ran.stdout[-5000:]
