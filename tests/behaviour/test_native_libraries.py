"""explain names the libraries that a stage reaches and whose reads nobody can see."""

from __future__ import annotations

import importlib
import subprocess
import sys

import duckdb
import networkx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem

import stagecache


@pytest.fixture
def native(tmp_path, monkeypatch):
    """A library with a module in C."""
    folder = tmp_path / "site"
    (folder / "zq_native-1.0.dist-info").mkdir(parents=True)
    (folder / "zq_native.py").write_text("def load(name):\n    return name\n")
    (folder / "zq_native-1.0.dist-info/RECORD").write_text("zq_native.py,,\n_zq.abi3.so,,\n")
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module("zq_native")
    del sys.modules["zq_native"]


def test_explain_names_a_native_library_in_every_form(cache, native):
    @stagecache.stage
    def load(name: str) -> str:
        return native.load(name)

    load("a")
    explanation = load.explain("a")
    assert explanation.is_hit
    assert explanation.unseen == ("zq-native",)
    assert "zq-native may open files unseen: pass them as `File`" in str(explanation)
    assert explanation.to_dict()["unseen"] == ["zq-native"]
    assert "zq-native may open files unseen" in explanation._repr_html_()


def test_types_of_arrow_that_cannot_be_watched_are_named(cache):
    @stagecache.stage
    def load() -> object:
        return pa.OSFile, LocalFileSystem

    assert load.explain().unseen == ("pyarrow.LocalFileSystem", "pyarrow.OSFile")


@pytest.mark.parametrize("how", ["sql", "query", "execute"])
def test_a_query_finds_frames_by_the_names_of_variables_in_a_stage(cache, how):
    @stagecache.stage
    def ask(number: int) -> list:
        frame = pd.DataFrame({"a": [number]})
        con = duckdb.connect()
        assert len(frame) == 1
        found = [getattr(con, how)("select a from frame").fetchall()]
        if how != "execute":
            found.append(getattr(duckdb, how)("select a from frame").fetchall())
        return found

    assert ask(5)[0] == [(5,)]
    assert ask(6)[-1] == [(6,)]


def test_a_function_of_a_library_counts_alike_before_and_after_it_is_watched(tmp_path):
    program = """
import pathlib, sys
import pandas, pyarrow.csv, duckdb
from stagecache.fingerprint.code import fingerprint_code
from stagecache.fingerprint.reads import Recorder, recording

TEXTS = [
    "from pandas import read_parquet as f", "from os import stat as f",
    "from os import getcwd as f", "from os import readlink as f",
    "from os.path import realpath as f",
    "from linecache import getlines as f", "from pyarrow.csv import read_csv as f",
    "from pyarrow import memory_map as f", "from duckdb import sql as f",
]

def taken(text):
    names = {"__name__": "__main__"}
    exec(text + "\\ndef use(): return f", names)
    return fingerprint_code(names["use"])

before = [taken(text) for text in TEXTS]
with recording(Recorder()):
    pass
after = [taken(text) for text in TEXTS]
print([text for text, one, other in zip(TEXTS, before, after) if one != other])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_libraries_that_are_known_or_have_no_module_in_c_are_not_named(cache):
    @stagecache.stage
    def load() -> object:
        return np.sum, pd.concat, pa.table, pl.concat, duckdb.sql, networkx.Graph, sys.version_info

    assert load.explain().unseen == ()
