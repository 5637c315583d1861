"""Executes the notebooks in order, each in a kernel of its own, and keeps their clean outputs.

Run it after editing a notebook: ``python notebooks/refresh.py``. The cache is a temporary one.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def refresh(path: Path) -> None:
    """Execute one notebook and write it back with its outputs and nothing else."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
    ).execute(cleanup_kc=True)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
    nbformat.write(notebook, path)
    print(path.name)


def main() -> None:
    """Refresh all of them with one fresh cache."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STAGECACHE_DIRECTORY"] = folder
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        for path in sorted(HERE.glob("*.ipynb")):
            refresh(path)


if __name__ == "__main__":
    main()
