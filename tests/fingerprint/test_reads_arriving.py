"""What is watched is watched whenever its module comes: before stagecache, after it, or never."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from stagecache.fingerprint.reads import arriving, native
from stagecache.fingerprint.reads.bypasses import BYPASSES


def run(program, folder):
    program = textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_the_table_of_native_functions_is_loaded_before_any_of_its_modules():
    assert all(name.startswith(native._LIBRARIES) for name in BYPASSES)


@pytest.mark.parametrize(
    ("first", "second"), [("stagecache", "linecache"), ("linecache", "stagecache")]
)
def test_a_memo_that_reads_lines_is_seen_whichever_is_imported_first(tmp_path, first, second):
    (tmp_path / "lib.py").write_text(
        "import functools\n"
        "@functools.cache\n"
        "def first_line(name):\n"
        "    import linecache\n"
        "    return linecache.getlines(name)[0].strip()\n"
    )
    (tmp_path / "data.txt").write_text("one\n")
    program = f"""
        import sys
        for name in ("linecache", "tokenize"):
            sys.modules.pop(name, None)
        import {first}, {second}
        import lib, stagecache
        lib.first_line("data.txt")

        @stagecache.stage
        def load() -> str:
            return lib.first_line("data.txt")

        with stagecache.Cache("kept"):
            print(load())
    """
    assert run(program, tmp_path) == ["one"]
    (tmp_path / "data.txt").write_text("another\n")
    assert run(program, tmp_path) == ["another"]


def test_a_module_that_is_awaited_is_acted_on_once_it_has_run(tmp_path, monkeypatch):
    (tmp_path / "zq_awaited.py").write_text("state = 'whole'\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    arriving.when_imported("zq_awaited", lambda module: found.append(module.state))
    assert not found
    import zq_awaited  # noqa: F401

    assert found == ["whole"]
    arriving.when_imported("zq_awaited", lambda module: found.append(module.__name__))
    assert found == ["whole", "zq_awaited"]
    del sys.modules["zq_awaited"]


def test_what_is_prepared_for_packages_is_prepared_once_before_the_first(tmp_path, monkeypatch):
    for name in ("zq_one", "zq_two"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    arriving.before_imported(["zq_one", "zq_two"], lambda: found.append("zq_two" in sys.modules))
    assert not found
    import zq_one
    import zq_two  # noqa: F401

    assert found == [False]
    arriving.before_imported(["zq_one"], lambda: found.append(zq_one.__name__))
    assert found == [False, "zq_one"]
    del sys.modules["zq_one"], sys.modules["zq_two"]
