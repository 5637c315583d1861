"""The notebooks run as committed, and two kernels share one cache."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import nbformat
import pytest

nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the notebooks' folder with a cache of its own."""
    copy = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return copy


def client(folder, name):
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    made = nbclient.NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return notebook, made


def outputs(notebook):
    """What each code cell shows, as text."""
    shown = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        texts = [
            output["text"] if output.output_type == "stream" else output["data"]["text/plain"]
            for output in cell.outputs
        ]
        shown.append("".join(texts))
    return shown


def computed(*notebooks):
    """The lines that stages print when they run."""
    text = "\n".join(part for notebook in notebooks for part in outputs(notebook))
    return sorted(line for line in text.splitlines() if line.startswith("computing"))


ONCE = ["computing sales of 30 days", "computing tax", "computing totals by shop"]


def test_the_quick_start_shows_what_is_committed(folder):
    committed = outputs(nbformat.read(NOTEBOOKS / "01_quickstart.ipynb", as_version=4))
    notebook, made = client(folder, "01_quickstart")
    made.execute()
    assert outputs(notebook) == committed


def test_one_after_the_other_the_second_computes_nothing(folder):
    for name in ("02_share_A", "02_share_B"):
        committed = outputs(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4))
        notebook, made = client(folder, name)
        made.execute()
        assert outputs(notebook) == committed
        assert computed(notebook) == (ONCE if name == "02_share_A" else [])


def test_at_the_same_time_each_stage_is_computed_once_in_one_of_them(folder):
    (first, run_first), (second, run_second) = client(folder, "02_share_A"), client(
        folder, "02_share_B"
    )

    async def both():
        await asyncio.gather(run_first.async_execute(), run_second.async_execute())

    asyncio.run(both())
    assert computed(first, second) == ONCE


def test_committed_notebooks_hold_no_errors_and_no_paths():
    assert "STAGECACHE_DIRECTORY" in os.environ
    for path in NOTEBOOKS.glob("*.ipynb"):
        text = path.read_text()
        assert str(Path.home()) not in text
        assert '"output_type": "error"' not in text
