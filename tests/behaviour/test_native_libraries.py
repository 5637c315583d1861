"""explain names the libraries that a stage reaches and whose reads nobody can see."""

from __future__ import annotations

import importlib
import sys

import duckdb
import networkx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

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


def test_libraries_that_are_known_or_have_no_module_in_c_are_not_named(cache):
    @stagecache.stage
    def load() -> object:
        return np.sum, pd.concat, pa.table, pl.concat, duckdb.sql, networkx.Graph, sys.version_info

    assert load.explain().unseen == ()
